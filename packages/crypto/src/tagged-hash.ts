/**
 * The three tagged hashes of BIP-340, with the tags hashed once.
 * Never keeps what it hashed.
 */

import type { Symmetric, TaggedHash } from './symmetric.ts'

export interface TaggedHashes {
  /** Of aux. */
  readonly aux: TaggedHash
  /** Of the masked secret, the public key and the message. */
  readonly nonce: TaggedHash
  /** Of r, the public key and the message. */
  readonly challenge: TaggedHash
}

/** `symmetric` is asked for when the first hash is, since that may load the host's SHA-256. */
export function taggedHashes(symmetric: () => Symmetric): TaggedHashes {
  const hashWith = (tag: string): TaggedHash => {
    let hash: TaggedHash | undefined
    return (parts, out32) => {
      hash ??= symmetric().taggedHash(tag)
      hash(parts, out32)
    }
  }
  return {
    aux: hashWith('BIP0340/aux'),
    nonce: hashWith('BIP0340/nonce'),
    challenge: hashWith('BIP0340/challenge'),
  }
}
