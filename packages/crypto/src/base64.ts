/**
 * Strict canonical base64 (RFC 4648 §4, with padding): one text for each byte string, so that a payload cannot be
 * changed without changing its bytes. Never accepts white space, the URL alphabet, or bits left over.
 */

import { hostBase64 } from '#host-base64'

export { base64Bytes, base64Chars } from './base64-codec.ts'

export function encodeBase64(bytes: Uint8Array): string {
  return hostBase64.encode(bytes)
}

/** Decodes into exactly {@link base64Bytes} bytes. False if the text is not canonical base64. */
export function decodeBase64(text: string, into: Uint8Array): boolean {
  return hostBase64.decode(text, into)
}
