/**
 * Keys as text and bytes: hex, npub, nsec, nprofile (NIP-19), and fresh secret keys.
 * Never checks a curve point and never keeps a secret: strings cannot be wiped, so write an nsec only for a person.
 */

import { decodeBech32, encodeBech32, hexToBytes, isHex64, type RandomBytes, UsageError } from '@nip46/core'
import { expectBytes } from './bytes.ts'
import { RANDOM_TRIES } from './limits.ts'
import { isSecretScalar } from './scalar.ts'

export { bytesToHex, decodeNprofile, decodeNpub, encodeNpub, hexToBytes } from '@nip46/core'

/** TLV types of an nprofile, and the bytes one entry can hold. */
const TLV_KEY = 0
const TLV_RELAY = 1
const TLV_BYTES = 255

/** 32 fresh bytes that are a valid secret key. Throws `UsageError` if `random` does not give any. */
export function generateSecretKey(random: RandomBytes): Uint8Array {
  for (let i = 0; i < RANDOM_TRIES; i++) {
    const secret = random(32)
    expectBytes('what random(32) returns', secret, 32)
    if (isSecretScalar(secret)) return secret
  }
  throw new UsageError(`random() gave ${RANDOM_TRIES} times bytes that are no secret key: it is not random`)
}

/** DANGER: the secret key as text, for a person to write down. */
export function encodeNsec(secret: Uint8Array): string {
  expectBytes('a secret key', secret, 32)
  return encodeBech32('nsec', secret)
}

/** The 32 secret bytes of an `nsec1…`, or undefined if the text is none or they are no valid key. Wipe them after use. */
export function decodeNsec(text: string): Uint8Array | undefined {
  const decoded = decodeBech32(text)
  if (decoded?.prefix !== 'nsec' || decoded.bytes.length !== 32) return undefined
  return isSecretScalar(decoded.bytes) ? decoded.bytes : undefined
}

/** `pubkey` is 64 hex characters. Throws `UsageError` on a relay over 255 bytes or a text over core's limit. */
export function encodeNprofile(pubkey: string, relays: readonly string[]): string {
  if (!isHex64(pubkey)) throw new UsageError('a public key is 64 lowercase hex characters')
  const entries = [
    entry(TLV_KEY, hexToBytes(pubkey)),
    ...relays.map((relay) => entry(TLV_RELAY, asciiBytes(relay))),
  ]
  return encodeBech32('nprofile', Uint8Array.from(entries.flat()))
}

function entry(type: number, value: Uint8Array): number[] {
  if (value.length > TLV_BYTES) throw new UsageError(`a relay in an nprofile has at most ${TLV_BYTES} bytes`)
  return [type, value.length, ...value]
}

/** NIP-19: relays are encoded as ascii. */
function asciiBytes(text: string): Uint8Array {
  if (!/^[\x21-\x7e]+$/.test(text)) throw new UsageError('a relay in an nprofile is an ASCII URL')
  return Uint8Array.from(text, (character) => character.charCodeAt(0))
}
