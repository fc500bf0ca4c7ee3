/**
 * Plaintexts that were decrypted a while ago, so that the remote signer is not asked again.
 * Never larger than it was told to be, and overwritten when it is cleared.
 */

import { PLAINTEXT_CACHE_BYTES_MAX } from './limits.ts'
import { checkRange } from './options.ts'

/** Plaintexts by who asked for what: the user, the method, the other party and the ciphertext. */
export interface PlaintextCache {
  get(key: string): string | undefined
  set(key: string, plaintext: string): void
  /** Overwrites what it holds. */
  clear(): void
}

/**
 * A cache of up to `maxBytes` (1 to `PLAINTEXT_CACHE_BYTES_MAX`). Each entry counts its plaintext in UTF-8
 * bytes and its key, which holds the ciphertext, in characters; the one used longest ago goes first.
 *
 * ```ts
 * const session = await connect(uri, { crypto, transport, plaintextCache: createPlaintextCache(1_000_000) })
 * ```
 */
export function createPlaintextCache(maxBytes: number): PlaintextCache {
  checkRange('maxBytes', maxBytes, 1, PLAINTEXT_CACHE_BYTES_MAX)
  const entries = new Map<string, Uint8Array>()
  const encoder = new TextEncoder()
  // Not to be dropped: a plaintext may begin with a BOM.
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
  let size = 0

  const drop = (key: string): void => {
    const bytes = entries.get(key)
    if (bytes === undefined) return
    entries.delete(key)
    size -= bytes.length + key.length
    bytes.fill(0)
  }

  return {
    get(key) {
      const bytes = entries.get(key)
      if (bytes === undefined) return undefined
      entries.delete(key)
      entries.set(key, bytes)
      return decoder.decode(bytes)
    },
    set(key, plaintext) {
      drop(key)
      const bytes = encoder.encode(plaintext)
      if (bytes.length + key.length > maxBytes) {
        bytes.fill(0)
        return
      }
      entries.set(key, bytes)
      size += bytes.length + key.length
      for (const [oldest] of entries) {
        if (size <= maxBytes) break
        drop(oldest)
      }
    },
    clear() {
      for (const [key] of entries) drop(key)
    },
  }
}
