/**
 * What a client session is made of: its state, inputs, outputs and wants, and how they are read.
 * Never changes a session; the modules beside it do, each its own part.
 */

import type { Failure } from './failure.ts'
import type { Json } from './message.ts'
import type { ClientMetadata } from './metadata.ts'
import type { RelayRefusal } from './port.ts'
import type { ClientProfile } from './profile.ts'
import type { Millis, Pubkey, RelayUrl, RequestId, Result, Scheme, Seconds } from './value.ts'

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

/** JSON. Holds the token's secret until it is spent and params of requests in flight, so keep it to yourself; never holds a key. */
export interface ClientState {
  readonly v: 1
  readonly phase: ClientPhase
  readonly flow: 'bunker' | 'nostrconnect' | 'resumed'
  readonly profile: ClientProfile
  readonly clientPubkey: Pubkey
  readonly remoteSigner: Pubkey | null
  /** Pinned once known: another answer later is `session/identity-changed`. */
  readonly userPubkey: Pubkey | null
  readonly secret: string | null
  /** Text of the perms asked for. */
  readonly perms: string
  readonly metadata: ClientMetadata | null
  /** An auth_url may lead to this machine in plain `http:`, for development. The host sets it; false at the start. */
  readonly allowLoopbackAuth: boolean
  readonly relays: readonly RelayUrl[]
  /** Those of the token: tried again when all others stay dead. */
  readonly originRelays: readonly RelayUrl[]
  /** Relays with a live subscription now. */
  readonly live: readonly RelayUrl[]
  readonly downSince: Millis | null
  /** Listening on the token's relays too, since the others stayed dead. */
  readonly fellBack: boolean
  readonly startedAt: Millis
  /** Greatest `created_at` heard from the remote signer, in seconds. */
  readonly lastSeen: Seconds | null
  /** When the present phase gives up; null when it does not. */
  readonly deadline: Millis | null
  readonly pending: { readonly [id: RequestId]: PendingRequest }
  /** Youngest last. */
  readonly settled: readonly RequestId[]
  readonly relaySwitch: RelaySwitch | null
  readonly lastSwitchAt: Millis | null
  /** After a nostrconnect:// offer was taken: until when a second signer with the secret is watched for. */
  readonly guardUntil: Millis | null
  readonly skewAlertAt: Millis | null
  /** Connect was refused after it had gone out twice: who the user is tells whether the first one let us in. */
  readonly refusal: Failure | null
  /** Random ids for the machine's own requests. */
  readonly ids: readonly RequestId[]
}

/** A request that has no answer yet. */
export interface PendingRequest {
  readonly method: string
  readonly params: readonly string[]
  readonly origin: 'caller' | 'machine'
  readonly queuedAt: Millis
  readonly expiresAt: Millis
  readonly sends: number
  readonly sentAt: Millis | null
  readonly sentOn: readonly RelayUrl[]
  /** A relay said OK. */
  readonly accepted: boolean
  /** Every relay was lost since it was sent: its answer may have been too. */
  readonly outage: boolean
  readonly resendAt: Millis | null
  readonly authUrls: readonly string[]
  /** Where to send; null for all. */
  readonly only: readonly RelayUrl[] | null
}

/** A move to other relays that is under way (`switch_relays`). */
export interface RelaySwitch {
  readonly target: readonly RelayUrl[]
  readonly old: readonly RelayUrl[]
  readonly startedAt: Millis
  /** The round trip that proves the new relays. */
  readonly pingId: RequestId | null
  /** When the old relays go; null until the new ones are proven. */
  readonly closeAt: Millis | null
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
  | { readonly type: 'ids'; readonly ids: readonly RequestId[] }
  /** Ask for the relays again; the machine does so by itself after connecting. */
  | { readonly type: 'switch-relays' }
  | { readonly type: 'logout' }
  | { readonly type: 'close' }
  | { readonly type: 'wake' }

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
  /** The session could not be made. */
  | { readonly type: 'failed'; readonly failure: Failure }
  /** `logged-out`: wipe the key and forget the session. */
  | { readonly type: 'ended'; readonly reason: 'logged-out' | 'closed' }
  | { readonly type: 'relays'; readonly relays: readonly RelayUrl[] }
  | { readonly type: 'alert'; readonly code: ClientAlert }
  | { readonly type: 'ignored'; readonly code: ClientIgnored }

/** The next state, and what the host is to do or tell, in this order. */
export interface ClientStep {
  readonly state: ClientState
  readonly outputs: readonly ClientOutput[]
}

/** What the host is to keep up for a state: a timer, a subscription, a stock of ids. */
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
  /** Feed this many fresh random ids. */
  readonly ids?: number
}

/** One step: its own copy of the state, to be changed in place, and what comes of it. */
export interface Work {
  readonly state: Draft
  readonly outputs: ClientOutput[]
  readonly now: Millis
}

/** A state that nobody else has seen yet. What its members hold is replaced, never changed. */
export type Draft = { -readonly [Member in keyof ClientState]: ClientState[Member] }

export const CLOSED: Failure = { code: 'closed', message: 'the session was closed' }
export const LOGGED_OUT: Failure = { code: 'logged-out', message: 'the session was ended' }
export const UNPAIRED: Failure = {
  code: 'session/unpaired',
  message: 'the remote signer no longer knows this app: pair again',
}

export function ignore({ outputs }: Work, code: ClientIgnored): void {
  outputs.push({ type: 'ignored', code })
}

/** Nothing is sent or listened to any more. */
export function isOver({ phase }: ClientState): boolean {
  return phase === 'closed' || phase === 'unpaired'
}

export function pendingOf(state: ClientState, id: RequestId): PendingRequest | undefined {
  return Object.hasOwn(state.pending, id) ? state.pending[id] : undefined
}

/** Whether a request is pending, or was. */
export function isKnown(state: ClientState, id: RequestId): boolean {
  return Object.hasOwn(state.pending, id) || state.settled.includes(id)
}

/** Whether a request of the machine's own is under way. */
export function isAsked(state: ClientState, method: string): boolean {
  return Object.values(state.pending).some(
    (pending) => pending.method === method && pending.origin === 'machine',
  )
}

/** Of the machine's own requests a person may have to approve these two, and login waits for them. */
export function gatesLogin({ method, origin }: PendingRequest): boolean {
  return origin === 'machine' && (method === 'connect' || method === 'get_public_key')
}

export function listenRelays({
  relaySwitch,
  relays,
  originRelays,
  fellBack,
}: ClientState): readonly RelayUrl[] {
  if (relaySwitch !== null) return union(relaySwitch.old, relaySwitch.target)
  return fellBack ? union(relays, originRelays) : relays
}

export function union(a: readonly RelayUrl[], b: readonly RelayUrl[]): readonly RelayUrl[] {
  return [...new Set([...a, ...b])]
}
