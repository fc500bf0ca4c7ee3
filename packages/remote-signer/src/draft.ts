/**
 * What a turn makes of one lane's inputs: the next state, and everything to do about it once that state is stored.
 * Never touches the outside: it calls core's machines and writes down what they want.
 */

import {
  encodeResponse,
  type Judge,
  limits,
  type Millis,
  type Operation,
  type Permission,
  type Pubkey,
  parseRequest,
  type Question,
  type RelayUrl,
  type RequestId,
  type Scheme,
  templateId,
  UsageError,
  type Verdict,
} from '@nip46/core'
import type { AuditDeed, AuditRecord, AuditSubject, Claim } from '@nip46/core/remote-signer'
import {
  type Admission,
  type AdmissionStep,
  type Arrival,
  admit,
  decidePairing,
  forgetOffer,
  PAIRING_ID,
  type SignerContext,
  type SignerOutput,
  type SignerSession,
  step,
  tokenKey,
} from '@nip46/core/remote-signer'
import type { StrangerBudget } from './budget.ts'
import type { Lane, LaneInput, Refusals } from './lane.ts'
import { PAIRINGS, REFUSALS_RECORDED, REFUSALS_WINDOW_MS } from './limits.ts'
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

/** Applies the inputs of one lane in order. */
export function draftLane(lane: Lane, inputs: readonly LaneInput[], world: DraftWorld): Draft {
  const draft = emptyDraft(lane, inputs)
  for (const input of inputs) {
    const before = draft.session
    apply(draft, input, world)
    noticeOpening(draft, before, world)
  }
  return draft
}

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

function apply(draft: Draft, input: LaneInput, world: DraftWorld): void {
  const { session } = draft
  switch (input.type) {
    case 'message':
      return receive(draft, input.arrival, input.requestId, world)
    case 'repeat':
      if (session === undefined) draft.drops.push('event/seen')
      else run(draft, session, { type: 'repeat', requestId: input.requestId, relay: input.relay }, world)
      return
    case 'install':
      draft.session = input.make(session)
      return
    case 'forget':
      if (session?.phase === 'revoked') draft.session = undefined
      return
    case 'set-policy':
      return setPolicy(draft, input, world)
    case 'tally':
      return tally(draft, world)
    case 'decide':
      return decide(draft, input, world)
    case 'complete':
      return complete(draft, input, world)
    case 'challenge':
      if (session !== undefined && draft.lane.questions.get(input.input.id) === input.question)
        run(draft, session, input.input, world, false)
      return
    default:
      if (session !== undefined) run(draft, session, input.input, world)
  }
}

function receive(draft: Draft, arrival: Arrival, requestId: RequestId | undefined, world: DraftWorld): void {
  const before = draft.session
  const served = before !== undefined && before.phase !== 'revoked'
  // The envelope looked when it opened the message; the session may have been made by the message before this one.
  if (served && arrival.scheme !== before.scheme) {
    draft.drops.push(arrival.scheme === 'nip04' ? 'transport/nip04' : 'transport/nip44')
    return
  }
  const sent = draft.sends.length
  if (before === undefined) admitTo(draft, arrival, undefined, world)
  else run(draft, before, { type: 'message', arrival }, world)
  if (before !== undefined && !served && draft.session === before) {
    // A client that was shown out costs no more than a stranger, and is answered the way it asked.
    const replies = draft.sends.splice(sent)
    draft.sends.push(...replies.map((send) => ({ ...send, scheme: arrival.scheme })))
    if (replies.length > 0) keepWithinBudget(draft, sent, arrival.from, world)
  }
  const isAnswered = world.claimAnswers && draft.sends.length > sent
  if ((draft.session === before && !isAnswered) || requestId === undefined) return
  const { signerPubkey, clientPubkey } = draft.lane
  draft.claims.push({ eventId: arrival.eventId, signerPubkey, clientPubkey, requestId, at: world.now })
}

/** A connect with a token: of a stranger, or of a client that has a session and presents another one. */
function admitTo(
  draft: Draft,
  arrival: Arrival,
  previous: SignerSession | undefined,
  world: DraftWorld,
): void {
  const admission = world.admission()
  const result: AdmissionStep = admit(admission, arrival, world.now, world.context, previous)
  if (result.dropped !== undefined) draft.drops.push(result.dropped)
  const { session, reply } = result
  if (reply !== undefined) {
    world.setAdmission(result.admission)
    const sent = draft.sends.length
    pushSend(draft, idOf(reply), [arrival.relay], arrival.scheme, reply)
    if (previous === undefined) keepWithinBudget(draft, sent, arrival.from, world)
    if (draft.sends.length > sent) noticeReuse(draft, arrival, admission)
  }
  if (session === undefined) return
  const full = fullness(session, previous, world)
  if (full !== undefined) {
    const sent = draft.sends.length
    const text = encodeResponse({ type: 'error', id: requestIdOf(arrival), error: full })
    pushSend(draft, requestIdOf(arrival), [arrival.relay], arrival.scheme, text)
    keepWithinBudget(draft, sent, arrival.from, world)
    return
  }
  if (session.phase === 'pairing' && !world.strangers.take(arrival.from, world.now)) {
    draft.drops.push('event/rate-limited')
    return
  }
  world.setAdmission(result.admission)
  draft.session = session
  collect(draft, result.outputs, world)
}

/** Why no more sessions, or questions about them, are taken. */
function fullness(
  session: SignerSession,
  previous: SignerSession | undefined,
  world: DraftWorld,
): string | undefined {
  if (previous === undefined && !world.hasRoom()) return 'rate-limited: too many sessions'
  if (session.phase === 'pairing' && world.pairings() >= PAIRINGS)
    return 'rate-limited: too many connections wait for a decision'
  return undefined
}

function keepWithinBudget(draft: Draft, from: number, author: Pubkey, world: DraftWorld): void {
  if (world.strangers.take(author, world.now)) return
  draft.sends.splice(from)
  draft.drops.push('event/rate-limited')
}

function decide(draft: Draft, given: Extract<LaneInput, { type: 'decide' }>, world: DraftWorld): void {
  const { session, lane } = draft
  const { input, question } = given
  const { id, verdict } = input
  if (session === undefined || lane.questions.get(id) !== question) {
    draft.drops.push('decision/unknown')
    draft.late.add(given)
    return
  }
  if (id !== PAIRING_ID) {
    const pending = Object.hasOwn(session.pending, id) ? session.pending[id] : undefined
    if (pending?.waitingFor === 'decision') {
      const subject = subjectOf(pending.operation, session.userPubkey, world.context.judge)
      record(draft, session.userPubkey, decided(subject, verdict), world)
    } else draft.late.add(given)
    run(draft, session, input, world)
    return
  }
  if (session.phase !== 'pairing') {
    draft.drops.push('decision/unknown')
    draft.late.add(given)
    return
  }
  record(draft, session.userPubkey, decided(null, verdict), world)
  const result = decidePairing(world.admission(), session, verdict, world.now, world.context)
  world.setAdmission(result.admission)
  draft.session = result.session
  collect(draft, result.outputs, world)
}

function decided(subject: AuditSubject | null, { allow, grant, remember }: Verdict): AuditDeed {
  const granted: readonly Permission[] = allow ? (grant ?? []) : []
  return { type: 'decided', subject, allow, granted, ...(remember !== undefined && { remember }) }
}

function setPolicy(draft: Draft, input: Extract<LaneInput, { type: 'set-policy' }>, world: DraftWorld): void {
  const { session } = draft
  if (session === undefined || session.phase === 'revoked') return
  try {
    const policy = input.make(session.policy)
    if (policy === undefined) throw new UsageError('return the policy, or null for none')
    if (policy === session.policy) return
    run(draft, session, { type: 'set-policy', policy }, world)
    record(draft, session.userPubkey, { type: 'policy-changed' }, world)
  } catch (cause) {
    draft.faults.set(input, cause)
  }
}

function complete(
  draft: Draft,
  { input, open }: Extract<LaneInput, { type: 'complete' }>,
  world: DraftWorld,
): void {
  const { session, lane } = draft
  const { id, outcome } = input
  const { rule } = open
  const subject = subjectOf(open.operation, open.userPubkey, world.context.judge)
  const error = outcome.ok ? null : outcome.error
  const pending =
    session !== undefined && Object.hasOwn(session.pending, id) ? session.pending[id] : undefined
  const wanted = session !== undefined && lane.operations.get(id) === open && pending?.waitingFor === 'key'
  // What the key did is on record even if nobody waits for it any more.
  record(draft, open.userPubkey, { type: 'performed', subject, error, delivered: wanted, rule }, world)
  draft.notes.push({ type: 'performed', subject, error, rule })
  if (wanted && session !== undefined) run(draft, session, input, world)
  else draft.drops.push('operation/unknown')
}

function run(
  draft: Draft,
  session: SignerSession,
  input: Parameters<typeof step>[1],
  world: DraftWorld,
  lasting = true,
): void {
  const next = step(session, input, world.now, world.context)
  draft.session = next.session
  collect(draft, next.outputs, world, lasting)
}

function collect(draft: Draft, outputs: readonly SignerOutput[], world: DraftWorld, lasting = true): void {
  for (const output of outputs) {
    switch (output.type) {
      case 'send':
        pushSend(draft, output.id, output.relays, output.scheme, output.text, lasting)
        break
      case 'ask':
        draft.asks.push({ id: output.id, question: output.question })
        break
      case 'perform':
        draft.performs.push({ id: output.id, operation: output.operation })
        break
      case 'refused':
        refuse(draft, output, world)
        break
      case 'readmit':
        admitTo(draft, output.arrival, draft.session, world)
        break
      case 'ended':
        end(draft, output.reason, world)
        break
      case 'ignored':
        draft.drops.push(output.reason)
        break
    }
  }
}

/** Everybody is told of every refusal; the records of one session take so many in a while. */
function refuse(
  draft: Draft,
  { operation, error, rule }: Extract<SignerOutput, { type: 'refused' }>,
  world: DraftWorld,
): void {
  const { session } = draft
  if (session === undefined) return
  const subject = subjectOf(operation, session.userPubkey, world.context.judge)
  draft.notes.push({ type: 'refused', subject, error, rule })
  const { since } = draft.refusals
  if (world.now - since >= REFUSALS_WINDOW_MS || world.now < since) {
    tally(draft, world)
    draft.refusals = { since: world.now, recorded: 0, omitted: 0 }
  }
  const { refusals } = draft
  if (refusals.recorded >= REFUSALS_RECORDED) {
    draft.refusals = { ...refusals, omitted: refusals.omitted + 1 }
    return
  }
  draft.refusals = { ...refusals, recorded: refusals.recorded + 1 }
  record(draft, session.userPubkey, { type: 'refused', subject, error, rule }, world)
}

function tally(draft: Draft, world: DraftWorld): void {
  const { session, refusals } = draft
  const { since, omitted: count } = refusals
  if (session === undefined || count === 0) return
  record(draft, session.userPubkey, { type: 'refusals-omitted', count, since }, world)
  draft.refusals = { ...refusals, omitted: 0 }
}

/**
 * A session that logged out or never was one is forgotten; one that was ended from here is remembered for a while, to be
 * told so, and one that was refused with its refusal, so that nobody is asked the same twice.
 */
function end(draft: Draft, reason: EndReason, world: DraftWorld): void {
  const { session } = draft
  if (session === undefined) return
  tally(draft, world)
  record(draft, session.userPubkey, { type: 'session-ended', reason }, world)
  draft.notes.push({ type: 'ended', session, reason })
  const { token, clientPubkey } = session
  if (token !== null && !token.startsWith('open:')) {
    const admission = world.admission()
    if (admission.offers[token]?.usedBy === clientPubkey) world.setAdmission(forgetOffer(admission, token))
  }
  if (reason === 'logout' || reason === 'client-never-came') {
    draft.session = undefined
    return
  }
  const bare = { ...session, pending: {}, held: [], granted: [], requested: [] }
  draft.session = reason === 'refused' ? bare : { ...bare, ledger: { chunks: [], chars: 0 } }
}

function noticeOpening(draft: Draft, before: SignerSession | undefined, world: DraftWorld): void {
  const { session } = draft
  if (session === undefined || session === before) return
  const isOpen = session.phase === 'open' || session.phase === 'unconfirmed'
  const wasOpen = before?.phase === 'open' || before?.phase === 'unconfirmed'
  if (isOpen && !(wasOpen && before.token === session.token)) {
    const { userPubkey, scheme, granted, requested, metadata } = session
    record(draft, userPubkey, { type: 'session-opened', scheme, granted, requested, metadata }, world)
    draft.notes.push({ type: 'opened', session })
  } else if (before?.phase === 'unconfirmed' && session.phase === 'open') {
    draft.notes.push({ type: 'confirmed', session })
  }
}

function noticeReuse(draft: Draft, arrival: Arrival, admission: Admission): void {
  const secret = connectSecret(arrival)
  if (secret === undefined) return
  const token = tokenKey(secret, arrival.to)
  const offer = Object.hasOwn(admission.offers, token) ? admission.offers[token] : undefined
  if (offer?.usedBy !== undefined && offer.usedBy !== null && offer.usedBy !== arrival.from)
    draft.notes.push({ type: 'token-reused' })
}

function requestIdOf(arrival: Arrival): RequestId {
  const parsed = parseRequest(arrival.text, { acceptNative: true })
  return parsed.ok ? parsed.value.id : ''
}

function connectSecret(arrival: Arrival): string | undefined {
  const parsed = parseRequest(arrival.text, { acceptNative: true })
  if (!parsed.ok || parsed.value.method !== 'connect') return undefined
  const secret = parsed.value.params[1]
  return secret === undefined || secret === '' ? undefined : secret
}

function record(draft: Draft, userPubkey: Pubkey, deed: AuditDeed, world: DraftWorld): void {
  const { signerPubkey, clientPubkey } = draft.lane
  draft.audit.push({ at: world.now, signerPubkey, clientPubkey, userPubkey, ...deed })
}

function pushSend(
  draft: Draft,
  requestId: RequestId,
  relays: readonly RelayUrl[],
  scheme: Scheme,
  text: string,
  lasting = true,
): void {
  draft.sends.push({ requestId, relays, scheme, text, lasting })
}

/** The id inside a response that core wrote. */
export function idOf(text: string): RequestId {
  const { id } = JSON.parse(text) as { readonly id: unknown }
  return typeof id === 'string' ? id.slice(0, limits.REQUEST_ID_CHARS) : ''
}
