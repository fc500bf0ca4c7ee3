/**
 * JSON as a store writes it down: sealed, and bound to its place.
 * Never leaves a plaintext in the bytes it was made from, or was opened into.
 */

import type { StoreSeal } from './signer-store.ts'

/** UTF-8 both ways, since only hosts have it. `encode` gives bytes that may be wiped; `decode` throws on what is none. */
export interface Utf8 {
  encode(text: string): Uint8Array
  decode(bytes: Uint8Array): string
}

/** Values of JSON as sealed bytes, and back. */
export interface JsonSeal {
  /** `context` names the place, as in {@link StoreSeal}. */
  seal(value: unknown, context: string): Uint8Array
  /** Undefined if it does not open at this place, or is authentic and no JSON: not written by a store. */
  open(sealed: Uint8Array, context: string): unknown
}

/** `seal` is how bytes are sealed; `utf8` is the host's. */
export function createJsonSeal(seal: StoreSeal, { encode, decode }: Utf8): JsonSeal {
  return {
    seal(value, context) {
      const plain = encode(JSON.stringify(value))
      try {
        return seal.seal(plain, context)
      } finally {
        plain.fill(0)
      }
    },
    open(sealed, context) {
      const opened = seal.open(sealed, context)
      if (!opened.ok) return undefined
      try {
        return JSON.parse(decode(opened.value))
      } catch {
        return undefined
      } finally {
        opened.value.fill(0)
      }
    },
  }
}
