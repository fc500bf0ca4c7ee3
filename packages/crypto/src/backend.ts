/**
 * The elliptic-curve port: all that a secp256k1 implementation must do for this package. Only types.
 * Never hashes a message, encrypts or encodes; NIP-44, NIP-04 and event ids are written once over it.
 */

/** A secret key inside a backend. Never reused: a destroyed slot stays invalid. */
export type KeySlot = number & { readonly __key: unique symbol }

/** A checked public key inside a backend. Never reused. */
export type PeerSlot = number & { readonly __peer: unique symbol }

/** What a backend can do, and what it promises of secrets. */
export interface CurveCaps {
  /** Operations for which a batch call starts to pay; 1 if it never does. */
  readonly batch: number
  /** The running time of `ecdhX` does not depend on the secret scalar. */
  readonly constantTimeEcdh: boolean
  /** `ecdhX` splits the secret with `blinding`, so that no single multiplication sees it. */
  readonly blindedEcdh: boolean
  /** Between calls only the key slots hold secrets: scratch memory is overwritten, and a slot when it is destroyed. */
  readonly wipesMemory: boolean
}

/**
 * Synchronous. Every buffer belongs to the caller: inputs are not kept or changed, outputs are written in place.
 * A wrong length or a destroyed slot throws `UsageError`; nothing that a peer sent throws.
 */
export interface CurveBackend {
  /** A name for reports, such as `tiny` or `noble`. */
  readonly name: string
  readonly caps: CurveCaps

  /** Copies 32 secret bytes in. Undefined if they are 0 or not below the group order. */
  importKey(secret32: Uint8Array): KeySlot | undefined
  /** Overwrites the secret. Destroying twice is harmless. */
  destroyKey(key: KeySlot): void
  /** The x-only public key, derived when the key was imported. */
  publicKey(key: KeySlot, out32: Uint8Array): void
  /** BIP-340 over a 32-byte message; `aux32` is fresh random bytes. */
  sign(key: KeySlot, message32: Uint8Array, aux32: Uint8Array, out64: Uint8Array): void
  /** One signature for each key: message i, aux i and signature i lie at 32·i, 32·i and 64·i. */
  signBatch(keys: readonly KeySlot[], messages: Uint8Array, aux: Uint8Array, out: Uint8Array): void

  /** Undefined if the 32 bytes are not the x coordinate of a curve point. Checked before anything else sees them. */
  importPeer(public32: Uint8Array): PeerSlot | undefined
  destroyPeer(peer: PeerSlot): void
  /** BIP-340. False for any 64 bytes that are not a valid signature. */
  verify(peer: PeerSlot, message32: Uint8Array, signature64: Uint8Array): boolean
  /** Writes 1 or 0 for each peer; laid out as in {@link signBatch}. */
  verifyBatch(peers: readonly PeerSlot[], messages: Uint8Array, signatures: Uint8Array, out: Uint8Array): void

  /**
   * The x coordinate of the shared point, unhashed (NIP-04, NIP-44). `blinding32` is fresh random bytes, used only
   * if {@link CurveCaps.blindedEcdh}. False, with nothing written, if they cannot blind this key: draw again.
   */
  ecdhX(key: KeySlot, peer: PeerSlot, blinding32: Uint8Array, out32: Uint8Array): boolean
}
