/**
 * `@nip46/client/snort`: a session as an `EventSigner` of `@snort/system`.
 * Knows snort's shapes only; never loads it.
 */

import type { BunkerSession, NostrEvent } from './bunker-session.ts'

/** Fits `EventSigner` of `@snort/system` 2. The text comes before the other party's pubkey. */
export interface SnortSigner {
  /** Resolves at once: a session is ready. */
  readonly init: () => Promise<void>
  readonly getPubKey: () => Promise<string>
  readonly nip4Encrypt: (content: string, key: string) => Promise<string>
  readonly nip4Decrypt: (content: string, otherKey: string) => Promise<string>
  readonly nip44Encrypt: (content: string, key: string) => Promise<string>
  readonly nip44Decrypt: (content: string, otherKey: string) => Promise<string>
  /** An `id` or `sig` that the event has already is not looked at; its `pubkey` must be the user's. */
  readonly sign: (event: Omit<NostrEvent, 'sig'>) => Promise<NostrEvent>
  readonly supports: string[]
}

/**
 * The session as snort's signer. Promises reject as the session's do.
 *
 * @example
 * const signer: EventSigner = snortSigner(session)
 */
export function snortSigner(
  session: Pick<BunkerSession, 'getPublicKey' | 'signEvent' | 'nip04' | 'nip44'>,
): SnortSigner {
  const { nip04, nip44 } = session
  return Object.freeze({
    init: () => Promise.resolve(),
    getPubKey: () => session.getPublicKey(),
    nip4Encrypt: (content: string, key: string) => nip04.encrypt(key, content),
    nip4Decrypt: (content: string, otherKey: string) => nip04.decrypt(otherKey, content),
    nip44Encrypt: (content: string, key: string) => nip44.encrypt(key, content),
    nip44Decrypt: (content: string, otherKey: string) => nip44.decrypt(otherKey, content),
    sign: (event: Omit<NostrEvent, 'sig'>) => session.signEvent(event),
    get supports() {
      return ['nip04', 'nip44']
    },
  })
}
