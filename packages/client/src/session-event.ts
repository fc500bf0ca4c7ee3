/**
 * What a session tells its host while it lives: for progress lines, logs and counters.
 * Never a question, and never needed for the session to work; never holds a secret, a key or a plaintext.
 */

import type { OpenProblem, Pubkey, RelayUrl, RequestId } from '@nip46/core'
import type { ClientAlert, ClientIgnored } from '@nip46/core/client'
import type { ErrorCode } from './error.ts'

/** What `onEvent`, `session.listen` and `readEvents` tell, from the login on. Holds no secret and no plaintext. */
export type SessionEvent =
  /** The remote signer took the connection. */
  | { readonly type: 'connected'; readonly remoteSigner: Pubkey }
  /** The user is known: the session can be used. */
  | { readonly type: 'ready'; readonly userPubkey: Pubkey }
  /** A relay delivers, or no longer does (`reason` then says why, in its words or the transport's). */
  | { readonly type: 'relay'; readonly relay: RelayUrl; readonly live: boolean; readonly reason?: string }
  /** A relay did not take a request; the others may have. */
  | { readonly type: 'refused'; readonly relay: RelayUrl; readonly reason: string }
  /** The session moved to these relays: save it again. */
  | { readonly type: 'relays'; readonly relays: readonly RelayUrl[] }
  /** How far a request is. */
  | ({ readonly type: 'request'; readonly id: RequestId; readonly method: string } & RequestStage)
  /** Worth showing to the user or writing to a log. */
  | { readonly type: 'alert'; readonly code: ClientAlert | 'store/failed' }
  /** Something came in that was not believed, and changed nothing. */
  | { readonly type: 'ignored'; readonly code: ClientIgnored | OpenProblem }
  /**
   * The remote signer no longer knows this client: requests reject with `session/unpaired` from here on. Pair again, then
   * `logout()` this one, which wipes its key.
   */
  | { readonly type: 'unpaired' }
  /** Nothing more comes. `logged-out`: forget the saved session; the key is wiped. */
  | { readonly type: 'ended'; readonly reason: 'logged-out' | 'closed' }

/**
 * `queued` and `settled` are told of your own requests, the others also of those that the login makes by itself
 * (`connect`, `get_public_key`, `switch_relays`, `ping`, `logout`). `sent` comes again when a request is sent again.
 */
export type RequestStage =
  | { readonly stage: 'queued' }
  | { readonly stage: 'sent'; readonly relays: readonly RelayUrl[] }
  /** This relay took it: the remote signer can have it. */
  | { readonly stage: 'accepted'; readonly relay: RelayUrl }
  /** Taken and not answered for `WAITING_AFTER_MS`: likely a person is being asked. */
  | { readonly stage: 'waiting' }
  /** The remote signer wants its page opened; see `onAuthUrl`. */
  | { readonly stage: 'auth-url' }
  /** With the code of the error, if it was one. */
  | { readonly stage: 'settled'; readonly code?: ErrorCode }

/** A page that the remote signer wants the user to visit before it answers (NIP-46, auth challenges). */
export interface AuthUrl {
  /** `https:` (`http:` to this machine with `allowLoopbackAuthUrl`); no credentials; at most `limits.AUTH_URL_CHARS`. */
  readonly url: string
  /** Show this to the user before the page is opened. */
  readonly origin: string
  /** The request that waits for it. */
  readonly requestId: RequestId
}
