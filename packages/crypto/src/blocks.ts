/**
 * AES-256-CBC for NIP-04 by @noble/ciphers, and by the host's own code where that is the faster one.
 * Never says why a ciphertext did not open.
 */

import { cbc } from '@noble/ciphers/aes.js'
import { hostPrimitives } from '#host-primitives'
import type { LargeBlocks } from './host-primitives.ts'
import type { Blocks } from './nip04.ts'

export function hostBlocks(): Blocks {
  return blocksOver(hostPrimitives().cbc)
}

/** noble's, and `large` from its size on. */
export function blocksOver(large: LargeBlocks | undefined): Blocks {
  if (large === undefined) return NOBLE_BLOCKS
  const codeFor = (bytes: Uint8Array): Blocks => (bytes.length >= large.from ? large : NOBLE_BLOCKS)
  return {
    encrypt: (key32, iv16, plaintext) => codeFor(plaintext).encrypt(key32, iv16, plaintext),
    decrypt: (key32, iv16, ciphertext) => codeFor(ciphertext).decrypt(key32, iv16, ciphertext),
  }
}

const NOBLE_BLOCKS: Blocks = {
  encrypt: (key32, iv16, plaintext) => cbc(key32, iv16).encrypt(plaintext),
  decrypt(key32, iv16, ciphertext) {
    const out = new Uint8Array(ciphertext.length)
    try {
      return cbc(key32, iv16).decrypt(ciphertext, out)
    } catch (cause) {
      // The sizes are right, so that nothing but the padding can be wrong.
      out.fill(0)
      if (cause instanceof Error) return undefined
      throw cause
    }
  },
}
