/**
 * Random ids of requests, what else is named after them, and secrets of offers.
 * Never checks where the random bytes come from, only how many they are.
 */

import { bytesToHex, type RandomBytes, type RequestId } from '@nip46/core'
import { misuse } from './options.ts'

/** 16 random bytes as 32 hex characters (NIP-46 asks for random strings). */
export function freshId(random: RandomBytes): RequestId {
  const id = bytesToHex(random(16))
  return id.length === 32 ? id : misuse('random(length) returns so many random bytes')
}
