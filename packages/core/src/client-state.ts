/**
 * What a client session is made of: its state, inputs, outputs and wants, and how they are read.
 * Never changes a session; the modules beside it do, each its own part.
 */

import type { Failure } from './failure.ts'
import type { Json } from './message.ts'
import type { RelayRefusal } from './port.ts'
import type { ClientProfile } from './profile.ts'
import type { Millis, Pubkey, RelayUrl, RequestId, Result, Scheme, Seconds } from './value.ts'

/** How far a session of a client is. */
export type ClientPhase =
  /** A nostrconnect:// offer is on show. */
  | 'awaiting-signer'
  | 'connecting'
  /** Connected; asking which relays to use. */
  | 'switching'
  /** Connected; asking who the user is. */
  | 'identifying'
  | 'ready'
  /** The remote signer no longer knows this client. Nothing but a new pairing helps. */
  | 'unpaired'
  | 'logging-out'
  | 'closed'

/** JSON. Holds the token's secret until it is spent and the text of requests in flight, so keep it to yourself; never holds a key. */
export interface ClientState {
  readonly v: 1
  /** When the latest step was. */
  readonly now: Millis
  readonly phase: ClientPhase
  readonly profile: ClientProfile
  readonly clientPubkey: Pubkey
  readonly remoteSigner: Pubkey | null
  /** Pinned once known: another answer later is `session/identity-changed`. */
  readonly userPubkey: Pubkey | null
  readonly secret: string | null
  /** An auth_url may lead to this machine in plain `http:`, for development. The host sets it; false at the start. */
  readonly allowLoopbackAuth: boolean
  /** Those of the session, as the remote signer named them last and a round trip proved them. */
  readonly relays: readonly RelayUrl[]
  /** Those of the token: tried again when all others stay dead. */
  readonly originRelays: readonly RelayUrl[]
  /** Listened and sent to now: `relays`, and others during a move or a long outage. */
  readonly listen: readonly RelayUrl[]
  /** Those of `listen` with a live subscription. */
  readonly live: readonly RelayUrl[]
  readonly downSince: Millis | null
  /** When `relays` were proven, while the ones before them are still listened to. */
  readonly provenAt: Millis | null
  /** What is stored at relays is asked for from then on. */
  readonly since: Seconds
  /** When an offer lapses, or a login goes on without an answer to switch_relays. */
  readonly deadline: Millis | null
  readonly pending: { readonly [id: RequestId]: PendingRequest }
  /** Youngest last. */
  readonly settled: readonly RequestId[]
  /** When the relays were asked for; 0: never. */
  readonly lastSwitchAt: Millis
  /** After a nostrconnect:// offer was taken: until when a second signer with the secret is watched for. */
  readonly guardUntil: Millis | null
  readonly skewAlertAt: Millis
  /** Connect was refused after it had gone out twice: who the user is tells whether the first one let us in. */
  readonly refusal: Failure | null
  /** Why requests are refused from here on. */
  readonly end: Failure | null
  /** Names the machine's own requests, with their number: no other session has it. */
  readonly seed: string
  readonly asked: number
}

/** A request that has no answer yet. */
export interface PendingRequest {
  readonly method: string
  /** As it goes out, each time. */
  readonly text: string
  /** The machine's own; the caller's otherwise. */
  readonly own: boolean
  readonly queuedAt: Millis
  readonly expiresAt: Millis
  readonly sends: number
  /** When to send it, or one more copy; it waits for a live relay and a caller's for the login too. */
  readonly sendAt: Millis | null
  /** A relay said OK. */
  readonly accepted: boolean
  /** Every relay was lost since it was sent: its answer may have been too. */
  readonly outage: boolean
  readonly authUrls: readonly string[]
  /** The new relays that this round trip is to prove; null for all other requests, which go to all relays. */
  readonly proves: readonly RelayUrl[] | null
}

export type ClientInput =
  | {
      readonly type: 'request'
      readonly id: RequestId
      readonly method: string
      readonly params: readonly string[]
      readonly timeoutMs?: number | undefined
    }
  | { readonly type: 'cancel'; readonly id: RequestId }
  /** An opened carrier: authentic, decrypted, its author known. */
  | {
      readonly type: 'message'
      readonly from: Pubkey
      readonly scheme: Scheme
      readonly createdAt: Seconds
      readonly text: string
    }
  | { readonly type: 'live'; readonly relay: RelayUrl }
  | { readonly type: 'down'; readonly relay: RelayUrl }
  /** What the relays said of one `send`. */
  | {
      readonly type: 'published'
      readonly id: RequestId
      readonly outcome: Result<{ readonly relay: RelayUrl }, readonly RelayRefusal[]>
    }
  | { readonly type: 'logout' }
  | { readonly type: 'close' }
  | { readonly type: 'wake' }

/** Why something a relay or a peer sent was dropped. */
export type ClientIgnored =
  | 'event/author'
  | 'event/too-large'
  | 'transport/scheme'
  | 'response/json'
  | 'response/unknown-id'
  | 'response/late'
  | 'connect/secret'
  | 'request/unexpected'
  | 'auth/too-many'
  | 'auth/repeated'
  /** A page for a request that nobody has to approve. */
  | 'auth/unexpected'
  | 'session/closed'

/** What the owner of a session should hear though it goes on. */
export type ClientAlert =
  /** A second remote signer answered the offer with its secret. */
  | 'connect/two-signers'
  /** Every relay says that nobody listens. */
  | 'signer/offline'
  /** Our clock and the remote signer's differ by more than two minutes: it may drop our requests as stale. */
  | 'clock/skew'
  | 'relays/switch-failed'
  | 'relays/refused'
  | 'session/identity-changed'

export type ClientOutput =
  | {
      readonly type: 'send'
      readonly id: RequestId
      readonly to: Pubkey
      readonly relays: readonly RelayUrl[]
      readonly scheme: Scheme
      readonly text: string
      /** Answers to a connect request are not reported as `published`. */
      readonly kind: 'request' | 'response'
    }
  /** Once for each request of the caller: the raw result, for `acceptResult`, or a failure. */
  | { readonly type: 'settle'; readonly id: RequestId; readonly outcome: Result<Json, Failure> }
  /** Show this to the user. Never open it unasked. */
  | { readonly type: 'auth-url'; readonly id: RequestId; readonly url: string; readonly origin: string }
  | { readonly type: 'connected'; readonly remoteSigner: Pubkey }
  | { readonly type: 'ready'; readonly userPubkey: Pubkey }
  /** The remote signer no longer knows this client: pair again. Requests fail from here on. */
  | { readonly type: 'unpaired' }
  /** `logged-out`: wipe the key and forget the session. Anything but that and `closed`: the session could not be made. */
  | { readonly type: 'ended'; readonly failure: Failure }
  | { readonly type: 'relays'; readonly relays: readonly RelayUrl[] }
  | { readonly type: 'alert'; readonly code: ClientAlert }
  | { readonly type: 'ignored'; readonly code: ClientIgnored }

/** The next state, and what the host is to do or tell, in this order. */
export interface ClientStep {
  readonly state: ClientState
  readonly outputs: readonly ClientOutput[]
}

/** What the host is to keep up for a state: a timer and a subscription. */
export interface ClientWants {
  /** Feed `{ type: 'wake' }` at or after this time. */
  readonly wakeAt?: Millis
  /** Keep a kind 24133 subscription open. `from` is absent while anybody may still answer. */
  readonly listen?: {
    readonly relays: readonly RelayUrl[]
    readonly to: Pubkey
    readonly from?: Pubkey
    readonly since: Seconds
  }
}

/** A state that nobody else has seen yet. What its members hold is replaced, never changed, but by who has made it. */
export type Draft = { -readonly [Member in keyof ClientState]: ClientState[Member] }

/** One step: its own copy of the state, to be changed in place, and what comes of it. */
export interface Work extends Draft {
  readonly outputs: ClientOutput[]
  /** The requests before the step. */
  readonly before: ClientState['pending']
}

export const CLOSED: Failure = { code: 'closed', message: 'the session was closed' }
export const LOGGED_OUT: Failure = { code: 'logged-out', message: 'the session was ended' }

export function ignore({ outputs }: Work, code: ClientIgnored): void {
  outputs.push({ type: 'ignored', code })
}

export function alert({ outputs }: Work, code: ClientAlert): void {
  outputs.push({ type: 'alert', code })
}

/** By its id, which may be `constructor`. */
export function pendingOf({ pending }: ClientState, id: RequestId): PendingRequest | undefined {
  return Object.hasOwn(pending, id) ? pending[id] : undefined
}

/** Nothing is sent or listened to any more. */
export function isOver({ phase }: ClientState): boolean {
  return phase === 'closed' || phase === 'unpaired'
}
