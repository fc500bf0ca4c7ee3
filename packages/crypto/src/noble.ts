/**
 * The backend on @noble/curves (plain JavaScript), and a ready-made `Crypto` over it.
 * Never promises constant time or wiped memory: BigInt arithmetic gives neither.
 */

import type { Crypto, RandomBytes } from '@nip46/core'
import { schnorr, secp256k1 } from '@noble/curves/secp256k1.js'
import type { CurveBackend } from './backend.ts'
import { type CryptoOptions, createCrypto } from './crypto.ts'
import type { Curve } from './curve.ts'
import { hostRandom } from './host-random.ts'
import { createSlotBackend } from './slot-backend.ts'

/** Options of `createCrypto`; `random` defaults to the host's secure source. */
export type NobleCryptoOptions = Omit<CryptoOptions, 'random'> & { readonly random?: RandomBytes }

/**
 * A `Crypto` that runs wherever JavaScript does, and is small in a browser.
 *
 * ```ts
 * const crypto = nobleCrypto()
 * const key = crypto.importKey(secret)
 * ```
 */
export function nobleCrypto(options: NobleCryptoOptions = {}): Crypto {
  return createCrypto(nobleBackend(), { ...options, random: options.random ?? hostRandom })
}

/** The port on @noble/curves. Its signing checks each signature before it returns it. */
export function nobleBackend(): CurveBackend {
  const caps = { batch: 1, constantTimeEcdh: false, blindedEcdh: false, wipesMemory: false }
  return createSlotBackend('noble', caps, NOBLE_CURVE)
}

const NOBLE_CURVE: Curve = {
  isPoint: (x32) => secp256k1.utils.isValidPublicKey(evenPoint(x32), true),
  publicKey(secret32, out32) {
    out32.set(schnorr.getPublicKey(secret32))
  },
  sign(secret32, message32, aux32, out64) {
    out64.set(schnorr.sign(message32, secret32, aux32))
  },
  verify: (x32, message32, signature64) => schnorr.verify(signature64, message32, x32),
  ecdhX(secret32, x32, _blinding32, out32) {
    const shared = secp256k1.getSharedSecret(secret32, evenPoint(x32), true)
    out32.set(shared.subarray(1))
    shared.fill(0)
    return true
  },
}

/** The point with this x coordinate and an even y (BIP-340), in the 33-byte form. */
function evenPoint(x32: Uint8Array): Uint8Array {
  const point = new Uint8Array(33)
  point[0] = 2
  point.set(x32, 1)
  return point
}
