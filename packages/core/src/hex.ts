/**
 * Bytes as hex and back.
 * Never in constant time: what is written as hex is public, or about to leave as text anyway.
 */

import { UsageError } from './value.ts'

/** What newer engines have of their own. */
interface NativeHex {
  readonly toHex?: () => string
}

const HAS_OWN = /* @__PURE__ */ 'toHex' in Uint8Array.prototype
const PAIRS: readonly string[] = /* @__PURE__ */ Array.from({ length: 256 }, (_, byte) =>
  byte.toString(16).padStart(2, '0'),
)
/** By character code: 0 to 15, or -1. */
const DIGITS: Int8Array = /* @__PURE__ */ Int8Array.from({ length: 128 }, (_, code) =>
  '0123456789abcdef'.indexOf(String.fromCharCode(code).toLowerCase()),
)

/** Lower case, two digits a byte. */
export function bytesToHex(bytes: Uint8Array): string {
  if (HAS_OWN) return (bytes as Uint8Array & Required<NativeHex>).toHex()
  let hex = ''
  for (let i = 0; i < bytes.length; i++) hex += PAIRS[bytes[i] as number]
  return hex
}

/** Digits of either case. Throws `UsageError` on anything else, without repeating it: it may be secret. */
export function hexToBytes(hex: string): Uint8Array {
  let bad = typeof hex === 'string' ? hex.length & 1 : 1
  const bytes = new Uint8Array(hex.length >> 1)
  for (let i = 0; i < bytes.length; i++) {
    const high = hex.charCodeAt(2 * i)
    const low = hex.charCodeAt(2 * i + 1)
    const byte = ((DIGITS[high & 127] as number) << 4) | (DIGITS[low & 127] as number)
    // A digit that is none makes the byte negative; a code over 127 was cut.
    bad |= (byte >> 8) | ((high | low) >> 7)
    bytes[i] = byte
  }
  if (bad !== 0) throw new UsageError('hex is two digits from 0 to f for each byte')
  return bytes
}
