/**
 * `@nip46/client/welshman`: a session as an `ISigner` of `@welshman/signer`.
 * Knows welshman's shapes only; never loads it.
 */

import type { AbortSignalLike } from '@nip46/core'
import type { BunkerSession, NostrEvent } from './bunker-session.ts'

/** What welshman calls a stamped event. A `pubkey`, which its later shapes have, must be the user's. */
export interface WelshmanTemplate {
  readonly kind: number
  readonly content: string
  readonly tags: string[][]
  /** Unix time in seconds. */
  readonly created_at: number
  readonly pubkey?: string
}

/** One scheme. `pubkey` is the other party's, 64 hex characters. */
export interface WelshmanEncryption {
  readonly encrypt: (pubkey: string, message: string) => Promise<string>
  readonly decrypt: (pubkey: string, message: string) => Promise<string>
}

/** Fits `ISigner` of `@welshman/signer` 0.8. */
export interface WelshmanSigner {
  readonly getPubkey: () => Promise<string>
  readonly sign: (event: WelshmanTemplate, options?: { signal?: AbortSignalLike }) => Promise<NostrEvent>
  readonly nip04: WelshmanEncryption
  readonly nip44: WelshmanEncryption
  /** Closes the session on this side, as `BunkerSession.close` does. */
  readonly cleanup: () => Promise<void>
}

/**
 * The session as welshman's signer. Promises reject as the session's do.
 *
 * @example
 * const signer: ISigner = welshmanSigner(session)
 */
export function welshmanSigner(
  session: Pick<BunkerSession, 'getPublicKey' | 'signEvent' | 'nip04' | 'nip44' | 'close'>,
): WelshmanSigner {
  return Object.freeze({
    getPubkey: () => session.getPublicKey(),
    sign: (event: WelshmanTemplate, { signal }: { signal?: AbortSignalLike } = {}) =>
      session.signEvent(event, signal === undefined ? {} : { signal }),
    nip04: encryptionOf(session.nip04),
    nip44: encryptionOf(session.nip44),
    async cleanup() {
      session.close()
    },
  })
}

/** Without the third argument, which only the session's own methods have. */
function encryptionOf({ encrypt, decrypt }: BunkerSession['nip44']): WelshmanEncryption {
  return Object.freeze({
    encrypt: (pubkey: string, message: string) => encrypt(pubkey, message),
    decrypt: (pubkey: string, message: string) => decrypt(pubkey, message),
  })
}
