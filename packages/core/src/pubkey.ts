/**
 * Public keys from outside: hex, npub or nprofile text to a checked {@link Pubkey}.
 * Never handles a secret key, so nothing here needs to run in constant time.
 */

import { decodeKey, type NamedKey } from './bech32.ts'
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
  return x < P && isSquare((x * x * x + 7n) % P)
}

/**
 * A key as people paste it: 64 hex characters in any case, `npub1…`, or `nprofile1…` (whose relays are left out).
 * Surrounding white space is ignored.
 */
export function parsePubkey(text: string): Result<Pubkey, 'pubkey'> {
  const key = readKey(text)
  return key === undefined ? err('pubkey') : ok(key.pubkey)
}

/** The same with the relays of an nprofile; undefined if it is no key. */
export function readKey(
  text: string,
): { readonly pubkey: Pubkey; readonly relays: readonly string[] } | undefined {
  const trimmed = text.trim()
  const hex = trimmed.toLowerCase()
  const { pubkey, relays = [] }: Partial<NamedKey> = isHex64(hex)
    ? { pubkey: hex }
    : (decodeKey(trimmed) ?? {})
  return isPubkey(pubkey) ? { pubkey, relays } : undefined
}

/** Whether a number from 1 to P - 1 is a square modulo P: whether its Jacobi symbol is 1, and not -1. */
function isSquare(a: bigint): boolean {
  let top = a
  let bottom = P
  let square = true
  while (top !== 0n) {
    // (2/n) is -1 for n = 3 or 5 modulo 8.
    const low = bottom & 7n
    const flips = low === 3n || low === 5n
    for (; !(top & 1n); top >>= 1n) if (flips) square = !square
    // (m/n) and (n/m) differ where both are 3 modulo 4.
    if (top & bottom & 2n) square = !square
    ;[top, bottom] = [bottom % top, top]
  }
  return square
}
