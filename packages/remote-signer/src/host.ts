/**
 * The host's clock and randomness, for whoever gives none.
 * Never used where one was given.
 */

import type { Clock, Millis, RandomBytes } from '@nip46/core'
import { CLOCK_STEP_MS } from './limits.ts'

/** Node, Deno and Bun run these after what their sockets and ports have delivered; browsers have none. */
const { setImmediate: afterTurn } = globalThis as { readonly setImmediate?: (run: () => void) => unknown }

export const hostDefer: (run: () => void) => void =
  afterTurn === undefined ? (run) => queueMicrotask(run) : (run) => void afterTurn(run)

export const hostClock: Clock = {
  now: () => Date.now(),
  setTimer: (run, afterMs) => setTimeout(run, afterMs),
  clearTimer: (handle) => clearTimeout(handle as ReturnType<typeof setTimeout>),
  defer: hostDefer,
}

/** A clock's {@link Clock.defer}, or what stands in for it. */
export function deferBy(clock: Clock): (run: () => void) => void {
  return clock.defer ?? queueMicrotask
}

/** Hosts give no more bytes than this at once. */
const DRAW_BYTES = 65_536

export const hostRandom: RandomBytes = (length) => {
  const bytes = new Uint8Array(length)
  for (let at = 0; at < length; at += DRAW_BYTES) {
    globalThis.crypto.getRandomValues(bytes.subarray(at, at + DRAW_BYTES))
  }
  return bytes
}

/**
 * A clock's time that does not go back by the small corrections hosts make, as the machines want it. A large step back
 * is a clock that was set right: followed, or every request would look old until the time was caught up.
 */
export function steadyNow(clock: Clock): () => Millis {
  let last = Number.NEGATIVE_INFINITY
  return () => {
    const now = clock.now()
    if (now > last || last - now > CLOCK_STEP_MS) last = now
    return last
  }
}
