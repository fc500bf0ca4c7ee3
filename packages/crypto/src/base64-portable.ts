/**
 * Base64 where there is no Node: Uint8Array's own (ES2026), or `atob` and `btoa`.
 * Never takes what they take beyond the canonical form.
 */

import type { Base64Codec } from './base64-codec.ts'

/** The part of Uint8Array's own that is used. */
interface NativeBase64 {
  toBase64(): string
  setFromBase64(
    text: string,
    options: { readonly lastChunkHandling: 'strict' },
  ): { readonly read: number; readonly written: number }
}

/** Its strict mode still skips white space, which shows in the number of characters. */
export const nativeBase64: Base64Codec = {
  encode: (bytes) => asNative(bytes).toBase64(),
  decode(text, into) {
    try {
      const { read, written } = asNative(into).setFromBase64(text, { lastChunkHandling: 'strict' })
      return read === text.length && written === into.length
    } catch {
      return false
    }
  },
}

/** The text must be the one that the bytes encode to. */
export const webBase64: Base64Codec = {
  encode(bytes) {
    let binary = ''
    for (const byte of bytes) binary += String.fromCharCode(byte)
    return btoa(binary)
  },
  decode(text, into) {
    try {
      const binary = atob(text)
      for (let i = 0; i < into.length; i++) into[i] = binary.charCodeAt(i)
      return btoa(binary) === text
    } catch {
      return false
    }
  },
}

/** Whether {@link nativeBase64} runs here. */
export const HAS_NATIVE: boolean = 'setFromBase64' in Uint8Array.prototype

export const hostBase64: Base64Codec = HAS_NATIVE ? nativeBase64 : webBase64

function asNative(bytes: Uint8Array): NativeBase64 {
  return bytes as Uint8Array & NativeBase64
}
