/**
 * Base64 in Node: Uint8Array's own, or Buffer's.
 * Never takes what Buffer takes beyond the canonical form.
 */

import { type Base64Codec, base64Padding } from './base64-codec.ts'
import { HAS_NATIVE, nativeBase64 } from './base64-portable.ts'

/** The part of Node's Buffer that is used. */
interface BufferLike {
  toString(encoding: 'base64'): string
  write(text: string, offset: number, length: number, encoding: 'base64'): number
}
interface BufferHost {
  readonly Buffer: {
    from(buffer: ArrayBufferLike, offset: number, length: number): BufferLike
    byteLength(text: string): number
  }
}

const { Buffer } = globalThis as unknown as BufferHost
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'

/**
 * It skips what it does not know, which shows in the number of bytes, but it reads two characters more than the alphabet
 * has, takes a character over 255 for another, and drops bits that are left over: these are refused here.
 */
export const bufferBase64: Base64Codec = {
  encode: (bytes) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64'),
  decode(text, into) {
    if (text.includes('-') || text.includes('_') || Buffer.byteLength(text) !== text.length) return false
    const view = Buffer.from(into.buffer, into.byteOffset, into.length)
    return view.write(text, 0, into.length, 'base64') === into.length && !hasBitsLeft(text)
  },
}

export const hostBase64: Base64Codec = HAS_NATIVE ? nativeBase64 : bufferBase64

/** Whether the last character before the padding says more than the last byte holds. */
function hasBitsLeft(text: string): boolean {
  const padding = base64Padding(text)
  if (padding === 0) return false
  const value = ALPHABET.indexOf(text.charAt(text.length - 1 - padding))
  return (value & (padding === 1 ? 3 : 15)) !== 0
}
