/**
 * Tasks one after the other, a bounded number waiting: each scrypt takes all the memory that is set aside for one.
 * Never starts a task after `close`.
 */

import { KDF_QUEUE } from './limits.ts'
import { VaultError } from './vault-error.ts'

export interface SerialQueue {
  /** Rejects with `vault/busy` if too many wait, and with `vault/closed` if it is closed before its turn. */
  run<T>(task: () => Promise<T>): Promise<T>
  /** Resolves when the task under way is over. */
  close(): Promise<void>
}

export function createSerialQueue(max: number = KDF_QUEUE): SerialQueue {
  let last: Promise<unknown> = Promise.resolve()
  let queued = 0
  let closed = false
  return {
    run(task) {
      if (queued > max)
        return Promise.reject(new VaultError('vault/busy', 'too much to do at once: try again later'))
      queued++
      const turn = last.then(() => {
        if (closed) throw closedError()
        return task()
      })
      last = turn.then(
        () => undefined,
        () => undefined,
      )
      return turn.finally(() => {
        queued--
      })
    },
    close() {
      closed = true
      return last.then(() => undefined)
    },
  }
}

export function closedError(): VaultError {
  return new VaultError('vault/closed', 'the vault is closed: open it again')
}
