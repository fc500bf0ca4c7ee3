/**
 * Full-jitter exponential backoff: how long to wait before the next try.
 * Never rolls dice itself: the random bytes come in.
 */

import type { RandomBytes } from '@nip46/core'

/** The longest first wait, in milliseconds. */
export const BACKOFF_BASE_MS = 1_000
/** The longest wait of all, in milliseconds. */
export const BACKOFF_CAP_MS = 30_000

/**
 * Milliseconds to wait after `failures` failures in a row (0 for the first): anything from nothing to
 * `min(30 s, 1 s * 2 ** failures)`, so that clients that lost a relay together do not come back together.
 */
export function backoffMs(failures: number, randomBytes: RandomBytes): number {
  return Math.floor(randomFraction(randomBytes) * backoffCeilingMs(failures))
}

/** The same with a floor of {@link BACKOFF_BASE_MS}, for a relay that asked us to slow down. */
export function slowdownMs(failures: number, randomBytes: RandomBytes): number {
  return BACKOFF_BASE_MS + backoffMs(failures, randomBytes)
}

/** The longest that {@link backoffMs} can be. */
export function backoffCeilingMs(failures: number): number {
  return Math.min(BACKOFF_CAP_MS, BACKOFF_BASE_MS * 2 ** failures)
}

/** A number in [0, 1) out of four random bytes. */
export function randomFraction(randomBytes: RandomBytes): number {
  const { buffer, byteOffset } = randomBytes(4)
  return new DataView(buffer, byteOffset).getUint32(0) / 2 ** 32
}
