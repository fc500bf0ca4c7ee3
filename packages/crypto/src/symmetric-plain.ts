/**
 * NIP-44's steps over `sha256.ts` and `chacha20.ts`: little code, made for an app that sends a message now and then.
 * Never promises that what the engine keeps of its numbers is wiped.
 */

import { chacha20 } from './chacha20.ts'
import { BODY_AT, MAC_BYTES, NONCE_AT } from './payload-layout.ts'
import { hmacSha256 } from './sha256.ts'
import type { MessageCode } from './symmetric.ts'

const DIGEST = 32

/** A conversation key is prepared as it is. */
export function createPlainCode(): MessageCode {
  const keys = new Uint8Array(3 * DIGEST)
  return {
    claim: (length) => new Uint8Array(length),
    expand(prepared, nonce) {
      let before = keys.subarray(0, 0)
      // HKDF-expand: each block is the MAC of the one before it, the nonce and its number.
      for (let at = 0; at < keys.length; at += DIGEST) {
        const block = hmacSha256(prepared, before, nonce, Uint8Array.of(at / DIGEST + 1))
        keys.set(block, at)
        block.fill(0)
        before = keys.subarray(at, at + DIGEST)
      }
      return keys
    },
    cipher: (payload) =>
      chacha20(keys.subarray(0, 32), keys.subarray(32, 44), payload.subarray(BODY_AT, -MAC_BYTES)),
    mac: (payload) => hmacSha256(keys.subarray(44, 76), payload.subarray(NONCE_AT, -MAC_BYTES)),
    release(payload) {
      for (const secret of [payload, keys]) secret.fill(0)
    },
  }
}
