/**
 * Which SHA-256 and ChaCha20 this host runs, behind the few steps that NIP-44, event ids and BIP-340 are made of.
 * Never knows a format; that is `nip44.ts`, written once over it.
 */

import { hostPrimitives } from '#host-primitives'
import { createNobleSymmetric } from './symmetric-noble.ts'
import { createWasmSymmetric } from './symmetric-wasm.ts'
import { type TaggedHashes, taggedHashes } from './tagged-hash.ts'

/** A SHA-256 hash that begins with a tag, as BIP-340 has it. `out32` is written. */
export type TaggedHash = (parts: readonly Uint8Array[], out32: Uint8Array) => void

/**
 * The steps of one NIP-44 message. Synchronous, and one message at a time: a payload from `claim` belongs to the caller until
 * `release`, which overwrites it and the keys of `expand`. Nothing is kept between messages.
 */
export interface MessageCode {
  /** Memory for a payload of so many bytes (version, nonce, body, MAC), all zeros. */
  claim(length: number): Uint8Array
  /**
   * HKDF-expand by a 32-byte nonce: the keys that `cipher` and `mac` go by. `prepared` is what {@link Symmetric.prepare} wrote.
   * Returns where they lie: ChaCha20's key in 32 bytes, its nonce in 12, HMAC's key in 32.
   */
  expand(prepared: Uint8Array, nonce: Uint8Array): Uint8Array
  /** ChaCha20 over the body of a claimed payload, in place. Spoils the MAC behind it. */
  cipher(payload: Uint8Array): void
  /** HMAC over nonce and body of a claimed payload: bytes that hold until `release`. Spoils the MAC behind them. */
  mac(payload: Uint8Array): Uint8Array
  /** Overwrites the payload and the keys. */
  release(payload: Uint8Array): void
}

/** Those, and what conversation keys, event ids and BIP-340 are made of. */
export interface Symmetric extends MessageCode {
  /** `wasm` or `noble`, with `+node` where large messages go to the host's own code. */
  readonly name: string
  /** Bytes that {@link prepare} writes. */
  readonly preparedBytes: number
  /** HKDF-extract with NIP-44's salt: the conversation key of a shared x coordinate. */
  conversationKey(sharedX: Uint8Array, out32: Uint8Array): void
  /** What is kept of a conversation key so that `expand` has less to do. */
  prepare(conversationKey: Uint8Array, prepared: Uint8Array): void
  /** SHA-256 over UTF-8 text, as hex. */
  hashText(text: string): string
  taggedHash(tag: string): TaggedHash
}

let chosen: Symmetric | undefined

/** The fastest that this host allows: WebAssembly with SIMD, or noble where that may not run. Loaded when first asked for. */
export function hostSymmetric(): Symmetric {
  chosen ??= createWasmSymmetric(hostPrimitives()) ?? createNobleSymmetric(hostPrimitives())
  return chosen
}

/** BIP-340's hashes by {@link hostSymmetric}. */
export const hostTaggedHashes: TaggedHashes = taggedHashes(hostSymmetric)
