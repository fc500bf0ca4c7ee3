/**
 * The curve of `small.ts`: points by @noble/secp256k1, signatures put together from its multiplication of the base point.
 * Never promises constant time or wiped memory: BigInt arithmetic gives neither.
 */

import { bytesToHex } from '@nip46/core'
import { Point } from '@noble/secp256k1'
import { createAssembledKeys } from './assembled-keys.ts'
import type { Curve } from './curve.ts'
import { isBelowOrder, reduce } from './scalar.ts'
import { multiplyAdd } from './small-scalar.ts'
import type { Symmetric } from './symmetric.ts'

export function createSmallCurve({ taggedHash }: Symmetric): Curve {
  const challengeHash = taggedHash('BIP0340/challenge')
  const hashes = {
    aux: taggedHash('BIP0340/aux'),
    nonce: taggedHash('BIP0340/nonce'),
    challenge: challengeHash,
  }
  return {
    isPoint: (x32) => evenPoint(x32) !== undefined,
    ...createAssembledKeys(
      (scalar32, out65) => {
        out65.set(Point.BASE.multiply(toNumber(scalar32)).toBytes(false))
        return true
      },
      hashes,
      multiplyAdd,
    ),
    // BIP-340: R = s·G - e·P must have the x coordinate r and an even y.
    verify(x32, message32, signature64) {
      const r32 = signature64.subarray(0, 32)
      const s32 = signature64.subarray(32)
      const point = evenPoint(x32)
      if (point === undefined || !isBelowOrder(s32)) return false
      const challenge = new Uint8Array(32)
      challengeHash([r32, x32, message32], challenge)
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
  try {
    return Point.fromBytes(Uint8Array.of(2, ...x32))
  } catch {
    return undefined
  }
}

function toNumber(bytes32: Uint8Array): bigint {
  return BigInt(`0x${bytesToHex(bytes32)}`)
}
