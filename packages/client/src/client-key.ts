/**
 * The client's key: a handle to work with, and the bytes that a saved session needs.
 * Never the user's key; never readable after `destroy()`.
 */

import { bytesToHex, hexToBytes, type KeyHandle, UsageError } from '@nip46/core'
import type { Ports } from './options.ts'

export interface ClientKey {
  readonly handle: KeyHandle
  /** The secret as 64 hex characters; zeros after {@link ClientKey.destroy}. */
  exportHex(): string
  /** Overwrites the secret, here and behind the handle. */
  destroy(): void
}

/** A key from 32 secret bytes (copied; wipe your own), or a fresh one. Throws `UsageError` if they are no secret key. */
export function createClientKey(
  { crypto, random }: Pick<Ports, 'crypto' | 'random'>,
  given: Uint8Array = random(32),
): ClientKey {
  // `slice` of a Buffer of Node shares its bytes.
  const secret = new Uint8Array(given)
  const handle = crypto.importKey(secret)
  return {
    handle,
    exportHex: () => bytesToHex(secret),
    destroy() {
      secret.fill(0)
      handle.destroy()
    },
  }
}

/** The key of 64 hex characters that somebody kept; undefined if they are no secret key. */
export function keyOfHex(hex: string, ports: Ports): ClientKey | undefined {
  const secret = hexToBytes(hex)
  try {
    return createClientKey(ports, secret)
  } catch (error) {
    if (error instanceof UsageError) return undefined
    throw error
  } finally {
    secret.fill(0)
  }
}
