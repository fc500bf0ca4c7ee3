/**
 * A rate with a burst. Starts full; never holds more than its burst.
 * Never reads a clock: the time comes with each call.
 */

import type { Millis } from '@nip46/core'

export interface TokenBucket {
  /** Takes `count` tokens if there is at least one, going below zero for a large count; false if there is none. */
  take(now: Millis, count?: number): boolean
  /** Takes tokens away without asking. */
  charge(count: number): void
}

export function createTokenBucket(burst: number, perSecond: number, start: Millis): TokenBucket {
  let tokens = burst
  let last = start
  return {
    take(now, count = 1) {
      // A clock that stepped back adds nothing, and takes nothing away.
      tokens = Math.min(burst, tokens + (Math.max(0, now - last) * perSecond) / 1_000)
      last = now
      if (tokens < 1) return false
      tokens -= count
      return true
    },
    charge(count) {
      tokens -= count
    },
  }
}
