/**
 * The symmetric steps over `sha256.ts` and `chacha20.ts`: little code, made for an app that sends a message now and then.
 * Never promises that what the engine keeps of its numbers is wiped.
 */

import { bytesToHex } from '@nip46/core'
import { chacha20 } from './chacha20.ts'
import { hmacSha256, sha256 } from './sha256.ts'
import type { Symmetric } from './symmetric.ts'

const NONCE_AT = 1
const BODY_AT = 33
const MAC_BYTES = 32
const DIGEST = 32

export function createPlainSymmetric(): Symmetric {
  const encoder = new TextEncoder()
  const secrets = new Uint8Array(3 * DIGEST)
  const result = new Uint8Array(DIGEST)
  const keys = {
    chachaKey: secrets.subarray(0, 32),
    chachaNonce: secrets.subarray(32, 44),
    hmacKey: secrets.subarray(44, 76),
  }
  return {
    name: 'plain',
    preparedBytes: DIGEST,
    conversationKey: (sharedX, out32) => hmacSha256(encoder.encode('nip44-v2'), [sharedX], out32),
    prepare: (conversationKey, prepared) => prepared.set(conversationKey),
    claim: (length) => new Uint8Array(length),
    expand(prepared, nonce) {
      // HKDF-expand: each block is the MAC of the one before it, the nonce and its number.
      for (let block = 0; block < 3; block++) {
        const before = secrets.subarray(DIGEST * Math.max(block - 1, 0), DIGEST * block)
        const out = secrets.subarray(DIGEST * block, DIGEST * (block + 1))
        hmacSha256(prepared, [before, nonce, Uint8Array.of(block + 1)], out)
      }
      return keys
    },
    cipher: ({ chachaKey, chachaNonce }, payload) =>
      chacha20(chachaKey, chachaNonce, payload.subarray(BODY_AT, payload.length - MAC_BYTES)),
    mac({ hmacKey }, payload) {
      hmacSha256(hmacKey, [payload.subarray(NONCE_AT, payload.length - MAC_BYTES)], result)
      return result
    },
    release(payload) {
      for (const secret of [payload, secrets, result]) secret.fill(0)
    },
    hashText(text) {
      const digest = new Uint8Array(DIGEST)
      sha256([encoder.encode(text)], digest)
      return bytesToHex(digest)
    },
    taggedHash(tag) {
      const tagged = new Uint8Array(DIGEST)
      sha256([encoder.encode(tag)], tagged)
      return (parts, out32) => sha256([tagged, tagged, ...parts], out32)
    },
  }
}
