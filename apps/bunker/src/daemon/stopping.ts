/**
 * The end of a daemon: once, whoever asks for it and however often.
 * Never says that it stopped before everything is closed.
 */

import type { UsageError } from '@nip46/core'

export interface Stopping {
  /** Settles when it has stopped; rejects with the reason if nobody asked for it. */
  readonly stopped: Promise<void>
  /** Calling again waits for the same. */
  close(): Promise<void>
  /** The same, for a reason that whoever waits is to hear. */
  closeBecause(reason: UsageError): void
}

/** `drain` is called once. */
export function createStopping(drain: () => Promise<void>): Stopping {
  let resolve: () => void = () => undefined
  let reject: (cause: unknown) => void = () => undefined
  const stopped = new Promise<void>((whenStopped, whenFailed) => {
    resolve = whenStopped
    reject = whenFailed
  })
  // Whoever calls `close()` is told; nobody has to wait for this one as well.
  stopped.catch(() => undefined)
  let endedBy: UsageError | undefined
  let closing: Promise<void> | undefined
  const close = (): Promise<void> => {
    closing ??= drain()
    closing.then(() => (endedBy === undefined ? resolve() : reject(endedBy)), reject)
    return closing
  }
  return {
    stopped,
    close,
    closeBecause(reason) {
      endedBy = reason
      close().catch(() => undefined)
    },
  }
}
