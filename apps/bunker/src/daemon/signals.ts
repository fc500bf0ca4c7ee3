/**
 * How a process ends its daemon: SIGTERM or SIGINT once, and once more to end at once; a fault of this program at once.
 * Never ends the process while answers are on their way, unless asked twice, and never goes on after a fault that nobody caught.
 */

import type { Daemon } from './daemon.ts'

/** What of a process is used. */
export interface SignalSource {
  on(signal: 'SIGTERM' | 'SIGINT', listener: () => void): unknown
  on(event: 'uncaughtException', listener: (cause: unknown) => void): unknown
  off(signal: 'SIGTERM' | 'SIGINT', listener: () => void): unknown
  off(event: 'uncaughtException', listener: (cause: unknown) => void): unknown
  exit(code: number): unknown
}

/**
 * Resolves once the daemon has stopped, whatever the reason. `asked` is aborted if a signal came before the daemon ran, which then
 * stops at once. A second signal exits with 130 at once; an exception or a rejection that
 * nobody caught is logged without what may be a secret, what was in work is marked, and it exits with 1.
 */
export async function runUntilSignal(
  daemon: Pick<Daemon, 'stopped' | 'close' | 'fault'>,
  asked: AbortSignal,
  source: SignalSource = process,
): Promise<void> {
  let isAsked = false
  let isEnding = false
  const onSignal = (): void => {
    if (isAsked) source.exit(130)
    isAsked = true
    // What it rejects with comes out of `stopped` below.
    daemon.close().catch(() => undefined)
  }
  // What is in memory may be wrong: nothing more is sent, and whoever supervises starts anew from the store.
  const onFault = (cause: unknown): void => {
    if (isEnding) return
    isEnding = true
    const end = (): unknown => source.exit(1)
    daemon.fault(cause).then(end, end)
  }
  source.on('uncaughtException', onFault)
  source.on('SIGTERM', onSignal)
  source.on('SIGINT', onSignal)
  if (asked.aborted) onSignal()
  try {
    await daemon.stopped
  } finally {
    source.off('uncaughtException', onFault)
    source.off('SIGTERM', onSignal)
    source.off('SIGINT', onSignal)
  }
}
