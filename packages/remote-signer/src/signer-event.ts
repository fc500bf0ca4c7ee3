/**
 * What a remote signer tells its host while it runs, and what it counts.
 * Never carries a key, a secret, a content or a plaintext.
 */

import type {
  ClientMetadata,
  JsonValue,
  Millis,
  OpenProblem,
  Permission,
  Pubkey,
  Question,
  RelayRefusal,
  RelayUrl,
  RequestId,
  Scheme,
} from '@nip46/core'
import type {
  AdmissionStep,
  AuditSubject,
  SignerIgnored,
  SignerOutput,
  SignerPhase,
} from '@nip46/core/remote-signer'

/** Why something that arrived came to nothing. Each has a counter of this name. */
export type DropCode =
  | OpenProblem
  | SignerIgnored
  | NonNullable<AdmissionStep['dropped']>
  /** A stranger, or a client in a hurry, past its budget. */
  | 'event/rate-limited'
  /** Opening it, or handling what was in it, threw: it is not opened again. The cause is told as a fault of the engine. */
  | 'event/fault'
  /** Too many events wait to be opened. */
  | 'intake/full'
  /** Too many inputs of one session wait. */
  | 'session/busy'
  /** An event of a session that another process on the same store serves: claimed by it, or dropped by it. */
  | 'event/left-to-others'

/** A session as it can be shown. */
export interface SessionInfo {
  readonly signerPubkey: Pubkey
  readonly clientPubkey: Pubkey
  readonly userPubkey: Pubkey
  readonly phase: SignerPhase
  /** `nip04` deserves to be shown as legacy encryption. */
  readonly scheme: Scheme
  /** What it may do without a question. */
  readonly granted: readonly Permission[]
  /** The judge's rules and counters for it; null if it has none. */
  readonly policy: JsonValue
  /** What it asked for; not granted by that. */
  readonly requested: readonly Permission[]
  /** Display text only: anybody can claim any name. */
  readonly metadata: ClientMetadata | null
  readonly relays: readonly RelayUrl[]
  readonly pairedAt: Millis
  readonly expiresAt: Millis | null
  /** Requests that wait for a decision or for the key. */
  readonly pending: number
}

/** Why a session is over. */
export type EndReason = Extract<SignerOutput, { type: 'ended' }>['reason']

/**
 * What stopped working: `no-relay` (not one relay delivers), `clock-skew` (relays refuse our `created_at`: look at the clock),
 * `store` (a commit failed: nothing is answered until one succeeds).
 */
export type Ailment = 'no-relay' | 'clock-skew' | 'store'

/** What `onEvent` of a remote signer tells. Holds no secret; only a `question` holds texts of an app. */
export type RemoteSignerEvent =
  | { readonly type: 'session-opened'; readonly session: SessionInfo }
  /** The client of an accepted nostrconnect:// offer was heard. */
  | { readonly type: 'session-confirmed'; readonly session: SessionInfo }
  | { readonly type: 'session-ended'; readonly session: SessionInfo; readonly reason: EndReason }
  | { readonly type: 'question'; readonly question: Question }
  | {
      readonly type: 'performed'
      readonly clientPubkey: Pubkey
      readonly subject: AuditSubject
      readonly error: string | null
      /** The rule that allowed it, as the judge names it; null if the grants or a person did. */
      readonly rule: string | null
    }
  /** A request was answered with no, without asking anybody. `rule` is the judge's; null for what is never allowed. */
  | {
      readonly type: 'refused'
      readonly clientPubkey: Pubkey
      readonly subject: AuditSubject
      readonly error: string
      readonly rule: string | null
    }
  /** An answer was handed to the relays. */
  | { readonly type: 'answered'; readonly clientPubkey: Pubkey; readonly requestId: RequestId }
  | { readonly type: 'dropped'; readonly code: DropCode }
  /** A token that one client used was presented by another: it was seen by somebody else. */
  | { readonly type: 'token-reused'; readonly signerPubkey: Pubkey; readonly clientPubkey: Pubkey }
  /** Every relay refused an answer, every time. */
  | {
      readonly type: 'publish-failed'
      readonly clientPubkey: Pubkey
      readonly requestId: RequestId
      readonly refusals: readonly RelayRefusal[]
    }
  | { readonly type: 'relay-live'; readonly relay: RelayUrl }
  | {
      readonly type: 'relay-down'
      readonly relay: RelayUrl
      readonly reason: string
      /** It will be asked again after `limits.RESUBSCRIBE_MS`; otherwise the transport reconnects by itself. */
      readonly final: boolean
    }
  | { readonly type: 'degraded'; readonly ailment: Ailment; readonly cause?: unknown }
  | { readonly type: 'recovered'; readonly ailment: Ailment }
  /**
   * Another process joined the store under this one's instance name. This remote signer has closed itself without a word to its
   * clients, which the other one serves: end the process, and start it again only under another name.
   */
  | { readonly type: 'superseded' }
  /** An approver, a judge, a user signer, a transport or a listener threw or rejected; `engine` is a fault of this package. */
  | {
      readonly type: 'helper-failed'
      readonly helper: 'approver' | 'judge' | 'user-signer' | 'transport' | 'listener' | 'engine'
      readonly cause: unknown
    }

/** What a remote signer has counted since it was made, and how much it has now. */
export interface SignerStats {
  /** Events that relays handed over. */
  readonly received: number
  /** Of these, authentic and readable ones. */
  readonly opened: number
  /** Answers that at least one relay took. */
  readonly published: number
  /** Answers that every relay refused, every time. */
  readonly publishFailures: number
  /** Times the user's key was used. */
  readonly performed: number
  readonly dropped: { readonly [Code in DropCode]?: number }
  readonly failures: { readonly [helper: string]: number }
  readonly sessions: number
  readonly offers: number
  readonly keys: number
  /** Events, inputs and answers that wait, and questions that are open. */
  readonly waiting: {
    readonly events: number
    /** Events of sessions that another process serves. */
    readonly leftToOthers: number
    readonly inputs: number
    readonly answers: number
    readonly questions: number
  }
  readonly remembered: { readonly events: number; readonly strangers: number; readonly clients: number }
  readonly relays: { readonly live: readonly RelayUrl[]; readonly down: readonly RelayUrl[] }
  readonly ailments: readonly Ailment[]
}
