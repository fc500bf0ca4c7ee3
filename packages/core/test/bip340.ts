/**
 * A small, slow Crypto for tests of core: real event ids and real BIP-340 verification by plain arithmetic.
 * Never signs or encrypts; the crypto package does.
 */

import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex, concatBytes, hexToBytes, utf8ToBytes } from '@noble/hashes/utils.js'
import { serializeEvent } from '../src/event.ts'
import type { Crypto, SignatureClaim } from '../src/port.ts'
import { isPubkey } from '../src/pubkey.ts'

type Point = readonly [x: bigint, y: bigint] | null

const P = 2n ** 256n - 2n ** 32n - 977n
const N = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n
const G: Point = [
  0x79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798n,
  0x483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8n,
]

export const verifyingCrypto: Crypto = {
  name: 'bip340-for-tests',
  eventId: (event) => bytesToHex(sha256(utf8ToBytes(serializeEvent(event)))),
  verify,
  verifyBatch: (claims) => claims.map(verify),
  isPubkey,
  importKey: () => {
    throw new Error('this crypto has no keys')
  },
}

/** BIP-340 "Verification". */
export function verify({ pubkey, id, sig }: SignatureClaim): boolean {
  const key = liftX(BigInt(`0x${pubkey}`))
  const r = BigInt(`0x${sig.slice(0, 64)}`)
  const s = BigInt(`0x${sig.slice(64)}`)
  if (key === null || r >= P || s >= N) return false
  const tag = sha256(utf8ToBytes('BIP0340/challenge'))
  const hash = sha256(concatBytes(tag, tag, hexToBytes(sig.slice(0, 64)), hexToBytes(pubkey), hexToBytes(id)))
  const e = BigInt(`0x${bytesToHex(hash)}`) % N
  const point = add(multiply(G, s), multiply(key, N - e))
  return point !== null && point[1] % 2n === 0n && point[0] === r
}

/** Euler's criterion, the slow way to tell squares. */
export function isSquare(value: bigint): boolean {
  return power(value, (P - 1n) / 2n) === 1n
}

export function isOnCurve(hex: string): boolean {
  const x = BigInt(`0x${hex}`)
  return x < P && isSquare((x ** 3n + 7n) % P)
}

function liftX(x: bigint): Point {
  if (x >= P) return null
  const square = (x ** 3n + 7n) % P
  const y = power(square, (P + 1n) / 4n)
  if ((y * y) % P !== square) return null
  return [x, y % 2n === 0n ? y : P - y]
}

function add(a: Point, b: Point): Point {
  if (a === null) return b
  if (b === null) return a
  if (a[0] === b[0] && a[1] !== b[1]) return null
  const slope =
    a[0] === b[0] ? 3n * a[0] * a[0] * power(2n * a[1], P - 2n) : (b[1] - a[1]) * power(b[0] - a[0], P - 2n)
  const x = modulo(slope * slope - a[0] - b[0])
  return [x, modulo(slope * (a[0] - x) - a[1])]
}

function multiply(point: Point, scalar: bigint): Point {
  let sum: Point = null
  let double = point
  for (let rest = scalar; rest > 0n; rest >>= 1n) {
    if (rest & 1n) sum = add(sum, double)
    double = add(double, double)
  }
  return sum
}

function power(base: bigint, exponent: bigint): bigint {
  let result = 1n
  let square = modulo(base)
  for (let rest = exponent; rest > 0n; rest >>= 1n) {
    if (rest & 1n) result = (result * square) % P
    square = (square * square) % P
  }
  return result
}

function modulo(value: bigint): bigint {
  return ((value % P) + P) % P
}
