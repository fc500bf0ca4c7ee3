/**
 * NIP-44 version 2 with the extended length prefix: payloads of one conversation.
 * Never decrypts before the MAC is checked, and never looks at a payload beyond the configured size.
 */

import { err, ok, type PayloadError, type Result, UsageError } from '@nip46/core'
import { base64Bytes, base64Chars, decodeBase64, encodeBase64 } from './base64.ts'
import { equalBytes, expectBytes } from './bytes.ts'
import { PLAINTEXT_BYTES_MAX, SHORT_PREFIX_BYTES } from './limits.ts'
import {
  BODY_AT,
  FRAME_BYTES,
  LONG_PREFIX,
  MAC_BYTES,
  MIN_PADDED,
  NONCE_AT,
  NONCE_BYTES,
  SHORT_PREFIX,
} from './payload-layout.ts'
import type { MessageCode, Symmetric } from './symmetric.ts'
import { decodeUtf8, utf8Bytes, writeUtf8 } from './utf8.ts'

/** How large a plaintext may be. Made by {@link nip44Limits}. */
export interface Nip44Limits {
  readonly maxPlaintextBytes: number
  /** Send plaintexts over {@link SHORT_PREFIX_BYTES}. Received ones are always understood. */
  readonly sendExtended: boolean
}

/** One conversation, as `symmetric.prepare` wrote it, and the code that reads it. */
export interface Nip44Keys {
  readonly symmetric: MessageCode
  readonly prepared: Uint8Array
}

const VERSION = 2

/** Throws `UsageError` unless `maxPlaintextBytes` is a whole number from 1 to {@link PLAINTEXT_BYTES_MAX}. */
export function nip44Limits(maxPlaintextBytes: number, sendExtended: boolean): Nip44Limits {
  if (
    !Number.isSafeInteger(maxPlaintextBytes) ||
    maxPlaintextBytes < 1 ||
    maxPlaintextBytes > PLAINTEXT_BYTES_MAX
  )
    throw new UsageError(`maxPlaintextBytes must be a whole number from 1 to ${PLAINTEXT_BYTES_MAX}`)
  return { maxPlaintextBytes, sendExtended }
}

/** Of a conversation key, which is not kept. */
export function nip44KeysFrom(symmetric: Symmetric, conversationKey: Uint8Array): Nip44Keys {
  expectBytes('a conversation key', conversationKey, 32)
  const prepared = new Uint8Array(symmetric.preparedBytes)
  symmetric.prepare(conversationKey, prepared)
  return { symmetric, prepared }
}

/**
 * `nonce` is 32 fresh random bytes: a nonce used twice reveals both messages.
 * Throws `UsageError` on an empty text, one over the limits, or one with a lone surrogate.
 */
export function encryptNip44(
  { symmetric, prepared }: Nip44Keys,
  plaintext: string,
  nonce: Uint8Array,
  limits: Nip44Limits,
): string {
  expectBytes('a NIP-44 nonce', nonce, NONCE_BYTES)
  const length = utf8Bytes(plaintext)
  const { maxPlaintextBytes, sendExtended } = limits
  const most = sendExtended ? maxPlaintextBytes : Math.min(maxPlaintextBytes, SHORT_PREFIX_BYTES)
  if (length < 1 || length > most)
    throw new UsageError(
      `a NIP-44 text has 1 to ${most} bytes, not ${length} bytes (options maxPlaintextBytes, sendExtended)`,
    )
  const payload = symmetric.claim(payloadBytes(length))
  try {
    payload[0] = VERSION
    payload.set(nonce, NONCE_AT)
    writeLength(payload, length)
    writeUtf8(plaintext, payload.subarray(BODY_AT + prefixBytes(length)))
    symmetric.expand(prepared, nonce)
    symmetric.cipher(payload)
    payload.set(symmetric.mac(payload), payload.length - MAC_BYTES)
    return encodeBase64(payload)
  } finally {
    symmetric.release(payload)
  }
}

/** Cheapest checks first; each failure has its own code, none tells about the key or the plaintext. */
export function decryptNip44(
  { symmetric, prepared }: Nip44Keys,
  payload: string,
  { maxPlaintextBytes }: Nip44Limits,
): Result<string, PayloadError> {
  if (typeof payload !== 'string') throw new UsageError('a NIP-44 payload is a string')
  // NIP-44: `#` announces an encoding to come, which is a version we do not know rather than bad base64.
  if (payload.length === 0 || payload.startsWith('#')) return err('nip44/unknown-version')
  if (payload.length > base64Chars(payloadBytes(maxPlaintextBytes))) return err('nip44/too-large')
  const length = base64Bytes(payload)
  // NIP-44 asks for 132 characters too; that many are the fewest that hold these bytes.
  if (length === undefined || length < payloadBytes(1)) return err('nip44/base64')
  const bytes = symmetric.claim(length)
  try {
    if (!decodeBase64(payload, bytes)) return err('nip44/base64')
    if (bytes[0] !== VERSION) return err('nip44/unknown-version')
    const mac = bytes.slice(-MAC_BYTES)
    symmetric.expand(prepared, bytes.subarray(NONCE_AT, BODY_AT))
    if (!equalBytes(symmetric.mac(bytes), mac)) return err('nip44/mac')
    symmetric.cipher(bytes)
    return readPadded(bytes, maxPlaintextBytes)
  } finally {
    symmetric.release(bytes)
  }
}

/** The bytes that a plaintext of so many bytes, from 1, is padded to (NIP-44 `calc_padded_len`), without the prefix. */
export function paddedLength(bytes: number): number {
  // Not `1 <<`: the next power of a length near 2^32 does not fit 32 bits.
  const chunk = Math.max(MIN_PADDED, 2 ** (32 - Math.clz32(bytes - 1)) / 8)
  return chunk * Math.ceil(bytes / chunk)
}

/** How long the payload of a plaintext of so many bytes is, before base64. */
export function payloadBytes(length: number): number {
  return FRAME_BYTES + prefixBytes(length) + paddedLength(length)
}

function prefixBytes(length: number): number {
  return length > SHORT_PREFIX_BYTES ? LONG_PREFIX : SHORT_PREFIX
}

/** Big-endian, before the text: two bytes, or behind two zeros four. */
function writeLength(payload: Uint8Array, length: number): void {
  const view = new DataView(payload.buffer, payload.byteOffset + BODY_AT)
  if (length > SHORT_PREFIX_BYTES) view.setUint32(SHORT_PREFIX, length)
  else view.setUint16(0, length)
}

/** NIP-44: the length must fit and the padding be as long as it should; what the padding bytes hold is not checked. */
function readPadded(payload: Uint8Array, maxPlaintextBytes: number): Result<string, PayloadError> {
  const view = new DataView(payload.buffer, payload.byteOffset + BODY_AT)
  const short = view.getUint16(0)
  const length = short || view.getUint32(SHORT_PREFIX)
  const prefix = short === 0 ? LONG_PREFIX : SHORT_PREFIX
  // A text that fits the short prefix has no other.
  if (prefix !== prefixBytes(length) || payload.length !== payloadBytes(length)) return err('nip44/padding')
  if (length > maxPlaintextBytes) return err('nip44/too-large')
  const textAt = BODY_AT + prefix
  const text = decodeUtf8(payload.subarray(textAt, textAt + length))
  return text === undefined ? err('nip44/utf8') : ok(text)
}
