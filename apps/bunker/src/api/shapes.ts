/**
 * What the API says and is told, as types. Times are Unix milliseconds, keys 64 lowercase hex characters.
 * Never holds a secret that was not asked for by name: a link, a token, an encrypted export.
 */

import type { EventTemplate, JsonValue } from '@nip46/core'

/** An operation without input. */
export type Nothing = Record<never, never>

// -- policy ------------------------------------------------------------------------------------

export type Effect = 'allow' | 'ask' | 'deny'

/** What an app may do. Without `preset` the configured one; `grants` come before it. */
export interface PolicyChoice {
  /** `paranoid`, `standard`, `bot` or `full`. */
  readonly preset?: string
  /** The grammar of `@nip46/policy`: `sign_event:1[rate=10/1m],ask:sign_event:3`. */
  readonly grants?: string
  /** Instead of both: a policy in its canonical form. */
  readonly json?: JsonValue
}

export interface PolicyView {
  readonly preset: string | null
  /** One grant each, in the grammar. */
  readonly grants: readonly string[]
  readonly suspended: boolean
  /** Until when; null for no end, or not suspended. */
  readonly suspendedUntil: number | null
  /** The canonical form with its counters; null if this session has none. */
  readonly json: JsonValue
}

/** A request to judge or explain, as an app would send it. */
export interface RequestDraft {
  readonly method:
    | 'sign_event'
    | 'nip44_encrypt'
    | 'nip44_decrypt'
    | 'nip04_encrypt'
    | 'nip04_decrypt'
    | 'nip44_get_key'
  /** For `sign_event`. `created_at` in seconds; default now. */
  readonly event?: {
    readonly kind: number
    readonly content?: string
    readonly tags?: readonly (readonly string[])[]
    readonly created_at?: number
  }
  /** For the others. */
  readonly peer?: string
  readonly text?: string
}

export interface Explanation {
  readonly effect: Effect
  /** What decided, as the audit log names it. */
  readonly rule: string
  /** Plain sentences: the rule, the limit, and what would change it. */
  readonly words: readonly string[]
  readonly detail: JsonValue
}

export interface Finding {
  readonly level: 'ok' | 'warning' | 'error'
  /** What was looked at, such as `store` or `relay wss://…`. */
  readonly what: string
  readonly words: string
  /** What to do; empty if nothing. */
  readonly fix: string
}

export interface Replay {
  /** Past decisions that could be judged again. */
  readonly judged: number
  /** Records that hold too little to be judged again. */
  readonly skipped: number
  readonly flips: readonly {
    readonly at: number
    readonly clientPubkey: string
    readonly method: string
    readonly kind: number | null
    readonly was: Effect
    readonly would: Effect
    readonly rule: string
  }[]
}

// -- keys --------------------------------------------------------------------------------------

export interface KeyView {
  readonly name: string
  readonly pubkey: string
  readonly npub: string
  readonly state: 'locked' | 'unlocked'
  readonly createdAt: number
  /** When it locks by itself; null if it stays. */
  readonly locksAt: number | null
  /** Apps that use it. */
  readonly apps: number
}

// -- links -------------------------------------------------------------------------------------

export interface LinkView {
  /** Names the link, to revoke it. Not the secret. */
  readonly id: string
  readonly label: string
  readonly signerPubkey: string
  readonly userPubkey: string
  readonly createdAt: number
  readonly expiresAt: number
  readonly state: 'open' | 'used' | 'expired' | 'revoked'
  /** The app that used it. */
  readonly usedBy: string | null
  readonly approval: 'secret' | 'ask'
  readonly policy: PolicyView
}

/** A link just made. `uri` is a secret until it is used, and is never shown again. */
export interface MadeLink {
  readonly uri: string
  readonly id: string
  readonly signerPubkey: string
  readonly label: string
  readonly expiresAt: number
}

// -- apps --------------------------------------------------------------------------------------

export interface AppView {
  /** Names the app: its client pubkey. */
  readonly clientPubkey: string
  readonly label: string
  /** What the app says about itself: anybody can claim any name. */
  readonly claims: { readonly name: string | null; readonly url: string | null }
  readonly userPubkey: string
  readonly signerPubkey: string
  readonly phase: string
  /** True for NIP-04: anybody can alter its messages unnoticed. */
  readonly legacyEncryption: boolean
  readonly relays: readonly string[]
  readonly pairedAt: number
  readonly expiresAt: number | null
  /** Requests that wait for a decision or the key. */
  readonly pending: number
  readonly suspended: boolean
}

export interface AppDetail extends AppView {
  readonly policy: PolicyView
  /** What it asked for when it connected, in NIP-46's terms; not granted by that. */
  readonly requested: readonly string[]
  /** What an offer or a person granted in NIP-46's terms. */
  readonly granted: readonly string[]
  /** Its web addresses, as the owner says: `list:origins` of policies. */
  readonly origins: readonly string[]
  /** Uses of the key since this daemon started, by method and kind. */
  readonly used: Readonly<Record<string, number>>
}

/** A nostrconnect:// URI, read and not answered. */
export interface ConnectPreview {
  readonly clientPubkey: string
  readonly claims: { readonly name: string | null; readonly url: string | null }
  readonly relays: readonly string[]
  /** Each thing asked for, and what the policy would do with it. */
  readonly requested: readonly {
    readonly permission: string
    readonly effect: Effect
    readonly rule: string
  }[]
  /** Asked for, and can never be granted. */
  readonly rejected: readonly string[]
  readonly warnings: readonly string[]
  /** Of what was shown: accept with it, and nothing else is accepted. */
  readonly hash: string
}

export interface TrimProposal {
  readonly grant: string
  readonly why: string
}

// -- questions ---------------------------------------------------------------------------------

/** For how long a decision holds. `once`: this request only. */
export type RememberFor = '5m' | '1h' | 'today' | 'session' | 'always'
/** What else it holds for: only the same login (`exact`), this kind, this peer, the whole method, or all of the same sort (`category`). */
export type RememberScope = 'exact' | 'kind' | 'peer' | 'method' | 'category'

export interface Remember {
  readonly for: RememberFor
  readonly scope: RememberScope
}

/** What `remember` takes; both are empty if a decision is never remembered. */
export interface RememberChoices {
  readonly for: readonly RememberFor[]
  /** The narrowest first. */
  readonly scopes: readonly RememberScope[]
}

/** A question that waits for the owner. */
export interface QuestionView {
  readonly id: string
  /** sha256 of exactly what is asked, 64 hex characters: a decision names it. */
  readonly hash: string
  /** Equal for questions that differ in content only: same app, method, kind and peer. */
  readonly group: string
  readonly type: 'connect' | 'operation'
  readonly clientPubkey: string
  readonly label: string
  readonly claims: { readonly name: string | null; readonly url: string | null }
  readonly userPubkey: string | null
  /** `connect` for a connection. */
  readonly method: string
  readonly kind: number | null
  readonly peer: string | null
  /** What is asked in one line, and all of it in many; a stranger's text is cleaned, cut and behind a bar. */
  readonly title: string
  readonly lines: readonly string[]
  /** How often exactly this is asked at the moment. */
  readonly times: number
  readonly askedAt: number
  /** When the app gives up; null if nobody knows. */
  readonly expiresAt: number | null
  /** What can be remembered of a yes, and of a no. */
  readonly choices: { readonly allow: RememberChoices; readonly deny: RememberChoices }
}

export interface QuestionDetail extends QuestionView {
  /** Everything that is signed, in full, as data: the template of an event, or the text to encrypt. Null for a connection. */
  readonly event: EventTemplate | null
  readonly text: string | null
}

export interface Decided {
  readonly id: string
  readonly decision: 'allow' | 'deny'
  /** Other questions that what is remembered settled too. */
  readonly also: readonly string[]
}

// -- the log -----------------------------------------------------------------------------------

export interface AuditEntry {
  /** Grows with each entry: `after` of the next page. */
  readonly position: number
  readonly at: number
  readonly type: string
  readonly clientPubkey: string | null
  readonly userPubkey: string | null
  /** The record as stored: never a content, a plaintext, a secret or a token. */
  readonly record: JsonValue
  /** The rule that allowed it says that the owner is to be told of it (`notify`). */
  readonly notice: boolean
  /** The chain it belongs to: one for each process that writes. */
  readonly chain: string
  /** Over the record and the entry before it in its chain, 64 hex characters. */
  readonly hash: string
}

// -- the daemon --------------------------------------------------------------------------------

export interface RelayView {
  readonly url: string
  readonly state: 'live' | 'connecting' | 'down'
  /** Named in new links. */
  readonly own: boolean
  /** Run by this daemon itself. */
  readonly served: boolean
  readonly reason: string | null
}

export interface Check {
  readonly name: 'store' | 'relays' | 'keys' | 'clock' | 'host'
  readonly ok: boolean
  readonly words: string
}

export interface StoreView {
  readonly kind: 'sqlite' | 'postgres' | 'memory'
  /** A path or host, without credentials. */
  readonly place: string
  /** Version of the database server; null where there is none. */
  readonly server: string | null
  /** Version of its tables; null where there is no server. */
  readonly schema: number | null
  /** Names of the daemons that share it and are alive, this one included; empty where it cannot be shared. */
  readonly daemons: readonly string[]
}

export interface Status {
  readonly version: string
  readonly pid: number
  readonly startedAt: number
  readonly state: 'running' | 'draining' | 'panic'
  readonly ready: boolean
  readonly checks: readonly Check[]
  readonly store: StoreView
  readonly relays: readonly RelayView[]
  readonly keys: readonly KeyView[]
  readonly apps: number
  readonly links: number
  readonly questions: number
  readonly performed: number
  readonly published: number
  readonly publishFailures: number
  /** Requests that were refused since they were in work in two crashes. */
  readonly crashRefusals: number
  readonly dropped: Readonly<Record<string, number>>
  readonly ailments: readonly string[]
  readonly memoryBytes: number
}

export type Scope = 'read' | 'approve' | 'manage' | 'keys' | 'admin'

export interface TokenView {
  readonly id: string
  readonly label: string
  readonly scopes: readonly Scope[]
  readonly createdAt: number
  readonly expiresAt: number | null
  readonly lastUsedAt: number | null
}

export interface BackupView {
  readonly directory: string
  readonly createdAt: number
  readonly files: readonly { readonly name: string; readonly bytes: number; readonly sha256: string }[]
}

/** A use of the key that nobody was asked about, by a rule that says to tell the owner (`notify`). */
export interface Notice {
  readonly at: number
  readonly clientPubkey: string
  readonly label: string
  readonly claims: { readonly name: string | null; readonly url: string | null }
  readonly method: string
  readonly kind: number | null
  readonly peer: string | null
  readonly rule: string
}

/** One message of the event stream. */
export type StreamMessage =
  | { readonly topic: 'requests'; readonly type: 'asked'; readonly question: QuestionView }
  | { readonly topic: 'requests'; readonly type: 'settled'; readonly id: string; readonly how: Settled }
  | { readonly topic: 'notices'; readonly notice: Notice }
  | { readonly topic: 'log'; readonly entry: JsonValue }
  | { readonly topic: 'audit'; readonly entry: AuditEntry }

/** How a question ended: decided here, by another daemon on the same store, or no longer asked since its time is over. */
export type Settled = 'allow' | 'deny' | 'elsewhere' | 'gone'

export type Topic = StreamMessage['topic']
