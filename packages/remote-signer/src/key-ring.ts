/**
 * The remote-signer keys that are loaded, by pubkey.
 * Never keeps secret bytes: they are handed to the crypto port and wiped; a fixed key stays its owner's.
 */

import { type Crypto, type KeyHandle, type Pubkey, type RandomBytes, UsageError } from '@nip46/core'

export interface KeyRing {
  get(pubkey: string): KeyHandle | undefined
  /** Takes over 32 secret bytes and wipes them. Throws `UsageError` if they are no secret key. */
  add(secret: Uint8Array): KeyHandle
  /** A fresh key, loaded, and its secret bytes: store and wipe them. */
  create(): { readonly key: KeyHandle; readonly secret: Uint8Array }
  /** Destroys the handle. */
  remove(pubkey: Pubkey): void
  /** Destroys every handle that the ring made. */
  clear(): void
  readonly pubkeys: IterableIterator<Pubkey>
  readonly size: number
}

/** Draws before the random source is called broken: a good one fails the first with odds of 2^-127. */
const DRAWS = 8

export function createKeyRing(crypto: Crypto, random: RandomBytes, fixed: KeyHandle | undefined): KeyRing {
  const keys = new Map<string, KeyHandle>()
  if (fixed !== undefined) keys.set(fixed.pubkey, fixed)

  const add = (secret: Uint8Array): KeyHandle => {
    try {
      const key = crypto.importKey(secret)
      const known = keys.get(key.pubkey)
      if (known !== undefined) {
        key.destroy()
        return known
      }
      keys.set(key.pubkey, key)
      return key
    } finally {
      secret.fill(0)
    }
  }

  return {
    get: (pubkey) => keys.get(pubkey),
    add,
    create() {
      for (let i = 0; ; i++) {
        const secret = random(32)
        try {
          const key = crypto.importKey(secret)
          keys.set(key.pubkey, key)
          return { key, secret }
        } catch (cause) {
          secret.fill(0)
          if (!(cause instanceof UsageError) || i === DRAWS) throw cause
        }
      }
    },
    remove(pubkey) {
      if (pubkey === fixed?.pubkey) return
      keys.get(pubkey)?.destroy()
      keys.delete(pubkey)
    },
    clear() {
      for (const key of keys.values()) if (key !== fixed) key.destroy()
      keys.clear()
    },
    get pubkeys() {
      return keys.keys() as IterableIterator<Pubkey>
    },
    get size() {
      return keys.size
    },
  }
}
