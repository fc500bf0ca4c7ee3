/**
 * A `Crypto` over any curve backend, with the fastest symmetric code that the host allows.
 * Never chooses the curve; the entries beside it do.
 */

import type { Crypto } from '@nip46/core'
import type { CurveBackend } from './backend.ts'
import { hostBlocks } from './blocks.ts'
import { createConversationSlab } from './conversation-slab.ts'
import { type CryptoOptions, cryptoOfParts } from './crypto-of-parts.ts'
import { hostSymmetric } from './symmetric.ts'

export type { CryptoOptions } from './crypto-of-parts.ts'

/**
 * A `Crypto` over any backend.
 *
 * ```ts
 * const crypto = createCrypto(nobleBackend(), { random: (n) => globalThis.crypto.getRandomValues(new Uint8Array(n)) })
 * ```
 *
 * Throws `UsageError` on limits that make no sense.
 */
export function createCrypto(backend: CurveBackend, options: CryptoOptions): Crypto {
  const parts = {
    symmetric: hostSymmetric(),
    blocks: hostBlocks(),
    conversations: (limit: number, preparedBytes: number, seed: () => Uint8Array) =>
      createConversationSlab(limit, preparedBytes, seed),
  }
  return cryptoOfParts(backend, parts, options)
}
