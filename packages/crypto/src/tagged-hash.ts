/**
 * The three tagged hashes of BIP-340, with the tags hashed once.
 * Never keeps what it hashed.
 */

import { hostSymmetric, type TaggedHash } from './symmetric.ts'

export function hashAux(aux32: Uint8Array, out32: Uint8Array): void {
  tagged().aux([aux32], out32)
}

export function hashNonce(
  masked32: Uint8Array,
  public32: Uint8Array,
  message32: Uint8Array,
  out32: Uint8Array,
): void {
  tagged().nonce([masked32, public32, message32], out32)
}

export function hashChallenge(
  r32: Uint8Array,
  public32: Uint8Array,
  message32: Uint8Array,
  out32: Uint8Array,
): void {
  tagged().challenge([r32, public32, message32], out32)
}

interface TaggedHashes {
  readonly aux: TaggedHash
  readonly nonce: TaggedHash
  readonly challenge: TaggedHash
}

let hashes: TaggedHashes | undefined

/** Made when the first signature is, since making them loads the host's SHA-256. */
function tagged(): TaggedHashes {
  if (hashes !== undefined) return hashes
  const { taggedHash } = hostSymmetric()
  hashes = {
    aux: taggedHash('BIP0340/aux'),
    nonce: taggedHash('BIP0340/nonce'),
    challenge: taggedHash('BIP0340/challenge'),
  }
  return hashes
}
