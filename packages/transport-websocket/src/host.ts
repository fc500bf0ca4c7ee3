/**
 * What the transport takes from its host when it is given nothing else, and how it calls back into it.
 * Never lets a callback's failure break a connection, and never hides that failure.
 */

import type { Clock, RandomBytes } from '@nip46/core'

/** The host's own time and timers. */
export const hostClock: Clock = {
  now: () => Date.now(),
  setTimer: (run, afterMs) => setTimeout(run, afterMs),
  clearTimer: (handle) => clearTimeout(handle as ReturnType<typeof setTimeout>),
}

/** The host's cryptographically secure random bytes. */
export const hostRandomBytes: RandomBytes = (length) => crypto.getRandomValues(new Uint8Array(length))

/** Sets the one timer of `holder` anew, or only clears it. */
export function arm(clock: Clock, holder: { timer: unknown }, afterMs = 0, run?: () => void): void {
  clock.clearTimer(holder.timer)
  holder.timer = run && clock.setTimer(run, afterMs)
}

/**
 * Runs a callback of the host. If it throws, the connection goes on and the error surfaces where the host looks for
 * uncaught ones, as from any event listener.
 */
export function callHost<T>(run: () => T): T | undefined {
  try {
    return run()
  } catch (error) {
    queueMicrotask(() => {
      throw error
    })
    return undefined
  }
}
