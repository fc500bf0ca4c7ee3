/**
 * Strict canonical base64 (RFC 4648 §4, with padding): one text for each byte string, so that a payload cannot be
 * changed without changing its bytes. Never accepts white space, the URL alphabet, or bits left over.
 */

import { hostBase64 } from '#host-base64'
import type { Base64Codec } from './base64-codec.ts'

export { base64Bytes, base64Chars } from './base64-codec.ts'

export const encodeBase64: Base64Codec['encode'] = hostBase64.encode
/** Decodes into exactly {@link base64Bytes} bytes. False if the text is not canonical base64. */
export const decodeBase64: Base64Codec['decode'] = hostBase64.decode
