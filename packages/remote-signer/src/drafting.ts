/**
 * Steps a lane: calls core's machines with its inputs, in order, and writes down in a draft what they want.
 * Never touches the outside.
 */

import { type Permission, type RequestId, UsageError, type Verdict } from '@nip46/core'
import {
  type Arrival,
  type AuditDeed,
  type AuditSubject,
  decidePairing,
  forgetOffer,
  PAIRING_ID,
  type SignerOutput,
  type SignerSession,
  step,
} from '@nip46/core/remote-signer'
import { admitTo, keepWithinBudget } from './admitting.ts'
import { type Draft, type DraftWorld, emptyDraft, pushSend, record, subjectOf } from './draft.ts'
import type { Lane, LaneInput } from './lane.ts'
import { refuse, tally } from './refusals.ts'
import type { EndReason } from './signer-event.ts'

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
  if (before === undefined) collect(draft, admitTo(draft, arrival, undefined, world), world)
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
        collect(draft, admitTo(draft, output.arrival, draft.session, world), world)
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
