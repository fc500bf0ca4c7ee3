/**
 * The host: its clock where none is given, and its callbacks.
 * Never lets a callback that throws end what called it.
 */

import type { Clock } from '@nip46/core'

export const hostClock: Clock = {
  now: () => Date.now(),
  setTimer: (run, afterMs) => setTimeout(run, afterMs),
  clearTimer: (handle) => clearTimeout(handle as ReturnType<typeof setTimeout>),
}

/** Runs a callback of the host. If it throws, the transport goes on and the error surfaces as uncaught. */
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
