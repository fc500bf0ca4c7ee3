/**
 * Public keys from outside: hex, npub or nprofile text to a checked {@link Pubkey}.
 * Never handles a secret key, so nothing here needs to run in constant time.
 */

import { decodeKey } from './bech32.ts'
import { isHex64 } from './event.ts'
import { err, ok, type Pubkey, type Result } from './value.ts'

/** The field prime of secp256k1. */
const P = 0xfffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc2fn

/**
 * Whether a value is 64 lowercase hex characters and the x coordinate of a point on secp256k1.
 * About half of all 32-byte strings are not; a key off the curve lets a peer learn about a secret key (BIP-340).
 */
export function isPubkey(hex: unknown): hex is Pubkey {
  if (!isHex64(hex)) return false
  const x = BigInt(`0x${hex}`)
  // y² = x³ + 7 has a solution exactly when the right side is a square; it is never 0 on this curve.
  return x < P && jacobi((x * x * x + 7n) % P, P) === 1
}

/**
 * A key as people paste it: 64 hex characters in any case, `npub1…`, or `nprofile1…` (whose relays are left out).
 * Surrounding white space is ignored.
 */
export function parsePubkey(text: string): Result<Pubkey, 'pubkey'> {
  const trimmed = text.trim()
  const lower = trimmed.toLowerCase()
  if (isPubkey(lower)) return ok(lower)
  const hex = decodeKey(trimmed)?.pubkey
  return isPubkey(hex) ? ok(hex) : err('pubkey')
}

/** The Jacobi symbol (a/n) for odd positive n: 1 for a square, -1 for a non-square, when n is prime. */
function jacobi(a: bigint, n: bigint): -1 | 0 | 1 {
  let top = a
  let bottom = n
  let sign: -1 | 1 = 1
  while (top !== 0n) {
    const zeros = trailingZeros(top)
    top >>= BigInt(zeros)
    const bottomMod8 = Number(bottom & 7n)
    if (zeros % 2 === 1 && (bottomMod8 === 3 || bottomMod8 === 5)) sign = sign === 1 ? -1 : 1
    if (bottomMod8 % 4 === 3 && (top & 3n) === 3n) sign = sign === 1 ? -1 : 1
    const rest = bottom % top
    bottom = top
    top = rest
  }
  return bottom === 1n ? sign : 0
}

/** Of a value that is not 0. */
function trailingZeros(value: bigint): number {
  let zeros = 0
  for (let rest = value; ; rest >>= 32n) {
    const word = Number(BigInt.asUintN(32, rest)) | 0
    if (word !== 0) return zeros + 31 - Math.clz32(word & -word)
    zeros += 32
  }
}
