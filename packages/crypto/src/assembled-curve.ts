/**
 * BIP-340 and x-only ECDH put together from three operations of an ECDSA module: public key of a scalar, shared
 * point, public-key recovery. Never computes with points itself, and never branches or indexes on a secret.
 */

import { createAssembledKeys, type MultiplyBase } from './assembled-keys.ts'
import type { Curve } from './curve.ts'
import { isBelowOrder, negateIf, reduce } from './scalar.ts'
import { multiplyAdd } from './scalar-arithmetic.ts'
import { hostTaggedHashes } from './symmetric.ts'

/** What the module has to offer. Outputs are only written when true is returned; none is kept, none is secret-timed. */
export interface PointModule {
  readonly multiplyBase: MultiplyBase
  /** `scalar·point`, compressed. False for points off the curve and bad scalars. In constant time, traces wiped. */
  multiplyPoint(scalar32: Uint8Array, point33: Uint8Array, out33: Uint8Array): boolean
  /**
   * ECDSA public-key recovery over public values, as 04 ‖ x ‖ y. `signature65` is parity ‖ r ‖ s, with r an x
   * coordinate below the order. False if there is no such point, if r or s is 0 or too large, or for infinity.
   */
  recover(signature65: Uint8Array, message32: Uint8Array, out65: Uint8Array): boolean
}

const ZERO = new Uint8Array(32)
const TWO = new Uint8Array(32).fill(2, 31)
/** 1/2 modulo the order: (order + 1) / 2. */
const HALF = Uint8Array.from([
  0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x5d, 0x57,
  0x6e, 0x73, 0x57, 0xa4, 0x50, 0x1d, 0xdf, 0xe9, 0x2f, 0x46, 0x68, 0x1b, 0x20, 0xa1,
])
const EVEN = 2

/** Also the arithmetic of {@link Curve.verify} by itself, for tests with numbers that no signature has. */
export interface AssembledCurve extends Curve {
  /** `a·G - b·point`, as 04 ‖ x ‖ y, for public numbers. The point has an even y. False for infinity. */
  combine(a32: Uint8Array, b32: Uint8Array, x32: Uint8Array, out65: Uint8Array): boolean
}

export function createAssembledCurve(module: PointModule): AssembledCurve {
  const scratch = new Uint8Array(512)
  const point = scratch.subarray(0, 65)
  const compressed = scratch.subarray(65, 98)
  const shared = scratch.subarray(98, 131)
  const signature = scratch.subarray(131, 196)
  const digest = scratch.subarray(196, 228)
  const challenge = scratch.subarray(228, 260)
  const factor = scratch.subarray(260, 292)
  const half = scratch.subarray(292, 324)

  /** `factor = -value` modulo the order. */
  function setNegative(value32: Uint8Array): void {
    factor.set(value32)
    reduce(factor)
    negateIf(1, factor)
  }

  /** `a·G - b·R` for the point R with this x coordinate and parity. */
  function recoverWith(
    parity: number,
    r32: Uint8Array,
    a32: Uint8Array,
    b32: Uint8Array,
    out65: Uint8Array,
  ): boolean {
    // Recovery gives (s·R - z·G) / r, with r the x coordinate of R. It is given s = -b·r and z = -a·r.
    signature[0] = parity
    signature.set(r32, 1)
    setNegative(b32)
    multiplyAdd(factor, r32, ZERO, signature.subarray(33))
    setNegative(a32)
    multiplyAdd(factor, r32, ZERO, digest)
    return module.recover(signature, digest, out65)
  }

  function combine(a32: Uint8Array, b32: Uint8Array, x32: Uint8Array, out65: Uint8Array): boolean {
    factor.set(b32)
    reduce(factor)
    // Recovery refuses s = 0, but then only a·G is left.
    if (isZero(factor)) return module.multiplyBase(a32, out65)
    if (isBelowOrder(x32)) return recoverWith(0, x32, a32, b32, out65)
    // An x coordinate from the order up to the field's size is no r. Its double serves: b·P = (b/2)·(2·P). Nobody can
    // find a key whose double is as rare (some 2^127 tries); it would verify nothing.
    setEven(compressed, x32)
    if (!module.multiplyPoint(TWO, compressed, shared)) return false
    const double32 = shared.subarray(1)
    if (!isBelowOrder(double32)) return false
    multiplyAdd(b32, HALF, ZERO, half)
    return recoverWith((shared[0] as number) & 1, double32, a32, half, out65)
  }

  return {
    ...createAssembledKeys(module.multiplyBase, hostTaggedHashes),
    combine,
    isPoint(x32) {
      if (!isBelowOrder(x32)) {
        setEven(compressed, x32)
        return module.multiplyPoint(TWO, compressed, shared)
      }
      // With s = r and z = 0 recovery gives back R, which costs a square root and hardly any multiplication.
      signature[0] = 0
      signature.set(x32, 1)
      signature.set(x32, 33)
      return module.recover(signature, ZERO, point)
    },
    verify(x32, message32, signature64) {
      const r32 = signature64.subarray(0, 32)
      const s32 = signature64.subarray(32)
      if (!isBelowOrder(s32)) return false
      hostTaggedHashes.challenge([r32, x32, message32], challenge)
      if (!combine(s32, challenge, x32, point)) return false
      // An r that is no field element never equals an x coordinate.
      return ((point[64] as number) & 1) === 0 && isSame(point.subarray(1, 33), r32)
    },
    ecdhX(secret32, x32, _blinding32, out32) {
      setEven(compressed, x32)
      if (!module.multiplyPoint(secret32, compressed, shared))
        throw new Error('the secp256k1 module failed on valid inputs')
      out32.set(shared.subarray(1))
      shared.fill(0)
      return true
    },
  }
}

/** The point with this x coordinate and an even y (BIP-340). */
function setEven(point33: Uint8Array, x32: Uint8Array): void {
  point33[0] = EVEN
  point33.set(x32, 1)
}

function isZero(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0)
}

/** Of public bytes. */
function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.every((byte, i) => byte === b[i])
}
