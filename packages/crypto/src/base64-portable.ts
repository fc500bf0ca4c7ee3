/**
 * Base64 where there is no Node: Uint8Array's own, or `atob` and `btoa`.
 * Never takes what `atob` takes beyond the canonical form: the text must be the one that the bytes encode to.
 */

import { type Base64Codec, nativeBase64 } from './base64-codec.ts'

export const webBase64: Base64Codec = {
  name: 'web',
  encode(bytes) {
    let binary = ''
    for (const byte of bytes) binary += String.fromCharCode(byte)
    return btoa(binary)
  },
  decode(text, into) {
    let binary: string
    try {
      binary = atob(text)
    } catch {
      return false
    }
    for (let i = 0; i < into.length; i++) into[i] = binary.charCodeAt(i)
    return btoa(binary) === text
  },
}

export const hostBase64: Base64Codec = nativeBase64 ?? webBase64
