/**
 * What the client takes from its host when it is given nothing else, and how it calls into what it was given.
 * Never lets a failing callback stop the session, and never hides that failure.
 */

import type { Clock, RandomBytes } from '@nip46/core'
import { RANDOM_DRAWN_BYTES } from './limits.ts'

/** The host's own time and timers. */
export const hostClock: Clock = {
  now: () => Date.now(),
  setTimer: (run, afterMs) => setTimeout(run, afterMs),
  clearTimer: (handle) => clearTimeout(handle as ReturnType<typeof setTimeout>),
}

/** A request needs several, and asking the host for a few costs as much as for many. */
const drawn = new Uint8Array(RANDOM_DRAWN_BYTES)
let used = drawn.length

/**
 * The host's cryptographically secure random bytes. Each is handed out once and overwritten then, and what is left at the end of this turn
 * of the host is forgotten: a process that is copied or stored while it waits holds none.
 */
export const hostRandom: RandomBytes = (length) => {
  if (length > drawn.length) return globalThis.crypto.getRandomValues(new Uint8Array(length))
  if (used + length > drawn.length) {
    globalThis.crypto.getRandomValues(drawn)
    used = 0
    queueMicrotask(() => {
      drawn.fill(0)
      used = drawn.length
    })
  }
  const bytes = drawn.slice(used, used + length)
  drawn.fill(0, used, used + length)
  used += length
  return bytes
}

/**
 * Runs what the caller gave us: a callback, a transport, a crypto. If it throws, the session goes on, the result is
 * undefined, and the error surfaces where the host looks for uncaught ones, as from any event listener.
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

/** A promise that may be left alone: its rejection is no unhandled one until somebody waits for it. */
export function quiet<T>(run: () => Promise<T>): Promise<T> {
  const promise = run()
  promise.catch(() => undefined)
  return promise
}
