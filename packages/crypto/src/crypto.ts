/**
 * A `Crypto` over any curve backend, with the fastest symmetric code that the host allows.
 * Never chooses the curve; the entries beside it do.
 */

import type { Crypto } from '@nip46/core'
import type { CurveBackend } from './backend.ts'
import { hostBlocks } from './blocks.ts'
import { expectBytes } from './bytes.ts'
import { createConversationSlab } from './conversation-slab.ts'
import { type CryptoOptions, type CryptoParts, cryptoOfParts } from './crypto-of-parts.ts'
import { createNip04 } from './nip04.ts'
import { hostSymmetric } from './symmetric.ts'

export type { CryptoOptions } from './crypto-of-parts.ts'

/** Random bytes that seed the tables of conversations. */
const SEED_BYTES = 8

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
  let seed: Uint8Array | undefined
  /** Of all tables. Drawn for the first conversation, since many keys only sign. */
  function tableSeed(): Uint8Array {
    if (seed !== undefined) return seed
    const drawn = options.random(SEED_BYTES)
    expectBytes(`what random(${SEED_BYTES}) returns`, drawn, SEED_BYTES)
    // A Buffer's slice() would share its memory.
    seed = Uint8Array.from(drawn)
    return seed
  }

  const parts: CryptoParts = {
    symmetric: hostSymmetric(),
    nip04: createNip04(hostBlocks()),
    conversations: (limit, preparedBytes) => createConversationSlab(limit, preparedBytes, tableSeed),
  }
  return cryptoOfParts(backend, parts, options)
}
