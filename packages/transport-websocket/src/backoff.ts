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
  const [high = 0, low = 0] = randomBytes(2)
  return (Math.min(BACKOFF_CAP_MS, BACKOFF_BASE_MS * 2 ** failures) * (high * 256 + low)) / 65_536
}
