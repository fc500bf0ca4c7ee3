/**
 * What a turn makes of one lane's inputs: the next state, and everything to do about it once that state is stored.
 * Never touches the outside: it is a list of what is to be done.
 */

import type { Judge, Millis, Operation, Pubkey, Question, RelayUrl, RequestId, Scheme } from '@nip46/core'
import { limits, templateId } from '@nip46/core'
import type {
  Admission,
  AuditDeed,
  AuditRecord,
  AuditSubject,
  Claim,
  SignerContext,
  SignerSession,
} from '@nip46/core/remote-signer'
import type { StrangerBudget } from './budget.ts'
import type { Lane, LaneInput, Refusals } from './lane.ts'
import type { DropCode, EndReason } from './signer-event.ts'

/** What a draft reads and shares with the other drafts of its turn. */
export interface DraftWorld {
  readonly now: Millis
  readonly context: SignerContext
  readonly strangers: StrangerBudget
  readonly admission: () => Admission
  readonly setAdmission: (admission: Admission) => void
  /** Whether one more session may be opened. */
  readonly hasRoom: () => boolean
  /** Connections that wait for a decision. */
  readonly pairings: () => number
  /** Others on the same store must learn of every answer, also of those that change nothing. */
  readonly claimAnswers: boolean
}

export interface Draft {
  readonly lane: Lane
  readonly inputs: readonly LaneInput[]
  session: SignerSession | undefined
  readonly sends: DraftSend[]
  readonly asks: { readonly id: RequestId; readonly question: Question }[]
  readonly performs: { readonly id: RequestId; readonly operation: Operation }[]
  readonly claims: Claim[]
  readonly audit: AuditRecord[]
  readonly drops: DropCode[]
  readonly notes: DraftNote[]
  refusals: Refusals
  /** What our caller got wrong, to be told for this input. */
  readonly faults: Map<LaneInput, unknown>
  /** Verdicts that came too late to count. */
  readonly late: Set<LaneInput>
}

export interface DraftSend {
  readonly requestId: RequestId
  readonly relays: readonly RelayUrl[]
  readonly scheme: Scheme
  readonly text: string
  /** Worth publishing after a restart: an answer, not a challenge. */
  readonly lasting: boolean
}

/** What the host is told once the draft is stored. */
export type DraftNote =
  | { readonly type: 'opened' | 'confirmed'; readonly session: SignerSession }
  | { readonly type: 'ended'; readonly session: SignerSession; readonly reason: EndReason }
  | {
      readonly type: 'performed'
      readonly subject: AuditSubject
      readonly error: string | null
      readonly rule: string | null
    }
  | {
      readonly type: 'refused'
      readonly subject: AuditSubject
      readonly error: string
      readonly rule: string | null
    }
  | { readonly type: 'token-reused' }

/** A draft in which nothing happened. */
export function emptyDraft(lane: Lane, inputs: readonly LaneInput[]): Draft {
  return {
    lane,
    inputs,
    session: lane.session,
    sends: [],
    asks: [],
    performs: [],
    claims: [],
    audit: [],
    drops: [],
    notes: [],
    refusals: lane.refusals,
    faults: new Map(),
    late: new Set(),
  }
}

/** Whether there is anything to store. */
export function isDurable(draft: Draft): boolean {
  return draft.session !== draft.lane.session || draft.audit.length > 0 || draft.claims.length > 0
}

/** Puts this on record. */
export function record(draft: Draft, userPubkey: Pubkey, deed: AuditDeed, world: DraftWorld): void {
  const { signerPubkey, clientPubkey } = draft.lane
  draft.audit.push({ at: world.now, signerPubkey, clientPubkey, userPubkey, ...deed })
}

/** `lasting`: as in {@link DraftSend}. */
export function pushSend(
  draft: Draft,
  requestId: RequestId,
  relays: readonly RelayUrl[],
  scheme: Scheme,
  text: string,
  lasting = true,
): void {
  draft.sends.push({ requestId, relays, scheme, text, lasting })
}

/** What an operation was about, without its contents; with the facts that the judge wants kept. */
export function subjectOf(
  operation: Operation,
  userPubkey: Pubkey,
  judge: Pick<Judge, 'facts'> | undefined,
): AuditSubject {
  const { method } = operation
  const facts = judge === undefined ? {} : { facts: judge.facts(operation) }
  if (operation.method !== 'sign_event') return { method, peer: operation.peer, ...facts }
  const { template } = operation
  return { method, kind: template.kind, eventId: templateId(template, userPubkey), ...facts }
}

/** The id inside a response that core wrote. */
export function idOf(text: string): RequestId {
  const { id } = JSON.parse(text) as { readonly id: unknown }
  return typeof id === 'string' ? id.slice(0, limits.REQUEST_ID_CHARS) : ''
}
