/**
 * What a remote signer is made of.
 * Only types: importing this file costs nothing and runs nothing.
 */

import type {
  Approver,
  Clock,
  Crypto,
  Era,
  JsonValue,
  Judge,
  KeyHandle,
  Millis,
  Permission,
  Pubkey,
  RandomBytes,
  RelayUrl,
  RelayUrlOptions,
  Scheme,
  Seconds,
  Transport,
  UserRelays,
  UserSigner,
} from '@nip46/core'
import type { SignerStore } from '@nip46/core/remote-signer'
import type { RemoteSignerEvent } from './signer-event.ts'

/** What a remote signer is made of. */
export interface RemoteSignerOptions {
  readonly crypto: Crypto
  /** Stays the caller's: `close()` leaves it open. */
  readonly transport: Transport
  /** The user's key, or how to find the one of a user. Undefined: that user is not here. */
  readonly userSigner: UserSigner | ((userPubkey: Pubkey) => UserSigner | undefined)
  /** Asked about everything that was not granted in advance. */
  readonly approver: Approver
  /**
   * A policy that decides instead of the grants: what it allows is done, what it denies is answered with its error, and only
   * the rest reaches the approver. What it throws denies, and is told as `helper-failed`.
   */
  readonly judge?: Judge
  /** Our relays: named in bunker:// URIs, and listened on. At least one, at most `limits.URI_RELAYS_OUT` of core. */
  readonly relays: readonly RelayUrl[]
  /** Where state is kept. Default {@link memoryStore}: everything is forgotten with the process. */
  readonly store?: SignerStore
  /**
   * `per-connection` (default): a fresh remote-signer key for each offer and each acceptance, so that no relay can tell which
   * clients belong together; its secret goes to the store. Or one key of the caller's for all; it is never destroyed here.
   */
  readonly keys?: 'per-connection' | KeyHandle
  /** Fresh secure bytes. Default: the host's. */
  readonly random?: RandomBytes
  /** Default: the host's. */
  readonly clock?: Clock
  /** Relays that clients are told to move to when they ask (`switch_relays`). Default none: they stay where they are. */
  readonly switchRelays?: readonly RelayUrl[]
  /** Answered to `get_relays`. Without it the method is unknown. */
  readonly userRelays?: UserRelays
  /** DANGER: answer `nip44_get_key`, asking each time. Default false. */
  readonly nip44GetKey?: boolean
  /** Ask about clients that send requests without `connect` (2024-02 text), if a token without a secret is out. Default false. */
  readonly implicitConnect?: boolean
  /** Take connections encrypted with NIP-04, each for good. Default true; false drops them as `transport/nip04`. */
  readonly acceptNip04?: boolean
  /** How relay URLs of nostrconnect:// URIs are read. */
  readonly relayUrls?: RelayUrlOptions
  /** How long a decision may take, in milliseconds. Default 60,000; at least 300,000 once the client was sent to a page. */
  readonly decisionTimeoutMs?: number
  /** How long the user's key may take, in milliseconds. Default `limits.OPERATION_TIMEOUT_MS`. */
  readonly operationTimeoutMs?: number
  /**
   * How much one session may ask for; what is over it is answered `rate-limited:` with when to retry. Counted by each process on a
   * store for itself, since its start. Default `limits.SESSION_RATES`.
   */
  readonly rates?: Partial<SessionRates>
  readonly onEvent?: (event: RemoteSignerEvent) => void
  /**
   * Called with each message of a session that came as it was sent, not as one that a relay had kept: whose it is, and the time it
   * says it was made. Many that are far from our time mean that ours is wrong. What it throws is told as `helper-failed`.
   */
  readonly onHeard?: (clientPubkey: Pubkey, createdAt: Seconds) => void
}

/** How much one session may ask for, by what it costs. */
export interface SessionRates {
  /** `sign_event`. */
  readonly sign: Rate
  /** Everything of NIP-04 and NIP-44, both ways. */
  readonly cipher: Rate
  readonly other: Rate
}

/** `burst` at once, and so many a second after that; both above 0. */
export interface Rate {
  readonly perSecond: number
  readonly burst: number
}

/** What the client that uses a token gets. All may be left out. */
export interface OfferOptions {
  /** Whose key the client gets to use. Needed if `userSigner` is a look-up. */
  readonly user?: Pubkey
  /**
   * What needs no question. Default nothing. `sign_event` without a kind covers all kinds but those that carry authority. With a judge it
   * counts as far as the judge lets it: that of `@nip46/policy` only where the policy says nothing.
   */
  readonly granted?: readonly Permission[]
  /** The policy its session begins with, as the judge reads it. Default null. */
  readonly policy?: JsonValue
  /** `secret` (default): whoever has the URI is connected. `ask`: the approver decides on each connection. */
  readonly approval?: 'secret' | 'ask'
  /** Default `limits.OFFER_MS`. */
  readonly expiresInMs?: number
  /** A URI without a secret, for clients of before 2024: anybody who knows the key can ask, and the approver decides. */
  readonly withoutSecret?: boolean
}

/** A token that was made: hand out the URI, keep the name. */
export interface MadeOffer {
  /** `bunker://…`: a secret until it is used. */
  readonly uri: string
  /** Names the offer, to withdraw it. Not the secret. */
  readonly token: string
  readonly remoteSigner: Pubkey
}

/** What a client that is accepted gets. */
export interface AcceptOptions {
  /** Whose key the client gets to use. Needed if `userSigner` is a look-up. */
  readonly user?: Pubkey
  /** As in {@link OfferOptions.granted}, whatever the URI asks for. */
  readonly granted?: readonly Permission[]
  /** The policy it begins with, as the judge reads it, unless the approver's verdict names one. Default null. */
  readonly policy?: JsonValue
  /** A person said yes already: the approver is not asked. */
  readonly approved?: boolean
  /** Default NIP-44. A client of before 2024-11 waits for NIP-04. */
  readonly scheme?: Scheme
  /** The dialect of the client. Eras before `C` may come without a secret. Default from the scheme. */
  readonly era?: Era
}

/** A token that is out. */
export interface OfferInfo {
  readonly token: string
  readonly remoteSigner: Pubkey
  readonly user: Pubkey
  readonly granted: readonly Permission[]
  readonly policy: JsonValue
  readonly approval: 'secret' | 'ask'
  readonly createdAt: Millis
  readonly expiresAt: Millis
  /** The client that used it. */
  readonly usedBy: Pubkey | null
  readonly withdrawn: boolean
}
