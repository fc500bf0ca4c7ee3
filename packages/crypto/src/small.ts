/**
 * The backend with the fewest bytes: points by @noble/secp256k1, everything else in plain JavaScript of this package.
 * Never promises constant time or wiped memory: BigInt arithmetic gives neither. Never loads WebAssembly.
 */

import { bytesToHex, type Crypto, err, type RandomBytes, UsageError } from '@nip46/core'
import { Point } from '@noble/secp256k1'
import { createAssembledKeys } from './assembled-keys.ts'
import type { CurveBackend } from './backend.ts'
import { createConversationMap } from './conversation-map.ts'
import { type CryptoOptions, cryptoOfParts } from './crypto-of-parts.ts'
import type { Curve } from './curve.ts'
import { hostRandom } from './host-random.ts'
import type { Nip04 } from './nip04.ts'
import { isBelowOrder } from './scalar.ts'
import { reduce } from './scalar-arithmetic.ts'
import { createSlotBackend } from './slot-backend.ts'
import { createPlainSymmetric } from './symmetric-plain.ts'
import { taggedHashes } from './tagged-hash.ts'

/** Options of `createCrypto`; `random` defaults to the host's secure source. */
export type SmallCryptoOptions = Omit<CryptoOptions, 'random'> & {
  readonly random?: RandomBytes
  /**
   * `smallNip04` of `@nip46/crypto/small-nip04`, for remote signers that know no NIP-44. Without it encrypting with NIP-04
   * throws `UsageError`, and no NIP-04 payload opens.
   */
  readonly nip04?: Nip04
}

/**
 * A `Crypto` for pages, where bytes count more than speed: a quarter of what `nobleCrypto()` loads, and it does the same but for NIP-04.
 *
 * ```ts
 * const crypto = smallCrypto()
 * const key = crypto.importKey(secret)
 * ```
 */
export function smallCrypto(options: SmallCryptoOptions = {}): Crypto {
  const parts = {
    symmetric: createPlainSymmetric(),
    nip04: options.nip04 ?? NO_NIP04,
    conversations: createConversationMap,
  }
  return cryptoOfParts(smallBackend(), parts, { ...options, random: options.random ?? hostRandom })
}

/** The port on @noble/secp256k1. */
export function smallBackend(): CurveBackend {
  const caps = { batch: 1, constantTimeEcdh: false, blindedEcdh: false, wipesMemory: false }
  return createSlotBackend('small', caps, createSmallCurve())
}

const NO_NIP04: Nip04 = {
  encrypt() {
    throw new UsageError('NIP-04 is left out of smallCrypto(): give it nip04 of @nip46/crypto/small-nip04')
  },
  decrypt: () => err('nip04/payload'),
}

function createSmallCurve(): Curve {
  const hashes = taggedHashes(createPlainSymmetric)
  return {
    isPoint: (x32) => evenPoint(x32) !== undefined,
    ...createAssembledKeys((scalar32, out65) => {
      out65.set(Point.BASE.multiply(toNumber(scalar32)).toBytes(false))
      return true
    }, hashes),
    // BIP-340: R = s·G - e·P must have the x coordinate r and an even y.
    verify(x32, message32, signature64) {
      const r32 = signature64.subarray(0, 32)
      const s32 = signature64.subarray(32)
      const point = evenPoint(x32)
      if (point === undefined || !isBelowOrder(s32)) return false
      const challenge = new Uint8Array(32)
      hashes.challenge(r32, x32, message32, challenge)
      reduce(challenge)
      const product = point.multiplyUnsafe(toNumber(challenge))
      const sum = Point.BASE.multiplyUnsafe(toNumber(s32)).subtract(product)
      if (sum.is0()) return false
      const { x, y } = sum.toAffine()
      return (y & 1n) === 0n && x === toNumber(r32)
    },
    ecdhX(secret32, x32, _blinding32, out32) {
      const shared = evenPoint(x32)?.multiply(toNumber(secret32)).toBytes()
      if (shared === undefined) throw new Error('a point that was checked is none')
      out32.set(shared.subarray(1))
      shared.fill(0)
      return true
    },
  }
}

/** The point with this x coordinate and an even y (BIP-340), or undefined if there is none. */
function evenPoint(x32: Uint8Array): Point | undefined {
  const compressed = new Uint8Array(33).fill(2)
  compressed.set(x32, 1)
  try {
    return Point.fromBytes(compressed)
  } catch (cause) {
    if (cause instanceof Error) return undefined
    throw cause
  }
}

function toNumber(bytes32: Uint8Array): bigint {
  return BigInt(`0x${bytesToHex(bytes32)}`)
}
