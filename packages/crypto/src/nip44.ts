/**
 * NIP-44 version 2 with the extended length prefix: payloads of one conversation.
 * Never decrypts before the MAC is checked, and never looks at a payload beyond the configured size.
 */

import { err, ok, type PayloadError, type Result, UsageError } from '@nip46/core'
import { chacha20 } from '@noble/ciphers/chacha.js'
import { hmac } from '@noble/hashes/hmac.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { base64Bytes, base64Chars, decodeBase64, encodeBase64 } from './base64.ts'
import { equalBytes, expectBytes } from './bytes.ts'
import { PLAINTEXT_BYTES_MAX, SHORT_PREFIX_BYTES } from './limits.ts'
import { decodeUtf8, encodeUtf8 } from './utf8.ts'

/** How large a plaintext may be. Made by {@link nip44Limits}. */
export interface Nip44Limits {
  readonly maxPlaintextBytes: number
  /** The payload of the largest plaintext; a longer one is refused before it is decoded. */
  readonly maxPayloadChars: number
  /** Send plaintexts over {@link SHORT_PREFIX_BYTES}. Received ones are always understood. */
  readonly sendExtended: boolean
}

/** One conversation: its key, and HMAC with that key already fed in. Wipe it with {@link wipeNip44Keys}. */
export interface Nip44Keys {
  readonly conversationKey: Uint8Array
  readonly keyed: Hmac
}

/** What one message is encrypted with. */
export interface MessageKeys {
  readonly chachaKey: Uint8Array
  readonly chachaNonce: Uint8Array
  readonly hmacKey: Uint8Array
}

type Hmac = ReturnType<typeof hmac.create>

const VERSION = 2
const NONCE_BYTES = 32
const MAC_BYTES = 32
const NONCE_AT = 1
const CIPHERTEXT_AT = NONCE_AT + NONCE_BYTES
/** Everything but the padded plaintext: version, nonce, MAC. */
const FRAME_BYTES = CIPHERTEXT_AT + MAC_BYTES
const SHORT_PREFIX = 2
const LONG_PREFIX = 6
const MIN_PADDED = 32
const MIN_PAYLOAD_BYTES = FRAME_BYTES + SHORT_PREFIX + MIN_PADDED
const SALT = new TextEncoder().encode('nip44-v2')
const COUNTERS = [Uint8Array.of(1), Uint8Array.of(2), Uint8Array.of(3)] as const

/** Throws `UsageError` unless `maxPlaintextBytes` is a whole number from 1 to {@link PLAINTEXT_BYTES_MAX}. */
export function nip44Limits(maxPlaintextBytes: number, sendExtended: boolean): Nip44Limits {
  if (
    !Number.isSafeInteger(maxPlaintextBytes) ||
    maxPlaintextBytes < 1 ||
    maxPlaintextBytes > PLAINTEXT_BYTES_MAX
  )
    throw new UsageError(`maxPlaintextBytes must be a whole number from 1 to ${PLAINTEXT_BYTES_MAX}`)
  const maxPayloadChars = base64Chars(
    FRAME_BYTES + prefixBytes(maxPlaintextBytes) + paddedLength(maxPlaintextBytes),
  )
  return { maxPlaintextBytes, maxPayloadChars, sendExtended }
}

/** HKDF-extract over the unhashed x coordinate of the shared point. */
export function nip44Keys(sharedX: Uint8Array): Nip44Keys {
  return nip44KeysFrom(hmac(sha256, SALT, sharedX))
}

/** The same from a conversation key, which is kept, not copied. */
export function nip44KeysFrom(conversationKey: Uint8Array): Nip44Keys {
  expectBytes('a conversation key', conversationKey, 32)
  return { conversationKey, keyed: hmac.create(sha256, conversationKey) }
}

export function wipeNip44Keys(keys: Nip44Keys): void {
  keys.conversationKey.fill(0)
  keys.keyed.destroy()
}

/**
 * `nonce` is 32 fresh random bytes: a nonce used twice reveals both messages.
 * Throws `UsageError` on an empty text, one over the limits, or one with a lone surrogate.
 */
export function encryptNip44(
  keys: Nip44Keys,
  plaintext: string,
  nonce: Uint8Array,
  limits: Nip44Limits,
): string {
  expectBytes('a NIP-44 nonce', nonce, NONCE_BYTES)
  const text = encodeUtf8(plaintext)
  checkSendable(text.length, limits)
  const prefix = prefixBytes(text.length)
  const padded = prefix + paddedLength(text.length)
  const payload = alignedBytes(FRAME_BYTES + padded)
  payload[0] = VERSION
  payload.set(nonce, NONCE_AT)
  const body = payload.subarray(CIPHERTEXT_AT, CIPHERTEXT_AT + padded)
  writeLength(body, text.length)
  body.set(text, prefix)
  text.fill(0)
  const secrets = new Uint8Array(96)
  const message = messageKeys(keys, nonce, secrets)
  chacha20(message.chachaKey, message.chachaNonce, body, body)
  payload.set(messageMac(message, nonce, body), CIPHERTEXT_AT + padded)
  secrets.fill(0)
  return encodeBase64(payload)
}

/** Cheapest checks first; each failure has its own code, none tells about the key or the plaintext. */
export function decryptNip44(
  keys: Nip44Keys,
  payload: string,
  limits: Nip44Limits,
): Result<string, PayloadError> {
  if (typeof payload !== 'string') throw new UsageError('a NIP-44 payload is a string')
  // NIP-44: `#` announces an encoding to come, which is a version we do not know rather than bad base64.
  if (payload.length === 0 || payload.startsWith('#')) return err('nip44/unknown-version')
  if (payload.length > limits.maxPayloadChars) return err('nip44/too-large')
  const length = base64Bytes(payload)
  // NIP-44 asks for 132 characters too; that many are the fewest that hold these bytes.
  if (length === undefined || length < MIN_PAYLOAD_BYTES) return err('nip44/base64')
  const bytes = alignedBytes(length)
  if (!decodeBase64(payload, bytes)) return err('nip44/base64')
  if (bytes[0] !== VERSION) return err('nip44/unknown-version')
  const nonce = bytes.subarray(NONCE_AT, CIPHERTEXT_AT)
  const body = bytes.subarray(CIPHERTEXT_AT, length - MAC_BYTES)
  const mac = bytes.subarray(length - MAC_BYTES)
  const secrets = new Uint8Array(96)
  const message = messageKeys(keys, nonce, secrets)
  if (!equalBytes(messageMac(message, nonce, body), mac)) {
    secrets.fill(0)
    return err('nip44/mac')
  }
  chacha20(message.chachaKey, message.chachaNonce, body, body)
  secrets.fill(0)
  const text = readPadded(body, limits.maxPlaintextBytes)
  body.fill(0)
  return text
}

/** HKDF-expand of the conversation key by the nonce; the keys are views of `secrets` (96 bytes), which the caller wipes. */
export function messageKeys(keys: Nip44Keys, nonce: Uint8Array, secrets: Uint8Array): MessageKeys {
  COUNTERS.forEach((counter, i) => {
    const block = keys.keyed.clone()
    if (i > 0) block.update(secrets.subarray(32 * i - 32, 32 * i))
    block
      .update(nonce)
      .update(counter)
      .digestInto(secrets.subarray(32 * i, 32 * i + 32))
  })
  return {
    chachaKey: secrets.subarray(0, 32),
    chachaNonce: secrets.subarray(32, 44),
    hmacKey: secrets.subarray(44, 76),
  }
}

/** The bytes that a plaintext of so many bytes is padded to (NIP-44 `calc_padded_len`), without the prefix. */
export function paddedLength(bytes: number): number {
  if (bytes <= MIN_PADDED) return MIN_PADDED
  // Not `1 <<`: the next power of a length near 2^32 does not fit 32 bits.
  const nextPower = 2 ** (32 - Math.clz32(bytes - 1))
  const chunk = nextPower <= 256 ? 32 : nextPower / 8
  return chunk * (Math.floor((bytes - 1) / chunk) + 1)
}

function checkSendable(bytes: number, limits: Nip44Limits): void {
  if (bytes === 0) throw new UsageError('NIP-44 cannot carry an empty text')
  if (bytes > limits.maxPlaintextBytes)
    throw new UsageError(`the text has ${bytes} bytes, maxPlaintextBytes is ${limits.maxPlaintextBytes}`)
  if (bytes > SHORT_PREFIX_BYTES && !limits.sendExtended)
    throw new UsageError(
      `the text has ${bytes} bytes; over ${SHORT_PREFIX_BYTES} needs sendExtended, which older peers cannot read`,
    )
}

function prefixBytes(length: number): number {
  return length > SHORT_PREFIX_BYTES ? LONG_PREFIX : SHORT_PREFIX
}

function writeLength(body: Uint8Array, length: number): void {
  const view = new DataView(body.buffer, body.byteOffset, LONG_PREFIX)
  if (length > SHORT_PREFIX_BYTES) view.setUint32(SHORT_PREFIX, length)
  else view.setUint16(0, length)
}

/** NIP-44: the length must fit and the padding be as long as it should; what the padding bytes hold is not checked. */
function readPadded(body: Uint8Array, maxPlaintextBytes: number): Result<string, PayloadError> {
  const view = new DataView(body.buffer, body.byteOffset, body.length)
  const short = view.getUint16(0)
  const length = short === 0 ? view.getUint32(SHORT_PREFIX) : short
  if (short === 0 && length <= SHORT_PREFIX_BYTES) return err('nip44/padding')
  const prefix = prefixBytes(length)
  if (body.length !== prefix + paddedLength(length)) return err('nip44/padding')
  if (length > maxPlaintextBytes) return err('nip44/too-large')
  const text = decodeUtf8(body.subarray(prefix, prefix + length))
  return text === undefined ? err('nip44/utf8') : ok(text)
}

function messageMac(message: MessageKeys, nonce: Uint8Array, ciphertext: Uint8Array): Uint8Array {
  return hmac.create(sha256, message.hmacKey).update(nonce).update(ciphertext).digest()
}

/** Bytes placed so that the ciphertext in them starts at a multiple of 4, where the cipher works in words. */
function alignedBytes(length: number): Uint8Array {
  const shift = (4 - (CIPHERTEXT_AT % 4)) % 4
  return new Uint8Array(shift + length).subarray(shift)
}
