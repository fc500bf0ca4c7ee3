/**
 * The three tagged hashes of BIP-340, with the tags hashed once.
 * Never keeps what it hashed: the hash object of each call is wiped by its `digest()`.
 */

import { sha256 } from '@noble/hashes/sha2.js'

type Sha256 = ReturnType<typeof sha256.create>

const AUX = tagged('BIP0340/aux')
const NONCE = tagged('BIP0340/nonce')
const CHALLENGE = tagged('BIP0340/challenge')

export function hashAux(aux32: Uint8Array, out32: Uint8Array): void {
  digest(AUX.clone().update(aux32), out32)
}

export function hashNonce(
  masked32: Uint8Array,
  public32: Uint8Array,
  message32: Uint8Array,
  out32: Uint8Array,
): void {
  digest(NONCE.clone().update(masked32).update(public32).update(message32), out32)
}

export function hashChallenge(
  r32: Uint8Array,
  public32: Uint8Array,
  message32: Uint8Array,
  out32: Uint8Array,
): void {
  digest(CHALLENGE.clone().update(r32).update(public32).update(message32), out32)
}

function digest(hash: Sha256, out32: Uint8Array): void {
  const bytes = hash.digest()
  out32.set(bytes)
  bytes.fill(0)
}

/** The state after the two copies of the tag's hash that every tagged hash begins with. */
function tagged(tag: string): Sha256 {
  const prefix = sha256(new TextEncoder().encode(tag))
  return sha256.create().update(prefix).update(prefix)
}
