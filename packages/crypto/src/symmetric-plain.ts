/**
 * NIP-44's steps over `sha256.ts` and `chacha20.ts`: little code, made for an app that sends a message now and then.
 * Never promises that what the engine keeps of its numbers is wiped.
 */

import { chacha20 } from './chacha20.ts'
import { hmacSha256 } from './sha256.ts'
import type { MessageCode } from './symmetric.ts'

const NONCE_AT = 1
const BODY_AT = 33
const MAC_BYTES = 32
const DIGEST = 32

/** A conversation key is prepared as it is. */
export function createPlainCode(): MessageCode {
  const secrets = new Uint8Array(3 * DIGEST)
  const keys = {
    chachaKey: secrets.subarray(0, 32),
    chachaNonce: secrets.subarray(32, 44),
    hmacKey: secrets.subarray(44, 76),
  }
  return {
    claim: (length) => new Uint8Array(length),
    expand(prepared, nonce) {
      let before = secrets.subarray(0, 0)
      // HKDF-expand: each block is the MAC of the one before it, the nonce and its number.
      for (let block = 0; block < 3; block++) {
        secrets.set(hmacSha256(prepared, before, nonce, Uint8Array.of(block + 1)), DIGEST * block)
        before = secrets.subarray(DIGEST * block, DIGEST * (block + 1))
      }
      return keys
    },
    cipher: ({ chachaKey, chachaNonce }, payload) =>
      chacha20(chachaKey, chachaNonce, payload.subarray(BODY_AT, payload.length - MAC_BYTES)),
    mac: ({ hmacKey }, payload) =>
      hmacSha256(hmacKey, payload.subarray(NONCE_AT, payload.length - MAC_BYTES)),
    release(payload) {
      payload.fill(0)
      secrets.fill(0)
    },
  }
}
