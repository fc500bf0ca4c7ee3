/**
 * A session as the host sees it: the shape of NIP-07 and of other libraries' signers, and what only NIP-46 has.
 * Only types.
 */

import type { Method, MethodResults, Pubkey, RelayUrl, UserRelays } from '@nip46/core'
import type { ClientPhase } from '@nip46/core/client'
import type { CallOptions } from './calls.ts'
import type { SavedSession } from './saved-session.ts'
import type { SessionEvent } from './session-event.ts'

/** What to sign. `created_at` is now and `tags` is `[]` where missing; a `pubkey` must be the user's. */
export interface SignTemplate {
  readonly kind: number
  readonly content: string
  readonly tags?: readonly (readonly string[])[]
  /** Unix time in seconds. */
  readonly created_at?: number
  readonly pubkey?: string
}

/** A signed event (NIP-01), yours to change. */
export interface NostrEvent {
  kind: number
  content: string
  tags: string[][]
  created_at: number
  pubkey: string
  id: string
  sig: string
}

/** One scheme: NIP-44, or NIP-04. The remote signer does the work with the user's key. */
export interface Encryption {
  /** `peer` is the other party's pubkey, 64 hex characters. */
  readonly encrypt: (peer: string, plaintext: string, options?: CallOptions) => Promise<string>
  readonly decrypt: (peer: string, ciphertext: string, options?: CallOptions) => Promise<string>
}

/** What a session can be asked to send; how a connection begins and ends is its own business. */
export type RequestMethod = Exclude<Method, 'connect' | 'logout' | 'disconnect'>

/**
 * One connection to a remote signer. All methods are bound: `const { signEvent } = session` works.
 *
 * Every promise settles: with a result that was checked, or with a `Nip46Error` whose `code` says why. Requests made
 * while no relay is reachable wait for one until their time-out.
 */
export interface BunkerSession {
  /** The user, as the remote signer named it when this connection was made. Pinned for good. */
  readonly userPubkey: Pubkey
  readonly remoteSigner: Pubkey
  readonly clientPubkey: Pubkey
  /** Used now; `switch_relays` can change them. */
  readonly relays: readonly RelayUrl[]
  readonly state: ClientPhase

  /** {@link BunkerSession.userPubkey}, without asking anybody. */
  readonly getPublicKey: () => Promise<string>
  /**
   * Resolves only with the event that was asked for: same kind, content, tags and created_at, by the user, with a
   * correct id and signature. `E` lets libraries that brand verified events take it as one of theirs.
   */
  readonly signEvent: <E extends NostrEvent = NostrEvent>(
    template: SignTemplate,
    options?: CallOptions,
  ) => Promise<E>
  readonly nip04: Encryption
  readonly nip44: Encryption
  /** The same four under the names that other libraries' signers give them. */
  readonly nip04Encrypt: Encryption['encrypt']
  readonly nip04Decrypt: Encryption['decrypt']
  readonly nip44Encrypt: Encryption['encrypt']
  readonly nip44Decrypt: Encryption['decrypt']
  readonly ping: (options?: CallOptions) => Promise<'pong'>
  /** The user's relays, where the remote signer still knows `get_relays` (texts until 2025-02). */
  readonly getRelays: (options?: CallOptions) => Promise<UserRelays>
  /**
   * Asks where the remote signer wants to be reached, and moves there: the old relays are left only after a round trip
   * over the new ones. Null: no change. The session also asks by itself when it starts, and once a day.
   */
  readonly switchRelays: (options?: CallOptions) => Promise<readonly RelayUrl[] | null>
  /** The methods the remote signer knows. An error does not mean that it knows none. */
  readonly describe: (options?: CallOptions) => Promise<readonly string[]>
  /** Any other request, its result checked like those above: for what only older remote signers know. */
  readonly request: <M extends RequestMethod>(
    method: M,
    params: readonly string[],
    options?: CallOptions,
  ) => Promise<MethodResults[M]>

  /**
   * Tells what happens from here on, as the option `onEvent` does; what it returns ends that. At most `EVENT_LISTENERS` at a
   * time. `readEvents` reads the same with `for await`.
   */
  readonly listen: (onEvent: (event: SessionEvent) => void) => () => void

  /**
   * Ends the connection on both sides and wipes the client key, after at most 3 seconds, whether or not the remote
   * signer answers. Never rejects. Forget the saved session then.
   */
  readonly logout: () => Promise<void>
  /** Ends it here only: requests in flight reject with `closed`. A saved session can be resumed later. */
  readonly close: () => void
  /** What `resume` needs; see also the option `store`. Throws `Nip46Error` (`closed`, `logged-out`) once the session has ended. */
  readonly save: () => SavedSession
}
