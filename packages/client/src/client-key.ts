/**
 * The client's key: a handle to work with, and the bytes that a saved session needs.
 * Never the user's key; never readable after `destroy()`.
 */

import { bytesToHex, type Crypto, type KeyHandle, type RandomBytes, UsageError } from '@nip46/core'

export interface ClientKey {
  readonly handle: KeyHandle
  /** The secret as 64 hex characters. Throws `UsageError` after {@link ClientKey.destroy}. */
  exportHex(): string
  /** Overwrites the secret, here and behind the handle. */
  destroy(): void
  readonly destroyed: boolean
}

/** A key from 32 secret bytes (copied; wipe your own), or a fresh one. Throws `UsageError` if they are no secret key. */
export function createClientKey(
  crypto: Crypto,
  random: RandomBytes,
  given: Uint8Array | undefined,
): ClientKey {
  if (given !== undefined && !(given instanceof Uint8Array && given.length === 32)) {
    throw new UsageError('clientKey is a secret key of 32 bytes')
  }
  const secret = new Uint8Array(given ?? random(32))
  const handle = crypto.importKey(secret)
  let destroyed = false
  return {
    handle,
    exportHex() {
      if (destroyed) throw new UsageError('the client key is gone: save the session before it ends')
      return bytesToHex(secret)
    },
    destroy() {
      if (destroyed) return
      destroyed = true
      secret.fill(0)
      handle.destroy()
    },
    get destroyed() {
      return destroyed
    },
  }
}

/** Runs what may throw while nobody else holds the key yet, and does not leave it behind then. */
export function guardKey<T>(key: ClientKey, run: () => T): T {
  try {
    return run()
  } catch (error) {
    key.destroy()
    throw error
  }
}
