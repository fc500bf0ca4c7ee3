/**
 * SHA-256 and ChaCha20 by @noble/hashes and @noble/ciphers: plain JavaScript, for hosts where WebAssembly may not run.
 * Never promises that what the engine keeps of its numbers is wiped.
 */

import { bytesToHex } from '@nip46/core'
import { chacha20 } from '@noble/ciphers/chacha.js'
import { hmac } from '@noble/hashes/hmac.js'
import { sha256 } from '@noble/hashes/sha2.js'
import type { HostPrimitives, LargeMessages } from './host-primitives.ts'
import { BODY_AT, MAC_BYTES, NONCE_AT } from './payload-layout.ts'
import type { Symmetric } from './symmetric.ts'

const SALT = new TextEncoder().encode('nip44-v2')
const COUNTERS = [Uint8Array.of(1), Uint8Array.of(2), Uint8Array.of(3)] as const
const encoder = new TextEncoder()

/** The bulk of a message by noble. */
export const NOBLE_MESSAGES: LargeMessages = {
  from: 0,
  cipher(key32, nonce12, data) {
    chacha20(key32, nonce12, data, data)
  },
  mac(key32, data, out32) {
    hmac.create(sha256, key32).update(data).digestInto(out32)
  },
}

export function createNobleSymmetric({ name, hashText, large }: HostPrimitives): Symmetric {
  const secrets = new Uint8Array(96)
  const result = new Uint8Array(32)
  const chachaKey = secrets.subarray(0, 32)
  const chachaNonce = secrets.subarray(32, 44)
  const hmacKey = secrets.subarray(44, 76)
  const codeFor = (length: number): LargeMessages =>
    large !== undefined && length >= large.from ? large : NOBLE_MESSAGES

  return {
    name: large === undefined ? 'noble' : `noble+${name}`,
    preparedBytes: 32,
    conversationKey(sharedX, out32) {
      hmac.create(sha256, SALT).update(sharedX).digestInto(out32)
    },
    prepare(conversationKey, prepared) {
      prepared.set(conversationKey)
    },
    claim: alignedBytes,
    expand(prepared, nonce) {
      const keyed = hmac.create(sha256, prepared)
      COUNTERS.forEach((counter, i) => {
        const block = keyed.clone()
        if (i > 0) block.update(secrets.subarray(32 * i - 32, 32 * i))
        block
          .update(nonce)
          .update(counter)
          .digestInto(secrets.subarray(32 * i, 32 * i + 32))
      })
      keyed.destroy()
      return secrets
    },
    cipher(payload) {
      const body = payload.subarray(BODY_AT, payload.length - MAC_BYTES)
      codeFor(payload.length).cipher(chachaKey, chachaNonce, body)
    },
    mac(payload) {
      const authenticated = payload.subarray(NONCE_AT, payload.length - MAC_BYTES)
      codeFor(payload.length).mac(hmacKey, authenticated, result)
      return result
    },
    release(payload) {
      payload.fill(0)
      secrets.fill(0)
      result.fill(0)
    },
    hashText: hashText ?? ((text) => bytesToHex(sha256(encoder.encode(text)))),
    taggedHash(tag) {
      const tagged = sha256(encoder.encode(tag))
      const start = sha256.create().update(tagged).update(tagged)
      return (parts, out32) => {
        const hash = start.clone()
        for (const part of parts) hash.update(part)
        hash.digestInto(out32)
        hash.destroy()
      }
    },
  }
}

/** Bytes placed so that the body in them starts at a multiple of 4, where noble's cipher works in words. */
export function alignedBytes(length: number): Uint8Array {
  const shift = (4 - (BODY_AT % 4)) % 4
  return new Uint8Array(shift + length).subarray(shift)
}
