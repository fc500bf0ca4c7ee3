/**
 * What a host's own code can do for this package, where it has any. Only types.
 */

export interface HostPrimitives {
  readonly name: string
  /** SHA-256 over UTF-8 text, as hex. */
  readonly hashText?: (text: string) => string
  readonly hashBytes?: LargeHash
  readonly large?: LargeMessages
  readonly cbc?: LargeBlocks
}

/** SHA-256 in one call. */
export interface LargeHash {
  /** Bytes from which it is the faster one. */
  readonly from: number
  /** As hex. */
  hash(data: Uint8Array): string
}

/** ChaCha20 and HMAC whose start costs more than a small message does in WebAssembly. */
export interface LargeMessages {
  /** Payload bytes from which it is the faster one. */
  readonly from: number
  /** XORs the key stream onto the data, counter from 0. */
  cipher(key32: Uint8Array, nonce12: Uint8Array, data: Uint8Array): void
  mac(key32: Uint8Array, data: Uint8Array, out32: Uint8Array): void
}

/** AES-256-CBC with PKCS#7 padding. */
export interface LargeBlocks {
  /** Plaintext bytes from which it is the faster one. */
  readonly from: number
  encrypt(key32: Uint8Array, iv16: Uint8Array, plaintext: Uint8Array): Uint8Array
  /** The plaintext, or undefined if its padding is wrong. */
  decrypt(key32: Uint8Array, iv16: Uint8Array, ciphertext: Uint8Array): Uint8Array | undefined
}
