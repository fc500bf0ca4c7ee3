/**
 * XAES-256-GCM (C2SP) on Node's own AES: authenticated encryption with random nonces that are long enough never to repeat.
 * Never draws a nonce itself, and never gives out a byte of what is not authentic.
 *
 * It is AES-256-GCM under a key of its own for each nonce, derived with AES-CMAC from the nonce's first half. Only the derivation
 * is written here; its cipher is set up once, since that costs more than using it.
 */

import { createCipheriv, createDecipheriv } from 'node:crypto'
import { expectBytes, unmovedBytes } from './bytes.ts'

export interface XaesGcm {
  /** `nonce` is 24 fresh random bytes. Ciphertext and tag of 16 bytes. */
  seal(nonce: Uint8Array, plain: Uint8Array, associated: Uint8Array): Uint8Array
  /** Undefined if anything was changed. `body` is what {@link XaesGcm.seal} gave. */
  open(nonce: Uint8Array, body: Uint8Array, associated: Uint8Array): Uint8Array | undefined
  /** Overwrites the key. The other two must not be called again. */
  destroy(): void
}

export const XAES_NONCE_BYTES = 24
export const XAES_TAG_BYTES = 16

export function createXaesGcm(key: Uint8Array): XaesGcm {
  const derivation = createDerivation(key)
  return {
    seal(nonce, plain, associated) {
      expectBytes('a nonce', nonce, XAES_NONCE_BYTES)
      const subkey = derivation.subkey(nonce)
      try {
        const cipher = createCipheriv('aes-256-gcm', subkey, nonce.subarray(12))
        cipher.setAAD(associated)
        const text = cipher.update(plain)
        cipher.final()
        const body = new Uint8Array(text.length + XAES_TAG_BYTES)
        body.set(text)
        body.set(cipher.getAuthTag(), text.length)
        return body
      } finally {
        subkey.fill(0)
      }
    },
    open(nonce, body, associated) {
      expectBytes('a nonce', nonce, XAES_NONCE_BYTES)
      if (body.length < XAES_TAG_BYTES) return undefined
      const tagAt = body.length - XAES_TAG_BYTES
      const subkey = derivation.subkey(nonce)
      try {
        const decipher = createDecipheriv('aes-256-gcm', subkey, nonce.subarray(12), {
          authTagLength: XAES_TAG_BYTES,
        })
        decipher.setAAD(associated)
        decipher.setAuthTag(body.subarray(tagAt))
        const plain = decipher.update(body.subarray(0, tagAt))
        if (isAuthentic(() => decipher.final())) return plain
        plain.fill(0)
        return undefined
      } finally {
        subkey.fill(0)
      }
    },
    destroy: derivation.destroy,
  }
}

interface Derivation {
  /** The caller wipes it. */
  subkey(nonce: Uint8Array): Uint8Array
  destroy(): void
}

/** Counter of each derived block, and where it lies. */
const BLOCKS = [
  [1, 0],
  [2, 16],
] as const
const LABEL = 0x58

/** AES-CMAC as a key derivation (NIST SP 800-108), both blocks at once. */
function createDerivation(key: Uint8Array): Derivation {
  expectBytes('the key of XAES-256-GCM', key, 32)
  const aes = createCipheriv('aes-256-ecb', key, null)
  aes.setAutoPadding(false)
  const mask = unmovedBytes(16)
  const first = aes.update(mask)
  mask.set(first)
  first.fill(0)
  double(mask)
  const blocks = unmovedBytes(32)
  return {
    subkey(nonce) {
      for (const [counter, at] of BLOCKS) {
        blocks.set([0, counter, LABEL, 0], at)
        blocks.set(nonce.subarray(0, 12), at + 4)
        for (let i = 0; i < 16; i++) blocks[at + i] = (blocks[at + i] as number) ^ (mask[i] as number)
      }
      return aes.update(blocks)
    },
    destroy() {
      // OpenSSL overwrites the key when a cipher ends.
      aes.final()
      mask.fill(0)
      blocks.fill(0)
    },
  }
}

/** Doubling in GF(2^128), in place, without a branch on the secret. */
function double(block: Uint8Array): void {
  const carry = -((block[0] as number) >>> 7) & 0x87
  for (let i = 0; i < 15; i++) block[i] = ((block[i] as number) << 1) | ((block[i + 1] as number) >>> 7)
  block[15] = ((block[15] as number) << 1) ^ carry
}

/** OpenSSL says a wrong tag by throwing. */
function isAuthentic(finish: () => Uint8Array): boolean {
  try {
    finish()
    return true
  } catch (cause) {
    if (cause instanceof Error) return false
    throw cause
  }
}
