/**
 * The curve of `small.ts`: keys, BIP-340 signatures and shared points over the points of @noble/secp256k1. What is public is hex.
 * Never promises constant time or wiped memory: BigInt arithmetic gives neither.
 */

import { bytesToHex, hexToBytes, type SignatureClaim } from '@nip46/core'
import { Point } from '@noble/secp256k1'
import { sha256 } from './sha256.ts'

const { n: ORDER } = /* @__PURE__ */ Point.CURVE()
const encoder = /* @__PURE__ */ new TextEncoder()

/** The public key of a secret: 02 or 03 for an even or odd y, and x. Undefined for 0 and what is not below the group order. */
export function publicPoint(secret32: Uint8Array): string | undefined {
  const secret = toNumber(bytesToHex(secret32))
  return secret > 0n && secret < ORDER ? Point.BASE.multiply(secret).toHex() : undefined
}

/** `point` is what {@link publicPoint} gave for this secret. */
export function sign(secret32: Uint8Array, point: string, id: string, aux32: Uint8Array): string {
  const secret = withEvenY(toNumber(bytesToHex(secret32)), point)
  const masked = hexToBytes(toHex(secret ^ taggedHash('aux', aux32)))
  const message = hexToBytes(point.slice(2) + id)
  const drawn = taggedHash('nonce', masked, message) % ORDER
  masked.fill(0)
  const noncePoint = Point.BASE.multiply(drawn).toHex()
  const r = noncePoint.slice(2)
  const challenge = taggedHash('challenge', hexToBytes(r), message)
  return r + toHex((withEvenY(drawn, noncePoint) + challenge * secret) % ORDER)
}

/** Every member is lowercase hex of the right length. */
export function verify({ pubkey, id, sig }: SignatureClaim): boolean {
  const r = sig.slice(0, 64)
  const challenge = taggedHash('challenge', hexToBytes(r + pubkey + id)) % ORDER
  try {
    // BIP-340: R = s·G - e·P must have the x coordinate r and an even y.
    const product = Point.fromHex(`02${pubkey}`).multiplyUnsafe(challenge)
    const sum = Point.BASE.multiplyUnsafe(toNumber(sig.slice(64))).subtract(product)
    const { x, y } = sum.toAffine()
    return !sum.is0() && y % 2n === 0n && x === toNumber(r)
  } catch {
    // A key off the curve, or an s that is not below the order.
    return false
  }
}

/** The x coordinate of the shared point. `peer` is a key that was checked. */
export function sharedX(secret32: Uint8Array, peer: string): Uint8Array {
  return Point.fromHex(`02${peer}`)
    .multiply(toNumber(bytesToHex(secret32)))
    .toBytes()
    .subarray(1)
}

/** BIP-340: of a scalar and its negative the one whose point has an even y. `point` is the first one's. */
function withEvenY(scalar: bigint, point: string): bigint {
  return point.startsWith('02') ? scalar : ORDER - scalar
}

function taggedHash(tag: string, ...parts: readonly Uint8Array[]): bigint {
  const tagged = sha256(encoder.encode(`BIP0340/${tag}`))
  return toNumber(bytesToHex(sha256(tagged, tagged, ...parts)))
}

function toNumber(hex: string): bigint {
  return BigInt(`0x${hex}`)
}

function toHex(number: bigint): string {
  return number.toString(16).padStart(64, '0')
}
