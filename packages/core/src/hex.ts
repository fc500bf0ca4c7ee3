/**
 * Bytes as hex and back.
 * Never in constant time: what is written as hex is public, or about to leave as text anyway.
 */

import { UsageError } from './value.ts'

const PAIRS: readonly string[] = /* @__PURE__ */ Array.from({ length: 256 }, (_, byte) =>
  byte.toString(16).padStart(2, '0'),
)
/** Lower case, two digits a byte. */
export function bytesToHex(bytes: Uint8Array): string {
  let hex = ''
  for (let i = 0; i < bytes.length; i++) hex += PAIRS[bytes[i] as number]
  return hex
}

/** Digits of either case. Throws `UsageError` on anything else, without repeating it: it may be secret. */
export function hexToBytes(hex: string): Uint8Array {
  if (typeof hex !== 'string' || hex.length % 2 !== 0 || /[^0-9a-f]/i.test(hex))
    throw new UsageError('hex has two digits for each byte')
  const bytes = new Uint8Array(hex.length / 2)
  for (let i = 0; i < hex.length; i++) {
    // `0` is 0x30, `A` 0x41 and `a` 0x61.
    const code = hex.charCodeAt(i)
    bytes[i >> 1] = (bytes[i >> 1] as number) * 16 + (code & 15) + 9 * (code >> 6)
  }
  return bytes
}
