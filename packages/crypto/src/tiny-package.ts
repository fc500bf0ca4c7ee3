/**
 * tiny-secp256k1 through its own entry point, for browsers and bundlers, where its memory cannot be reached.
 * Never multiplies a point by a bare secret. After each secret operation the same one runs with a known key, which
 * overwrites what the first left on the module's stack.
 */

import type { RandomBytes } from '@nip46/core'
import * as tiny from 'tiny-secp256k1'
import { createAssembledKeys } from './assembled-keys.ts'
import type { Curve } from './curve.ts'
import { isBelowOrder } from './scalar.ts'
import { hostTaggedHashes } from './symmetric.ts'

const ONE = new Uint8Array(32).fill(1, 31)
const TWO = new Uint8Array(32).fill(2, 31)

/** All share one instance, the package's; it takes its randomness from the host itself. */
export function createTinyCurve(_random: RandomBytes): Curve {
  const generator = tiny.pointFromScalar(ONE, true) as Uint8Array
  return {
    isPoint: (x32) => tiny.isXOnlyPoint(x32),
    ...createAssembledKeys((scalar32, out65) => {
      const point = tiny.pointFromScalar(scalar32, false)
      tiny.pointFromScalar(ONE, false)
      if (point === null) return false
      out65.set(point)
      return true
    }, hostTaggedHashes),
    verify(x32, message32, signature64) {
      // The package throws on halves that are not below the group order; no valid signature has such (odds 2^-127).
      if (!isBelowOrder(signature64.subarray(0, 32)) || !isBelowOrder(signature64.subarray(32))) return false
      return tiny.verifySchnorr(message32, x32, signature64)
    },
    ecdhX(secret32, x32, blinding32, out32) {
      // Refuses the secret and its negative: the multiplication by the blinding would be one by the secret.
      const sum = tiny.privateAdd(secret32, blinding32)
      sum?.fill(0)
      const difference = tiny.privateSub(secret32, blinding32)
      if (sum === null || difference === null) return false
      addProducts(x32, blinding32, difference, out32)
      difference.fill(0)
      tiny.privateSub(TWO, ONE)
      addProducts(generator.subarray(1), ONE, ONE, new Uint8Array(32))
      return true
    },
  }
}

/** The x coordinate of `a · point + b · point`. */
function addProducts(x32: Uint8Array, a: Uint8Array, b: Uint8Array, out32: Uint8Array): void {
  const point = new Uint8Array(33)
  point[0] = 2
  point.set(x32, 1)
  const left = expectPoint(tiny.pointMultiply(point, a, true))
  const right = expectPoint(tiny.pointMultiply(point, b, true))
  const sum = expectPoint(tiny.pointAdd(left, right, true))
  out32.set(sum.subarray(1))
  for (const shared of [left, right, sum]) shared.fill(0)
}

/** A product of valid inputs on a curve of prime order is never infinity; anything else is a broken module. */
function expectPoint(point: Uint8Array | null): Uint8Array {
  if (point === null) throw new Error('tiny-secp256k1 failed on valid inputs')
  return point
}
