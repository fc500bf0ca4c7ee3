/**
 * What a remote signer must not forget, and the contract of whatever keeps it.
 * Only types: importing this file costs nothing and runs nothing.
 */

import type { Offer } from './admission.ts'
import type { ClientMetadata } from './metadata.ts'
import type { Permission } from './permission.ts'
import type { JsonValue } from './port.ts'
import type { SignerSession } from './signer-state.ts'
import type { Millis, Pubkey, RelayUrl, RequestId, Result, Scheme } from './value.ts'

/**
 * Where a remote signer keeps its state. Implementations are durable before they resolve: an answer leaves, and a key
 * is used, only after its `commit` resolved with `done`.
 *
 * Sessions and outbox entries hold answers, perhaps plaintexts, and keys hold secrets: a store that outlives the process
 * encrypts them. A method that rejects has changed nothing; nothing leaves, and the peer is told `unavailable:`.
 */
export interface SignerStore {
  /** Everything but claims and audit records. Called once, at `start()`. */
  load(now: Millis): Promise<StoredState>
  /**
   * Several changes, each atomic by itself: a change is written as a whole or, if its outcome is not `done`, not at all.
   * All of them may be written in one transaction (group commit). Outcomes are in the order of the changes. Claims are kept
   * for `limits.EXECUTED_MEMORY_SECONDS` of core after `now`, outbox entries for `limits.OUTBOX_MEMORY_MS`.
   */
  commit(changes: readonly StoreChange[], now: Millis): Promise<readonly CommitOutcome[]>
  /** These records as stored now; missing ones are left out. After a conflict, or a change made elsewhere. */
  read(wanted: Wanted): Promise<Found>
  /**
   * Those of these events that are claimed. It may be left out: it only lets requests without an answer come before those with
   * one when a relay sends all that it kept. Where `sharing` is there, that is asked instead.
   */
  readClaimed?(eventIds: readonly string[]): Promise<readonly string[]>
  /** There if several processes may use the store at once. */
  readonly sharing?: StoreSharing
}

/** Records by name. */
export interface Wanted {
  readonly sessions?: readonly SessionName[]
  /** Tokens. */
  readonly offers?: readonly string[]
  /** Remote-signer pubkeys. */
  readonly keys?: readonly Pubkey[]
}

/** A session is named by the keys of its two sides. */
export interface SessionName {
  readonly signerPubkey: Pubkey
  readonly clientPubkey: Pubkey
}

/** Records that were looked up, as stored now. What is not there is left out. */
export interface Found {
  readonly sessions: readonly Versioned<SignerSession>[]
  readonly offers: readonly Versioned<StoredOffer>[]
  readonly keys: readonly StoredKey[]
}

/**
 * Several processes (members) on one store. A member holds a lease that the store renews by itself. Members that are alive know
 * each other and are told of each other's changes. What a member commits after its lease ran out is refused as `fenced`:
 * others may have taken over its sessions.
 */
export interface StoreSharing {
  /** How long after its last sign of life a member is taken for dead, in milliseconds. */
  readonly leaseMs: Millis
  /**
   * Joins, once. Resolves when the others can see this member. After `fenced` join again, and load again.
   *
   * A store may be opened with the name of an instance. Then joining ends the lease of whoever joined under that name before, at
   * once: the process before a restart is not waited for. If that one lives, its next `join` rejects with an error whose `code` is
   * `store/superseded`: the name is another's, and nothing it does will be stored any more.
   */
  join(listener: MemberListener): Promise<Member>
  /** The claims of these events, of whatever member; events that nobody claimed are left out. Cheap: it is asked for every event of others. */
  readClaims(eventIds: readonly string[]): Promise<readonly Claim[]>
  /**
   * Asks the other members to let this one commit to a session next: they were faster several times in a row. Heard by those that are
   * alive and can be reached; nobody is sure to follow. Call it after the commit that came too late.
   */
  requestTurn(session: SessionName): Promise<void>
  /** As `load` gives them: answers of all members that were committed and perhaps not published, oldest first. After a member died. */
  readOutbox(now: Millis): Promise<readonly OutboxEntry[]>
}

/** This process among those that share the store, from `join` until `leave`. */
export interface Member {
  /** Unique for each join. */
  readonly id: string
  /** Gives up the lease at once, so that others need not wait for it to run out. */
  leave(): Promise<void>
}

/** What a member is told of the others. */
export interface MemberListener {
  /**
   * Another member committed changes to these records. At least once for each change, in the order of the commits. After a
   * gap in which changes may have been missed, `all` is true: look at everything again.
   */
  changed(change: SharedChange): void
  /** Ids of the members that are alive, this one included, sorted. Told at once after joining, then when it changes. */
  members(ids: readonly string[]): void
  /** This member's lease ran out, or was ended. */
  fenced(): void
  /** Another member wrote host records: read them again. Told as `changed` is; after a gap that tells `all`, they may have changed too. */
  hostRecords?(): void
  /** Another member was too late for this session several times in a row: let it commit first, for a short while. */
  turnRequested(session: SessionName): void
}

/** Which records another member changed: look them up anew. */
export interface SharedChange {
  readonly all: boolean
  readonly sessions: readonly SessionName[]
  readonly offers: readonly string[]
  readonly keys: readonly Pubkey[]
  readonly clients: readonly Pubkey[]
}

/**
 * Encrypts what a store writes down. `context` names the place (table, record), so that a sealed value moved elsewhere does not
 * open. Never used for anything a store must be able to look up.
 */
export interface StoreSeal {
  seal(plain: Uint8Array, context: string): Uint8Array
  open(sealed: Uint8Array, context: string): Result<Uint8Array, 'bad-seal'>
}

/** All that a remote signer needs of its store to go on. */
export interface StoredState {
  readonly keys: readonly StoredKey[]
  readonly sessions: readonly Versioned<SignerSession>[]
  readonly offers: readonly Versioned<StoredOffer>[]
  /** Keys that are or were the client key of a session, youngest last. */
  readonly clients: readonly Pubkey[]
  /** Answers that were committed and perhaps not published, oldest first. */
  readonly outbox: readonly OutboxEntry[]
  /** When this store was restored from a backup; left out or null if it never was. Requests of before then are not done again. */
  readonly restoredAt?: Millis | null
}

/**
 * `revision` counts a record's changes, from 1. A change names the revision it was made from, 0 for a new record; if
 * the stored one has another, the outcome is `stale`. That is how several processes share one store.
 */
export interface Versioned<T> {
  readonly revision: number
  readonly value: T
}

/** A remote-signer key of one connection. */
export interface StoredKey {
  readonly pubkey: Pubkey
  /** 32 bytes. The store copies them, both ways, before it resolves; the engine wipes its own. */
  readonly secret: Uint8Array
  readonly createdAt: Millis
}

/** An offer under the hash of its secret. */
export interface StoredOffer {
  /** See `tokenKey`: a hash of the secret, never the secret. */
  readonly token: string
  readonly offer: Offer
}

/** What must hold together. Members that are missing change nothing. */
export interface StoreChange {
  /** Event ids that nobody may have claimed before: the right to execute them. */
  readonly claims?: readonly Claim[]
  readonly session?: SessionChange
  readonly offers?: readonly OfferChange[]
  readonly keys?: readonly StoredKey[]
  /** Keys to forget: overwrite what can be overwritten. */
  readonly forgetKeys?: readonly Pubkey[]
  readonly clients?: readonly Pubkey[]
  readonly audit?: readonly AuditRecord[]
  readonly outbox?: readonly OutboxEntry[]
  /** Ids of outbox entries that were published. */
  readonly published?: readonly string[]
}

/** A change to one session, with what it was made from. */
export interface SessionChange {
  readonly signerPubkey: Pubkey
  readonly clientPubkey: Pubkey
  /** The revision it was made from; 0 if there was none. */
  readonly revision: number
  /** As stored. What `after` shares with it (the chunks of `ledger`) is the same object and need not be written again. */
  readonly before: SignerSession | null
  /** Null forgets the session. */
  readonly after: SignerSession | null
}

/** A change to one offer. */
export interface OfferChange {
  readonly token: string
  readonly revision: number
  /** Null forgets the offer. */
  readonly after: Offer | null
}

/** An event that is being handled, or was. `requestId` is what it asked, to find the stored answer. */
export interface Claim {
  readonly eventId: string
  readonly signerPubkey: Pubkey
  readonly clientPubkey: Pubkey
  readonly requestId: RequestId
  readonly at: Millis
}

/** An answer to publish. */
export interface OutboxEntry {
  /** Unique. */
  readonly id: string
  readonly signerPubkey: Pubkey
  readonly to: Pubkey
  readonly relays: readonly RelayUrl[]
  readonly scheme: Scheme
  /** JSON text of the response. */
  readonly text: string
  readonly at: Millis
}

/** What became of one change of a commit. */
export type CommitOutcome =
  | { readonly type: 'done' }
  /** These events were claimed before: their first claims, and the session as stored if the change was about one. */
  | {
      readonly type: 'claimed'
      readonly claims: readonly Claim[]
      readonly session?: Versioned<SignerSession> | null
    }
  /** Another process was faster: what is stored now for what the change was about. Missing records are null. */
  | {
      readonly type: 'stale'
      readonly session?: Versioned<SignerSession> | null
      readonly offers?: readonly { readonly token: string; readonly stored: Versioned<Offer> | null }[]
    }
  /** This member's lease ran out: nothing was written, and nothing will be until it has joined again. */
  | { readonly type: 'fenced' }

/** What was done, for the owner of the key. Never holds a content, a plaintext, a secret or a token. */
export type AuditRecord = AuditFacts & AuditDeed

/** What every audit record has: when, and between whom. */
export interface AuditFacts {
  readonly at: Millis
  readonly signerPubkey: Pubkey
  readonly userPubkey: Pubkey
  /** Null where no client is known yet. */
  readonly clientPubkey: Pubkey | null
}

/** What an audit record tells of. Never a content, a plaintext or a secret. */
export type AuditDeed =
  | { readonly type: 'offer-made'; readonly granted: readonly Permission[]; readonly expiresAt: Millis }
  | { readonly type: 'offer-withdrawn' }
  | {
      readonly type: 'session-opened'
      readonly scheme: Scheme
      readonly granted: readonly Permission[]
      readonly requested: readonly Permission[]
      readonly metadata: ClientMetadata | null
    }
  | { readonly type: 'session-ended'; readonly reason: string }
  /** Somebody decided. `subject` is null for a connection. */
  | {
      readonly type: 'decided'
      readonly subject: AuditSubject | null
      readonly allow: boolean
      readonly granted: readonly Permission[]
      /** What the judge was told to remember, in its own terms. */
      readonly remember?: JsonValue
    }
  /** The owner changed the judge's rules for the session. */
  | { readonly type: 'policy-changed' }
  /**
   * The user's key was used, or refused it. `delivered` is whether that became the answer: false if the session ended, or the request was
   * answered otherwise, while the key worked. What it made went nowhere then.
   */
  | {
      readonly type: 'performed'
      readonly subject: AuditSubject
      readonly error: string | null
      readonly delivered: boolean
      /** The rule that allowed it, as the judge names it; null if the grants or a person did. */
      readonly rule?: string | null
    }
  /** Refused without asking anybody. `rule` is the judge's; null for what is never allowed. */
  | {
      readonly type: 'refused'
      readonly subject: AuditSubject
      readonly error: string
      readonly rule: string | null
    }
  /** As many more were refused since then as `count`, too fast for a record of each. */
  | { readonly type: 'refusals-omitted'; readonly count: number; readonly since: Millis }

/** What was asked of the user's key, without what it was asked about. */
export interface AuditSubject {
  readonly method: string
  readonly kind?: number
  /** Id of the event that was to be signed: the hash of all of it. */
  readonly eventId?: string
  readonly peer?: Pubkey
  /** What the judge needs to judge it again: sizes, counts, origins. Never a content. */
  readonly facts?: JsonValue
}

/**
 * Small records of the host itself, kept beside the engine's: names that the owner gave, that everything was stopped. Sealed as
 * sessions are; their names are plain.
 */
export interface HostRecords {
  /** All of them as stored now, in the order of their names. */
  readHostRecords(): Promise<readonly Versioned<HostRecord>[]>
  /**
   * Writes all of these or, if the stored one has another revision, none (`stale`). If it rejects, nobody knows whether it was done:
   * read again. It works also for a member whose lease ran out. Other members are told.
   */
  writeHostRecords(
    changes: readonly HostRecordChange[],
    options?: HostRecordOptions,
  ): Promise<'done' | 'stale'>
}

/** How host records are written. */
export interface HostRecordOptions {
  /**
   * Ends the lease of every other member in the same transaction. Once it is done, none of them commits anything before it has joined
   * again, and so can have read these records first.
   */
  readonly fenceOthers?: boolean
}

/** A small record of the host, which all members of a store share. */
export interface HostRecord {
  /** 1 to 128 printable ASCII characters. */
  readonly name: string
  /** At most 65,536 characters as JSON. */
  readonly value: JsonValue
}

/** A change to a host record, refused if another one was faster. */
export interface HostRecordChange {
  readonly name: string
  /** The revision it was made from, 0 for a new record. */
  readonly revision: number
  /** Null forgets the record. */
  readonly after: JsonValue | null
}

/**
 * Reading what a store recorded. Records are only ever appended, in the transaction of what they record, to a chain: each
 * is hashed together with the hash before it. Several processes on one store write a chain each.
 */
export interface AuditLog {
  /** At most `limit` entries that match. Entries that retention dropped are not there any more. */
  readAudit(query?: AuditQuery): Promise<AuditPage>
  /** Computes every chain anew. Rejects only if the store cannot be read. */
  verifyAudit(): Promise<AuditVerdict>
}

/** Which entries to read, and from where on. */
export interface AuditQuery {
  /** `oldest` first unless said otherwise. */
  readonly order?: 'oldest' | 'newest'
  /** Go on behind this entry: the `position` of the last one seen, or `next` of the last page. */
  readonly after?: number
  /** Entries of one page, at most and by default 1,000. */
  readonly limit?: number
  readonly filter?: AuditFilter
}

/** What is missing matches everything. */
export interface AuditFilter {
  readonly types?: readonly AuditRecord['type'][]
  readonly signerPubkey?: Pubkey
  readonly userPubkey?: Pubkey
  readonly clientPubkey?: Pubkey
  /** First and last moment, both included. */
  readonly since?: Millis
  readonly until?: Millis
}

/** Some entries of the log. */
export interface AuditPage {
  readonly entries: readonly AuditEntry[]
  /** Where to go on (`after`), or null if there is nothing more that way now. A page may be empty and yet not the last. */
  readonly next: number | null
}

/** One record in its place in a chain of hashes. */
export interface AuditEntry {
  /** Grows with each entry of the store, of whatever chain; may leave gaps. */
  readonly position: number
  readonly chain: string
  /** Counts the chain's entries, from 1, without gaps. */
  readonly seq: number
  /** The hash of the entry before it, as 64 hex characters; all zeros for the first one. */
  readonly prev: string
  /**
   * SHA-256 as 64 hex characters over the UTF-8 of `{"chain":…,"prev":…,"record":…,"seq":…}`: JSON without spaces, the members
   * of every object sorted by their names (as `Array.prototype.sort` does).
   */
  readonly hash: string
  readonly record: AuditRecord
}

/** What computing the whole log anew has shown. */
export interface AuditVerdict {
  readonly ok: boolean
  /** Entries that were computed anew. */
  readonly entries: number
  readonly chains: readonly AuditChainVerdict[]
}

/** What computing one chain of the log anew has shown. */
export interface AuditChainVerdict {
  readonly chain: string
  /** Where the chain begins now: the checkpoint that retention left, or 0 and all zeros. */
  readonly checkpoint: { readonly seq: number; readonly hash: string }
  /** The last entry, as found. */
  readonly head: { readonly seq: number; readonly hash: string }
  /** The first thing that is not as it was written; null if there is none. */
  readonly fault: AuditFault | null
}

/** Where a chain breaks first, and how. */
export interface AuditFault {
  /** Of the entry that is missing or wrong. */
  readonly seq: number
  /**
   * - `missing`: an entry between two others, or at the end of what is known to have been written
   * - `hash`: the entry is not what was hashed
   * - `link`: it does not name the hash of the entry before it
   * - `anchor`: the chain is whole, but not the one whose hash the store sealed
   */
  readonly code: 'missing' | 'hash' | 'link' | 'anchor'
}
