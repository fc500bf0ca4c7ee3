/**
 * What a session of a remote signer is made of: its state, inputs, outputs and wants, and how they are read.
 * Never changes a session; the modules beside it do, each its own part.
 */

import type { Ledger } from './ledger.ts'
import { SESSION_RELAYS } from './limits.ts'
import type { ClientMetadata } from './metadata.ts'
import type { Operation, UserRelays } from './method.ts'
import type { Permission } from './permission.ts'
import type { JsonValue, Judge, Question, Verdict } from './port.ts'
import type { SignerProfile } from './profile.ts'
import type { Millis, Pubkey, RelayUrl, RequestId, Result, Scheme, Seconds } from './value.ts'

/** A decrypted request and the facts of its carrier. */
export interface Arrival {
  readonly from: Pubkey
  readonly to: Pubkey
  readonly eventId: string
  readonly createdAt: Seconds
  readonly scheme: Scheme
  readonly relay: RelayUrl
  readonly text: string
}

/** How far a session of a remote signer is. */
export type SignerPhase =
  /** Connect came, somebody decides. */
  | 'pairing'
  /** We answered a nostrconnect:// offer and have not heard the client yet. */
  | 'unconfirmed'
  | 'open'
  /** Logged out; the answer is still being delivered. */
  | 'ending'
  | 'revoked'

/** JSON. Holds answers (perhaps plaintexts), so keep it as you would a session cookie; never holds a key. */
export interface SignerSession {
  readonly v: 1
  readonly signerPubkey: Pubkey
  readonly clientPubkey: Pubkey
  readonly userPubkey: Pubkey
  readonly phase: SignerPhase
  /** Fixed at connect. A message in the other scheme is dropped by the envelope. */
  readonly scheme: Scheme
  readonly profile: SignerProfile
  /** The token it was paired with: see `tokenKey`. */
  readonly token: string | null
  /** What needs no question. */
  readonly granted: readonly Permission[]
  /** The judge's rules and counters for this session; null if it has none. */
  readonly policy: JsonValue | null
  /** What the client asked for: shown, never granted by itself. */
  readonly requested: readonly Permission[]
  readonly metadata: ClientMetadata | null
  readonly relays: readonly RelayUrl[]
  /** After a switch, the relays before it, while the client may still be there. */
  readonly previousRelays: readonly RelayUrl[]
  readonly previousUntil: Millis | null
  readonly pairedAt: Millis
  /** With `pairing`: when nobody has decided in time. */
  readonly decideBy: Millis | null
  /** With `pairing`: when an auth_url went out for it. A second one would make a deployed client fail the connection. */
  readonly pairingChallengedAt: Millis | null
  readonly expiresAt: Millis | null
  /** With `ending`: when the session goes even if no relay took the answer. */
  readonly endsAt: Millis | null
  /** With `ending`: the logout whose answer is being delivered. */
  readonly endingId: RequestId | null
  readonly announcement: Announcement | null
  readonly pending: { readonly [id: RequestId]: PendingOperation }
  /** Requests that came before the pairing was decided. */
  readonly held: readonly HeldRequest[]
  readonly ledger: Ledger
  readonly expiryAnsweredAt: Millis | null
}

/** Our answer to a nostrconnect:// offer, repeated until the client is heard. */
export interface Announcement {
  readonly id: RequestId
  readonly texts: readonly string[]
  readonly sends: number
  readonly nextAt: Millis | null
  readonly until: Millis
}

/** A request that waits for a decision or for the key. */
export interface PendingOperation {
  readonly operation: Operation
  readonly digest: string
  readonly waitingFor: 'decision' | 'key'
  readonly since: Millis
  readonly expiresAt: Millis
  readonly relays: readonly RelayUrl[]
  readonly native: boolean
  /** An auth_url went out. A second one would make a deployed client fail the request. */
  readonly challenged: boolean
  /** What to say if the decision is no. */
  readonly denial: string | null
  /** The judge's rule that allowed it; null if the grants or a person did, or nobody has yet. */
  readonly rule: string | null
  /** Who performs it, if there are several on one store. */
  readonly by?: string
}

export interface HeldRequest {
  readonly arrival: Arrival
  /** A connect among them is answered once the pairing is decided. */
  readonly connectId: RequestId | null
}

/** What the host knows and one session does not. */
export interface SignerContext {
  /** Relays the host listens on now and wants clients to move to; empty to leave them where they are. */
  readonly preferredRelays: readonly RelayUrl[]
  /** Answered to `get_relays`; without it the method is unknown. */
  readonly userRelays?: UserRelays
  /** Answer `nip44_get_key`, asking each time. Default false. */
  readonly nip44GetKey?: boolean
  /** Whether a key is, or ever was, the client key of a session here: no encryption or decryption with those. */
  readonly isClientPubkey: (pubkey: Pubkey) => boolean
  /** Decides instead of the grants. What it throws comes out of `step`. */
  readonly judge?: Judge
  /** Ask about a client that sends requests without having sent connect (2024-02 text). Default false. */
  readonly implicitConnect?: boolean
  /** How long a decision may take, in milliseconds. Default 60,000; 300,000 once an auth_url went out. */
  readonly decisionTimeoutMs?: number
  /**
   * When the state was restored from a backup, in Unix milliseconds; null if it was not. What was asked before that may have been done
   * before, and nobody knows: it is refused, and what waits from then is answered so.
   */
  readonly restoredAt?: () => Millis | null
  /** Who performs what this step hands out, if there are several on one store. */
  readonly performer?: () => string | undefined
}

export type SignerInput =
  | { readonly type: 'message'; readonly arrival: Arrival }
  /** An event that was handled before came again; `requestId` is what it asked. */
  | { readonly type: 'repeat'; readonly requestId: RequestId; readonly relay: RelayUrl }
  | { readonly type: 'decide'; readonly id: RequestId; readonly verdict: Verdict }
  /** The person must visit a page first: tell the client, once. */
  | { readonly type: 'challenge'; readonly id: RequestId; readonly url: string }
  | { readonly type: 'complete'; readonly id: RequestId; readonly outcome: Result<string, string> }
  /** The owner changed the judge's rules for this session. What waits already is not judged again. */
  | { readonly type: 'set-policy'; readonly policy: JsonValue | null }
  /** A relay took the answer to this request. */
  | { readonly type: 'published'; readonly id: RequestId }
  | { readonly type: 'revoke' }
  | { readonly type: 'wake' }

/** Why a message changed nothing, for counters. */
export type SignerIgnored =
  | 'request/json'
  | 'request/id'
  | 'request/method'
  | 'event/too-large'
  | 'event/expired'
  | 'request/repeated'
  | 'request/resends'
  | 'request/logout-replayed'
  | 'session/ended'
  | 'session/held'
  | 'decision/unknown'
  | 'operation/unknown'

export type SignerOutput =
  | {
      readonly type: 'send'
      /** The request it answers, or the announcement's id. */
      readonly id: RequestId
      readonly to: Pubkey
      readonly relays: readonly RelayUrl[]
      readonly scheme: Scheme
      readonly text: string
    }
  | { readonly type: 'ask'; readonly id: RequestId; readonly question: Question }
  | { readonly type: 'perform'; readonly id: RequestId; readonly operation: Operation }
  /** Answered with no, without asking anybody. `rule` is the judge's; null for what is never allowed. */
  | {
      readonly type: 'refused'
      readonly id: RequestId
      readonly operation: Operation
      readonly error: string
      readonly rule: string | null
    }
  /** This connect presents another token than the session's: take it to `admit`, with this session as `previous`. */
  | { readonly type: 'readmit'; readonly arrival: Arrival }
  | {
      readonly type: 'ended'
      readonly reason: 'logout' | 'revoked' | 'expired' | 'client-never-came' | 'refused'
    }
  | { readonly type: 'ignored'; readonly reason: SignerIgnored }

/** The next state, and what the host is to do or tell once it is stored. */
export interface SignerStep {
  readonly session: SignerSession
  readonly outputs: readonly SignerOutput[]
}

/** What the host is to keep up for a session: a timer and a subscription. */
export interface SignerWants {
  /** Feed `{ type: 'wake' }` at or after this time. */
  readonly wakeAt?: Millis
  /** Keep a kind 24133 subscription open for this key on these relays. */
  readonly listen?: { readonly relays: readonly RelayUrl[]; readonly to: Pubkey }
}

/** Pending id of the pairing question; request ids of peers are never empty. */
export const PAIRING_ID: RequestId = ''

export function ignored(session: SignerSession, reason: SignerIgnored): SignerStep {
  return { session, outputs: [{ type: 'ignored', reason }] }
}

export function confirm(session: SignerSession): SignerSession {
  return session.phase === 'unconfirmed' ? { ...session, phase: 'open', announcement: null } : session
}

/** Peers choose the ids: `constructor` is one like any other. */
export function pendingOf(session: SignerSession, id: RequestId): PendingOperation | undefined {
  return Object.hasOwn(session.pending, id) ? session.pending[id] : undefined
}

/** Peers choose the ids: plain assignment to `__proto__` would set the prototype. */
export function withPending(
  pending: SignerSession['pending'],
  id: RequestId,
  entry: PendingOperation,
): SignerSession['pending'] {
  const copy = { ...pending }
  Object.defineProperty(copy, id, { value: entry, enumerable: true, configurable: true, writable: true })
  return copy
}

/** Relays a request came from: as many as a session may use while it switches. */
export function addRelay(relays: readonly RelayUrl[], relay: RelayUrl): readonly RelayUrl[] {
  return relays.includes(relay) || relays.length >= 2 * SESSION_RELAYS ? relays : [...relays, relay]
}

export function union(a: readonly RelayUrl[], b: readonly RelayUrl[]): readonly RelayUrl[] {
  return b.every((relay) => a.includes(relay)) ? a : [...new Set([...a, ...b])]
}

export function sameSet(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((item) => b.includes(item))
}
