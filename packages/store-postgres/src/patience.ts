/**
 * How long something is waited for, in time that this process ran: while it stood still (stopped, starved, its host paused)
 * nothing could come, so that counts for no more than a moment.
 * Never the time of day.
 */

import type { Millis } from '@nip46/core'
import { unavailableError } from './error.ts'
import { STANDSTILL_MS } from './limits.ts'

let ran: Millis = 0
let lookedAt: Millis = performance.now()

/** Grows while something is waited for; only good to compare with itself. */
export function runningNow(): Millis {
  const at = performance.now()
  ran += Math.min(at - lookedAt, STANDSTILL_MS)
  lookedAt = at
  return ran
}

/** Rejects with `store/unavailable` if nothing came by `end` of {@link runningNow}; what came until then and waits to be read counts. */
export function inTime<T>(pending: Promise<T>, end: Millis, why: string): Promise<T> {
  return new Promise((resolve, reject) => {
    let timer: NodeJS.Timeout | undefined
    const look = (): void => {
      const left = end - runningNow()
      if (left > 0) timer = setTimeout(look, Math.min(left, STANDSTILL_MS / 2))
      // Sockets are read before this runs.
      else setImmediate(() => reject(unavailableError(why)))
    }
    pending.then(resolve, reject).finally(() => clearTimeout(timer))
    look()
  })
}
