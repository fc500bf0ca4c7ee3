/**
 * Bytes as lower-case hex and back, and the random ids made of them.
 * Never checks that hex text is hex: its callers have.
 */

import type { RandomBytes, RequestId } from '@nip46/core'

/** Request ids and secrets: 16 random bytes as 32 hex characters (NIP-46 asks for random strings). */
export function freshId(random: RandomBytes): RequestId {
  return toHex(random(16))
}

export function toHex(bytes: Uint8Array): string {
  let hex = ''
  for (const byte of bytes) hex += byte.toString(16).padStart(2, '0')
  return hex
}

export function fromHex(hex: string): Uint8Array {
  return Uint8Array.from({ length: hex.length / 2 }, (_, i) =>
    Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16),
  )
}
