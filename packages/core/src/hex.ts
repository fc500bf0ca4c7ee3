/**
 * Bytes as hex and back.
 * Never in a time that depends on the bytes only for secrets' sake: what is written as hex is public, or leaves anyway.
 */

import { UsageError } from './value.ts'

/** What newer engines have of their own. */
interface NativeHex {
  toHex?(): string
}

const PAIRS: readonly string[] = /* @__PURE__ */ Array.from({ length: 256 }, (_, byte) =>
  byte.toString(16).padStart(2, '0'),
)

/** Lower case, two digits a byte. */
export function bytesToHex(bytes: Uint8Array): string {
  const native = (bytes as Uint8Array & NativeHex).toHex?.()
  if (native !== undefined) return native
  let hex = ''
  for (let i = 0; i < bytes.length; i++) hex += PAIRS[bytes[i] as number]
  return hex
}

/** Digits of either case. Throws `UsageError` on anything else, without repeating it: it may be secret. */
export function hexToBytes(hex: string): Uint8Array {
  if (typeof hex !== 'string' || hex.length % 2 !== 0 || /[^0-9a-f]/i.test(hex))
    throw new UsageError('hex is two digits from 0 to f for each byte')
  const bytes = new Uint8Array(hex.length / 2)
  for (let i = 0; i < bytes.length; i++)
    bytes[i] = (digit(hex.charCodeAt(2 * i)) << 4) | digit(hex.charCodeAt(2 * i + 1))
  return bytes
}

/** Of a digit's character code: letters are 9 more than their lowest four bits. */
function digit(code: number): number {
  return (code & 15) + 9 * (code >> 6)
}
