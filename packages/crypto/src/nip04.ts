/**
 * NIP-04 payloads: AES-256-CBC under the unhashed x coordinate of the shared point, no MAC.
 * Never says why a payload did not open (that would be a padding oracle); decrypt only what came in a verified event.
 */

import { err, ok, type PayloadError, type Result, UsageError } from '@nip46/core'
import { base64Bytes, base64Chars, decodeBase64, encodeBase64 } from './base64.ts'
import { expectBytes } from './bytes.ts'
import { decodeUtf8, encodeUtf8 } from './utf8.ts'

const SEPARATOR = '?iv='
const BLOCK_BYTES = 16
const IV_CHARS = base64Chars(BLOCK_BYTES)

/** AES-256-CBC with PKCS#7 padding. */
export interface Blocks {
  encrypt(key32: Uint8Array, iv16: Uint8Array, plaintext: Uint8Array): Uint8Array
  /** The plaintext, or undefined if its padding is wrong. The ciphertext is one or more whole blocks. */
  decrypt(key32: Uint8Array, iv16: Uint8Array, ciphertext: Uint8Array): Uint8Array | undefined
}

/** NIP-04 over somebody's AES. `sharedX` is the unhashed x coordinate of the shared point. */
export interface Nip04 {
  /**
   * `iv` is 16 fresh random bytes. The empty text is allowed.
   * Throws `UsageError` on a text over `maxPlaintextBytes` or with a lone surrogate.
   */
  encrypt(sharedX: Uint8Array, plaintext: string, iv: Uint8Array, maxPlaintextBytes: number): string
  /** One error for everything: foreign shape, bad base64, wrong key, bad padding, not UTF-8, too large. */
  decrypt(sharedX: Uint8Array, payload: string, maxPlaintextBytes: number): Result<string, PayloadError>
}

export function createNip04(blocks: Blocks): Nip04 {
  return {
    encrypt: (sharedX, plaintext, iv, maxPlaintextBytes) =>
      encryptNip04(blocks, sharedX, plaintext, iv, maxPlaintextBytes),
    decrypt: (sharedX, payload, maxPlaintextBytes) =>
      decryptNip04(blocks, sharedX, payload, maxPlaintextBytes),
  }
}

function encryptNip04(
  blocks: Blocks,
  sharedX: Uint8Array,
  plaintext: string,
  iv: Uint8Array,
  maxPlaintextBytes: number,
): string {
  expectBytes('a NIP-04 iv', iv, BLOCK_BYTES)
  const text = encodeUtf8(plaintext)
  if (text.length > maxPlaintextBytes)
    throw new UsageError(`the text has ${text.length} bytes, maxPlaintextBytes is ${maxPlaintextBytes}`)
  const ciphertext = blocks.encrypt(sharedX, iv, text)
  text.fill(0)
  return `${encodeBase64(ciphertext)}${SEPARATOR}${encodeBase64(iv)}`
}

function decryptNip04(
  blocks: Blocks,
  sharedX: Uint8Array,
  payload: string,
  maxPlaintextBytes: number,
): Result<string, PayloadError> {
  if (typeof payload !== 'string') throw new UsageError('a NIP-04 payload is a string')
  const text = openNip04(blocks, sharedX, payload, maxPlaintextBytes)
  return text === undefined ? err('nip04/payload') : ok(text)
}

function openNip04(
  blocks: Blocks,
  sharedX: Uint8Array,
  payload: string,
  maxPlaintextBytes: number,
): string | undefined {
  const maxChars = base64Chars(maxPlaintextBytes + BLOCK_BYTES) + SEPARATOR.length + IV_CHARS
  if (payload.length > maxChars) return undefined
  const at = payload.length - IV_CHARS - SEPARATOR.length
  if (at < 0 || !payload.startsWith(SEPARATOR, at)) return undefined
  const ciphertext = decodeBlocks(payload.slice(0, at))
  const iv = decodeBlocks(payload.slice(-IV_CHARS))
  if (ciphertext === undefined || iv === undefined) return undefined
  const bytes = blocks.decrypt(sharedX, iv, ciphertext)
  const text = bytes === undefined || bytes.length > maxPlaintextBytes ? undefined : decodeUtf8(bytes)
  bytes?.fill(0)
  return text
}

/** Canonical base64 of one or more whole blocks, or undefined. */
function decodeBlocks(text: string): Uint8Array | undefined {
  const length = base64Bytes(text)
  if (length === undefined || length === 0 || length % BLOCK_BYTES !== 0) return undefined
  const bytes = new Uint8Array(length)
  return decodeBase64(text, bytes) ? bytes : undefined
}
