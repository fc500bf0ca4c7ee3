/**
 * Public keys and BIP-340 signatures put together from one operation, the public key of a scalar. Never branches or
 * indexes on a secret itself (see `scalar.ts`), and never derives the key pair again to sign.
 */

import type { Curve } from './curve.ts'
import { negateIf, reduce } from './scalar.ts'
import { multiplyAdd } from './scalar-arithmetic.ts'
import type { TaggedHashes } from './tagged-hash.ts'

/** `scalar·G` as 04 ‖ x ‖ y, in constant time, traces wiped. False for 0 and for scalars not below the order. */
export type MultiplyBase = (scalar32: Uint8Array, out65: Uint8Array) => boolean

export function createAssembledKeys(
  multiplyBase: MultiplyBase,
  hashes: TaggedHashes,
): Pick<Curve, 'publicKey' | 'sign'> {
  // One buffer outside the engine's moving heap: small arrays of their own would be copied about, and copies stay.
  const scratch = new Uint8Array(256)
  const point = scratch.subarray(0, 65)
  const x32 = scratch.subarray(1, 33)
  const masked = scratch.subarray(65, 97)
  const nonce = scratch.subarray(97, 129)
  const challenge = scratch.subarray(129, 161)
  const response = scratch.subarray(161, 193)

  /** Valid scalars never fail, and a nonce is zero with odds of 2^-256; anything else is a broken module. */
  function multiply(scalar32: Uint8Array): void {
    if (!multiplyBase(scalar32, point)) throw new Error('the secp256k1 module failed on valid inputs')
  }

  return {
    publicKey(secret32, out32) {
      try {
        multiply(secret32)
        out32.set(x32)
        negateIf(point[64] as number, secret32)
      } finally {
        scratch.fill(0)
      }
    },
    sign(secret32, message32, aux32, out64, public32) {
      try {
        hashes.aux([aux32], masked)
        for (let i = 0; i < 32; i++) masked[i] = (masked[i] as number) ^ (secret32[i] as number)
        hashes.nonce([masked, public32, message32], nonce)
        reduce(nonce)
        multiply(nonce)
        negateIf(point[64] as number, nonce)
        hashes.challenge([x32, public32, message32], challenge)
        multiplyAdd(challenge, secret32, nonce, response)
        out64.set(x32)
        out64.set(response, 32)
      } finally {
        scratch.fill(0)
      }
    },
  }
}
