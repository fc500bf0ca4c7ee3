/**
 * What the daemon asks of policies: those of sessions, of links, of drafts.
 * Only types; the policy of a session is JSON that the book alone reads.
 */

import type {
  JsonValue,
  JudgedRequest,
  Judgement,
  Millis,
  Operation,
  Permission,
  Pubkey,
  Question,
} from '@nip46/core'
import type { AuditEntry } from '@nip46/core/remote-signer'
import type {
  Explanation,
  Finding,
  PolicyChoice,
  PolicyView,
  QuestionView,
  Remember,
  Replay,
  RequestDraft,
  TrimProposal,
} from '../api/shapes.ts'

/** A policy without what the daemon adds to it. */
export type OwnPolicy = JsonValue

export interface PolicyBook {
  /** As core's `Judge`, on the policy alone. */
  judge(request: JudgedRequest): Judgement
  approve(request: JudgedRequest, remember: JsonValue | null): OwnPolicy | null
  facts(operation: Operation): JsonValue
  /** The policy that a choice means, from `at` on (default: now). Throws a `Fault` (400 `policy/…`) that says what is wrong with it. */
  begin(choice: PolicyChoice, at?: Millis): OwnPolicy
  /** Another choice for a session; what was counted goes on where it is the same rule. Throws as {@link PolicyBook.begin}. */
  change(policy: OwnPolicy, choice: PolicyChoice): OwnPolicy
  /** Without what the daemon adds. */
  view(policy: OwnPolicy): Pick<PolicyView, 'preset' | 'grants' | 'json'>
  /** What can be remembered of a decision about this. */
  choices(question: Question): QuestionView['choices']
  /** For {@link PolicyBook.approve}. */
  remembered(question: Question, remember: Remember, allow: boolean): JsonValue
  /** Which other questions of the same app are decided by what is remembered of this one. */
  settled(
    policy: OwnPolicy,
    question: Question,
    remember: Remember,
    allow: boolean,
    about: Whose,
  ): (other: Question) => boolean
  presets(): readonly { readonly name: string; readonly words: string }[]
  lint(choice: PolicyChoice): readonly Finding[]
  /** What would happen. Counts nothing. */
  explain(policy: OwnPolicy, draft: RequestDraft, about: Whose): Explanation
  /** What a permission in NIP-46's terms would get. */
  preview(
    policy: OwnPolicy,
    permission: Permission,
    about: Whose,
  ): { readonly effect: 'allow' | 'ask' | 'deny'; readonly rule: string }
  replay(entries: readonly AuditEntry[], policy: OwnPolicy): Replay
  trim(entries: readonly AuditEntry[], policy: OwnPolicy): readonly Trimming[]
  /** Without these grants. */
  without(policy: OwnPolicy, proposals: readonly Trimming[]): OwnPolicy
}

export interface Whose {
  readonly client: Pubkey
  readonly user: Pubkey
  /** What the session was granted in NIP-46's own terms. Default nothing. */
  readonly granted?: readonly Permission[]
  readonly now: number
}

/** A proposal, and what to hold instead of the grant; null for nothing. */
export interface Trimming extends TrimProposal {
  readonly instead: string | null
}
