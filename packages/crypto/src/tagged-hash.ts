/**
 * The three tagged hashes of BIP-340, with the tags hashed once.
 * Never keeps what it hashed.
 */

import type { Symmetric } from './symmetric.ts'

/** Each writes `out32`. */
export interface TaggedHashes {
  aux(aux32: Uint8Array, out32: Uint8Array): void
  nonce(masked32: Uint8Array, public32: Uint8Array, message32: Uint8Array, out32: Uint8Array): void
  challenge(r32: Uint8Array, public32: Uint8Array, message32: Uint8Array, out32: Uint8Array): void
}

/** `symmetric` is asked for when the first hash is, since that may load the host's SHA-256. */
export function taggedHashes(symmetric: () => Symmetric): TaggedHashes {
  const hashWith = (tag: string): ((parts: readonly Uint8Array[], out32: Uint8Array) => void) => {
    let hash: ReturnType<Symmetric['taggedHash']> | undefined
    return (parts, out32) => {
      hash ??= symmetric().taggedHash(tag)
      hash(parts, out32)
    }
  }
  const aux = hashWith('BIP0340/aux')
  const nonce = hashWith('BIP0340/nonce')
  const challenge = hashWith('BIP0340/challenge')
  return {
    aux: (aux32, out32) => aux([aux32], out32),
    nonce: (masked32, public32, message32, out32) => nonce([masked32, public32, message32], out32),
    challenge: (r32, public32, message32, out32) => challenge([r32, public32, message32], out32),
  }
}
