/**
 * What the store and its thread tell each other. Sealed values travel in one buffer for each message, and are named by their
 * place in it.
 * Never carries anything in the clear that has to be sealed.
 */

import type { AuditFault, AuditRecord } from '@nip46/core/remote-signer'
import type { SqliteStoreErrorCode } from './error.ts'

/** Where bytes are in a buffer: offset, length. */
export type Place = readonly [number, number]

/** What the thread needs to open the store. */
export interface Opening {
  readonly file: string
  /** Only looked at: nothing is created, migrated or written. */
  readonly readOnly: boolean
  readonly claims: number
  readonly clientKeys: number
  readonly outbox: number
  readonly auditRecords: number
  readonly checkedBytes: number
  readonly lockPatienceMs: number
  /** How long claims are kept, in milliseconds. */
  readonly claimMemoryMs: number
}

/** What the store learns when it is open. */
export interface OpenedState {
  /** 32 hex characters; names the audit chain. */
  readonly id: string
  /** What was sealed when the store was made; null if it is new. */
  readonly check: Uint8Array | null
  readonly anchor: Uint8Array | null
  readonly checkpoint: ChainPoint
  readonly checkpointSeal: Uint8Array | null
  readonly head: ChainPoint
  /** When this copy was made, if it is a backup that nobody opened as a store yet. */
  readonly backupAt: number | null
  readonly restoredAt: number | null
}

/** A place in the audit chain. */
export interface ChainPoint {
  readonly seq: number
  /** 64 hex characters. */
  readonly hash: string
}

export type ThreadRequest =
  | { readonly type: 'begin'; readonly check: Uint8Array; readonly anchor: Uint8Array }
  | { readonly type: 'restored'; readonly now: number }
  /** `calls` are those of the group as JSON, which costs a fraction of a structured clone. The answer is a `GroupReply` as JSON. */
  | {
      readonly type: 'group'
      readonly group: Omit<Group, 'calls'>
      readonly calls: string
      readonly bytes: ArrayBuffer
    }
  | { readonly type: 'page'; readonly table: PagedTable; readonly after: number }
  | { readonly type: 'read'; readonly wanted: PlainWanted }
  /** Those of these events that are claimed. */
  | { readonly type: 'claimed'; readonly eventIds: readonly string[] }
  | { readonly type: 'audit'; readonly query: PlainAuditQuery }
  | { readonly type: 'verify'; readonly from: ChainPoint }
  | { readonly type: 'hash'; readonly seq: number }
  | { readonly type: 'backup'; readonly file: string; readonly now: number }
  | { readonly type: 'host-records' }
  | { readonly type: 'write-host-records'; readonly changes: readonly PlainHostRecordChange[] }
  | { readonly type: 'sizes' }
  | { readonly type: 'close' }

export type PagedTable = 'keys' | 'sessions' | 'offers' | 'clients' | 'claims' | 'outbox'

// -- writing -----------------------------------------------------------------------------------

/** Calls that are written in one transaction. */
export interface Group {
  readonly calls: readonly PlainCall[]
  /** Milliseconds of a clock that nobody sets, so that claims are kept even if somebody sets the other one. */
  readonly steady: number
  /** The head of the audit chain, sealed. */
  readonly anchor: Uint8Array | null
  /** Drop audit records up to here. */
  readonly checkpoint: (ChainPoint & { readonly sealed: Uint8Array }) | null
}

export interface PlainCall {
  readonly now: number
  readonly changes: readonly PlainChange[]
  /** Where the call's bytes begin in the message's buffer; its places count from there. */
  readonly base: number
}

/** A change with everything sealed that has to be. */
export interface PlainChange {
  readonly claims?: readonly PlainClaim[]
  readonly session?: PlainSession
  readonly offers?: readonly PlainOffer[]
  readonly keys?: readonly { readonly pubkey: string; readonly createdAt: number; readonly secret: Place }[]
  readonly forgetKeys?: readonly string[]
  readonly clients?: readonly { readonly pubkey: string; readonly body: Place }[]
  /** Canonical JSON of each record. */
  readonly audit?: readonly string[]
  readonly outbox?: readonly { readonly id: string; readonly at: number; readonly body: Place }[]
  readonly published?: readonly string[]
}

export interface PlainOffer {
  readonly token: string
  readonly revision: number
  /** Null forgets the offer. */
  readonly body: Place | null
}

export interface PlainClaim {
  readonly eventId: string
  readonly signer: string
  readonly client: string
  readonly at: number
  readonly body: Place
}

export interface PlainSession {
  readonly signer: string
  readonly client: string
  readonly revision: number
  /** Null forgets the session. */
  readonly head: Place | null
  /** Parts of its memory that are new. */
  readonly parts: readonly (readonly [number, Place])[]
  /** Parts that are stored and no longer needed; `all` if it is not known which are stored. */
  readonly dropped: readonly number[] | 'all'
}

export interface PlainHostRecordChange {
  readonly name: string
  readonly revision: number
  /** Null forgets the record. */
  readonly body: Uint8Array | null
}

export interface PlainHostRecord {
  readonly name: string
  readonly revision: number
  readonly body: Uint8Array
}

export interface GroupReply {
  /** In the order of the calls. */
  readonly calls: readonly CallReply[]
  readonly head: ChainPoint
  /** Audit records are too many: seal this place, and send it with the next group. */
  readonly drop: ChainPoint | null
}

export type CallReply =
  | { readonly type: 'outcomes'; readonly outcomes: readonly PlainOutcome[] }
  | { readonly type: 'failed'; readonly code: SqliteStoreErrorCode; readonly message: string }

export type PlainOutcome =
  | { readonly type: 'done' }
  | {
      readonly type: 'claimed'
      readonly claims: readonly PlainClaim[]
      readonly session?: StoredSession | null
    }
  | {
      readonly type: 'stale'
      readonly session?: StoredSession | null
      readonly offers: readonly { readonly token: string; readonly stored: StoredOfferRow | null }[]
    }

// -- what is stored ------------------------------------------------------------------------------

export interface StoredSession {
  readonly signer: string
  readonly client: string
  readonly revision: number
  readonly head: Place
  readonly parts: readonly (readonly [number, Place])[]
}

export interface StoredOfferRow {
  readonly token: string
  readonly revision: number
  readonly body: Place
}

export interface StoredKeyRow {
  readonly pubkey: string
  readonly createdAt: number
  readonly secret: Place
}

export interface StoredClient {
  readonly pubkey: string
  readonly body: Place
}

export interface StoredAnswer {
  readonly id: string
  readonly at: number
  readonly body: Place
}

export interface PlainWanted {
  readonly sessions: readonly { readonly signer: string; readonly client: string }[]
  readonly offers: readonly string[]
  readonly keys: readonly string[]
}

/** What was found; a page has one kind only. */
export interface PlainFound {
  readonly sessions: readonly StoredSession[]
  readonly offers: readonly StoredOfferRow[]
  readonly keys: readonly StoredKeyRow[]
  readonly clients: readonly StoredClient[]
  readonly claims: readonly PlainClaim[]
  readonly outbox: readonly StoredAnswer[]
  /** Where the next page begins, or null. */
  readonly next: number | null
}

// -- the audit log -------------------------------------------------------------------------------

export interface PlainAuditQuery {
  readonly newest: boolean
  readonly after: number | null
  readonly limit: number
  readonly types: readonly AuditRecord['type'][] | null
  readonly signerPubkey: string | null
  readonly userPubkey: string | null
  readonly clientPubkey: string | null
  readonly since: number | null
  readonly until: number | null
}

export interface PlainAuditPage {
  readonly entries: readonly {
    readonly seq: number
    readonly prev: string
    readonly hash: string
    readonly record: string
  }[]
  readonly next: number | null
}

export interface VerifyReply {
  /** Records that were looked at, in order behind `from`. */
  readonly count: number
  /** The last good one. */
  readonly at: ChainPoint
  readonly fault: AuditFault | null
  readonly done: boolean
  /** Retention may have gone on meanwhile. */
  readonly checkpoint: ChainPoint
  readonly checkpointSeal: Uint8Array | null
  readonly anchor: Uint8Array | null
  readonly head: ChainPoint
}

/** How many records of each sort are kept. */
export interface Sizes {
  readonly keys: number
  readonly sessions: number
  readonly offers: number
  readonly clients: number
  readonly claims: number
  readonly audit: number
  readonly outbox: number
  /** Of the file and its write-ahead log. */
  readonly bytes: number
}

/** What the thread posts. The first one has the id 0 and tells what was opened. */
export type ThreadReply =
  | { readonly id: number; readonly ok: true; readonly value: unknown; readonly bytes?: ArrayBuffer }
  | {
      readonly id: number
      readonly ok: false
      readonly code: SqliteStoreErrorCode
      readonly message: string
      readonly pid?: number
    }
