/**
 * Random bytes drawn ahead in one piece, since asking the system for a few costs as much as for many.
 * Never hands out a byte twice, and never keeps one that it has handed out.
 */

import { type RandomBytes, UsageError } from '@nip46/core'
import { expectBytes } from './bytes.ts'
import { hostRandom } from './host-random.ts'
import { RANDOM_DIRECT_BYTES, RANDOM_POOL_BYTES } from './limits.ts'

/**
 * A source in front of another (default: the host's secure one): `RANDOM_POOL_BYTES` are drawn at once, and each
 * is overwritten as it is handed out. Requests over `RANDOM_DIRECT_BYTES` go to the source itself.
 *
 * Whoever restores a running process from a snapshot gets the bytes that waited in it once more: leave the pool out there.
 *
 * ```ts
 * const random = pooledRandom()
 * const nonce = random(32)
 * ```
 */
export function pooledRandom(source: RandomBytes = hostRandom): RandomBytes {
  const pool = new Uint8Array(RANDOM_POOL_BYTES)
  let at = pool.length
  return (length) => {
    if (!Number.isSafeInteger(length) || length < 0)
      throw new UsageError('random bytes are asked for as a whole number from 0')
    if (length > RANDOM_DIRECT_BYTES) return source(length)
    if (at + length > pool.length) {
      const drawn = source(pool.length)
      expectBytes(`what the source gives for ${pool.length} bytes`, drawn, pool.length)
      pool.set(drawn)
      drawn.fill(0)
      at = 0
    }
    const bytes = pool.slice(at, at + length)
    pool.fill(0, at, at + length)
    at += length
    return bytes
  }
}
