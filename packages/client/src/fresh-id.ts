/**
 * Random ids of requests, and secrets of offers.
 * Never checks where the random bytes come from.
 */

import { bytesToHex, type RandomBytes, type RequestId } from '@nip46/core'

/** 16 random bytes as 32 hex characters (NIP-46 asks for random strings). */
export function freshId(random: RandomBytes): RequestId {
  return bytesToHex(random(16))
}

export function freshIds(random: RandomBytes, count: number): readonly RequestId[] {
  return Array.from({ length: count }, () => freshId(random))
}
