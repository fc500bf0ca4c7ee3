/**
 * What is measured: one implementation behind a small set of operations, with its keys inside. Only types.
 * Never shared between implementations, so that no cache of one serves another.
 */

import type { SignedEvent } from '@nip46/core'

/** 32 secret bytes each, made for one run. */
export interface Keys {
  readonly client: Uint8Array
  readonly signer: Uint8Array
  readonly user: Uint8Array
}

/** A gift wrap (NIP-59) to the user: kind 1059 around kind 13 around a rumor. */
export type Wrap = SignedEvent

export interface Subject {
  readonly name: string
  /** The NIP-01 id of a note of the user, 64 hex characters. */
  eventId(content: string): string
  /** A note: serialised, hashed and signed. */
  sign(content: string): SignedEvent
  verify(event: SignedEvent): boolean
  /** A conversation key from scratch: ECDH and HKDF, nothing cached. Returns what was derived, to be checked by `derived`. */
  agree(): unknown
  /** NIP-44 with the conversation of signer and client, cached as this implementation does. */
  encrypt(plaintext: string): string
  decrypt(payload: string): string
  /** NIP-04, likewise. */
  encryptLegacy(plaintext: string): string
  decryptLegacy(payload: string): string
  /** An answer to the client as a carrier event. */
  seal(text: string): SignedEvent
  /** The text of a carrier from the client: verified and decrypted. */
  open(event: SignedEvent): string
  /** One whole sign_event request at the remote signer: verify, open, sign, seal. Returns the answer's carrier. */
  answer(request: SignedEvent): SignedEvent
  /** The contents of the rumors: two decryptions for each wrap, the user's key not having met the wraps before. */
  unwrap(wraps: readonly Wrap[]): readonly string[]
}
