/**
 * The session machine of a remote signer, one state for each client: one input at a time.
 * Never holds a key, performs an operation or decides a question: it asks (`ask`, `perform`) and waits for the answer.
 */

import { findAnswer } from './ledger.ts'
import { FRESHNESS_SECONDS } from './limits.ts'
import { parseRequest, type Request, type Response } from './message.ts'
import { digestRequest } from './secret.ts'
import {
  challenge,
  closePending,
  complete,
  decide,
  endOfSecond,
  finish,
  isBeforeRestore,
  question,
} from './signer-operations.ts'
import {
  answerHeld,
  challengePairing,
  holdForPairing,
  pairingQuestion,
  refusePairing,
} from './signer-pairing.ts'
import { answerOnce, isError, repeat, resend, send } from './signer-replies.ts'
import { serve } from './signer-requests.ts'
import {
  type Arrival,
  confirm,
  ignored,
  PAIRING_ID,
  type PendingOperation,
  type SignerContext,
  type SignerInput,
  type SignerOutput,
  type SignerSession,
  type SignerStep,
  type SignerWants,
  union,
} from './signer-state.ts'
import type { Millis, RelayUrl, RequestId } from './value.ts'

/** Pauses before a nostrconnect:// answer is sent again. */
const ANNOUNCE_PAUSES: readonly Millis[] = [2_000, 5_000, 10_000]
const EXPIRED_REPLY_EVERY_MS = 60_000
const SWITCH_OVERLAP_MS = 60_000

/** One input, one new state and what to do about it. Never throws on what a peer sent. */
export function step(
  session: SignerSession,
  input: SignerInput,
  now: Millis,
  context: SignerContext,
): SignerStep {
  // What ran out does so first: a late yes performs nothing, nor does a session past its end.
  if (input.type === 'wake' || !isOverdue(session, now, context)) return advance(session, input, now, context)
  const woken = wake(session, now, context)
  const next = advance(woken.session, input, now, context)
  return { session: next.session, outputs: [...woken.outputs, ...next.outputs] }
}

function isOverdue(session: SignerSession, now: Millis, context: SignerContext): boolean {
  const { phase, expiresAt, endsAt, decideBy, pending } = session
  if (phase === 'revoked') return false
  const past = (time: Millis | null) => time !== null && time <= now
  if (past(expiresAt) || past(endsAt) || past(decideBy)) return true
  return Object.values(pending).some((entry) => lateAnswer(entry, now, context) !== undefined)
}

function advance(
  session: SignerSession,
  input: SignerInput,
  now: Millis,
  context: SignerContext,
): SignerStep {
  switch (input.type) {
    case 'message':
      return receive(session, input.arrival, now, context)
    case 'repeat':
      return repeat(session, input.requestId, input.relay, now)
    case 'decide':
      return decide(session, input.id, input.verdict, now, context)
    case 'challenge':
      return input.id === PAIRING_ID
        ? challengePairing(session, input.url, now)
        : challenge(session, input.id, input.url, now)
    case 'complete':
      return complete(session, input.id, input.outcome, now)
    case 'set-policy':
      return session.phase === 'revoked'
        ? ignored(session, 'session/ended')
        : { session: { ...session, policy: input.policy }, outputs: [] }
    case 'published':
      return published(session, input.id)
    case 'revoke':
      return end(session, 'revoked', 'unauthorized: session revoked', now)
    case 'wake':
      return wake(session, now, context)
  }
}

/** What should hold while this is the state. Recompute after each step; after a restart too. */
export function wants(session: SignerSession): SignerWants {
  if (session.phase === 'revoked') return {}
  const times: Millis[] = []
  if (session.previousUntil !== null) times.push(session.previousUntil)
  if (session.expiresAt !== null) times.push(session.expiresAt)
  if (session.endsAt !== null) times.push(session.endsAt)
  const { announcement } = session
  if (announcement !== null)
    times.push(Math.min(announcement.nextAt ?? announcement.until, announcement.until))
  for (const pending of Object.values(session.pending)) {
    if (pending.waitingFor === 'decision') times.push(pending.expiresAt)
  }
  if (session.decideBy !== null) times.push(session.decideBy)
  const listen = { relays: union(session.relays, session.previousRelays), to: session.signerPubkey }
  return times.length === 0 ? { listen } : { wakeAt: Math.min(...times), listen }
}

/** Questions and operations that were handed out and not answered: hand them out again after a restart, but not after a restore. */
export function outstanding(
  session: SignerSession,
  context: Pick<SignerContext, 'restoredAt'> = {},
): readonly SignerOutput[] {
  const outputs: SignerOutput[] = []
  if (session.phase === 'pairing') outputs.push(pairingQuestion(session))
  for (const [id, pending] of Object.entries(session.pending))
    if (!isBeforeRestore(pending.since, context)) outputs.push(question(session, id, pending))
  return outputs
}

function receive(before: SignerSession, arrival: Arrival, now: Millis, context: SignerContext): SignerStep {
  const parsed = parseRequest(arrival.text, before.profile)
  if (!parsed.ok) {
    const problem = parsed.error
    // The answer to our own connect request (2023 dialect) has no method: it confirms, and asks for nothing.
    if (problem.type === 'drop' && before.phase === 'unconfirmed' && problem.code === 'request/method') {
      return { session: confirm(before), outputs: [] }
    }
    if (problem.type === 'drop') return ignored(before, problem.code)
    if (before.phase !== 'open' && before.phase !== 'unconfirmed') return ignored(before, 'session/ended')
    return answerOnce(confirm(before), arrival, { type: 'error', id: problem.id, error: problem.error })
  }
  const request = parsed.value
  const late = lateness(arrival, now, context)
  if (late !== undefined) {
    if (before.expiryAnsweredAt !== null && now - before.expiryAnsweredAt < EXPIRED_REPLY_EVERY_MS) {
      return ignored(before, 'event/expired')
    }
    const response: Response = { type: 'error', id: request.id, error: late }
    return answerOnce({ ...before, expiryAnsweredAt: now }, arrival, response)
  }
  if (before.phase === 'revoked' || before.phase === 'ending')
    return receiveEnded(before, arrival, request, now)
  if (before.phase === 'pairing') {
    return holdForPairing(before, arrival, request.method === 'connect' ? request.id : null)
  }
  return serve(noticeRelay(confirm(before), arrival.relay, now), arrival, request, now, context)
}

function receiveEnded(session: SignerSession, arrival: Arrival, request: Request, now: Millis): SignerStep {
  const { id, method, params } = request
  // A logout whose ack was lost gets it again while the session is ending.
  if (session.phase === 'ending') return repeat(session, id, arrival.relay, now)
  if (method !== 'connect') {
    return answerOnce(session, arrival, { type: 'error', id, error: 'unauthorized: session revoked' })
  }
  // The same connect again after its refusal: nobody is asked twice. An old `ack` is not repeated.
  const answer = findAnswer(session.ledger, id, now)
  const refused =
    answer !== undefined && answer.digest === digestRequest(method, params) && isError(answer.text)
  return refused
    ? resend(session, id, arrival.relay, now)
    : { session, outputs: [{ type: 'readmit', arrival }] }
}

/** Both directions: a clock that runs ahead is as wrong as one that is behind. */
function lateness(arrival: Arrival, now: Millis, context: SignerContext): string | undefined {
  if (isBeforeRestore(endOfSecond(arrival.createdAt), context)) return `expired: ${RESTORED}`
  const age = Math.floor(now / 1_000) - arrival.createdAt
  if (Math.abs(age) <= FRESHNESS_SECONDS) return undefined
  return age > 0
    ? `expired: request is ${age} s old (limit ${FRESHNESS_SECONDS} s)`
    : `expired: request is ${-age} s in the future (limit ${FRESHNESS_SECONDS} s)`
}

const RESTORED = 'this remote signer was restored from a backup since then, send a new request'

/** Why a request that waits is answered now, if it is. */
function lateAnswer(
  { waitingFor, expiresAt, since }: PendingOperation,
  now: Millis,
  context: SignerContext,
): string | undefined {
  if (isBeforeRestore(since, context)) return `expired: ${RESTORED}`
  return waitingFor === 'decision' && expiresAt <= now ? 'timeout: no approval' : undefined
}

/** A client heard on a new relay has moved; the old ones are kept a little longer. */
function noticeRelay(session: SignerSession, relay: RelayUrl, now: Millis): SignerSession {
  if (
    session.previousUntil === null ||
    session.previousRelays.includes(relay) ||
    !session.relays.includes(relay)
  ) {
    return session
  }
  return { ...session, previousUntil: Math.min(session.previousUntil, now + SWITCH_OVERLAP_MS) }
}

/** Once a relay has the answer to a logout, the session is over. */
function published(session: SignerSession, id: RequestId): SignerStep {
  if (session.phase !== 'ending' || session.endingId !== id) return { session, outputs: [] }
  return loggedOut(session)
}

function loggedOut(session: SignerSession): SignerStep {
  return {
    session: { ...session, phase: 'revoked', endsAt: null, endingId: null },
    outputs: [{ type: 'ended', reason: 'logout' }],
  }
}

function wake(session: SignerSession, now: Millis, context: SignerContext): SignerStep {
  if (session.phase === 'revoked') return { session, outputs: [] }
  if (session.expiresAt !== null && session.expiresAt <= now) {
    return end(session, 'expired', 'unauthorized: session expired', now)
  }
  if (session.endsAt !== null && session.endsAt <= now) return loggedOut(session)
  if (session.decideBy !== null && session.decideBy <= now)
    return refusePairing(session, 'timeout: no approval', now)
  let state = session
  const outputs: SignerOutput[] = []
  if (state.previousUntil !== null && state.previousUntil <= now) {
    state = { ...state, previousRelays: [], previousUntil: null }
  }
  const { announcement } = state
  if (announcement !== null && state.phase === 'unconfirmed') {
    if (announcement.until <= now) {
      const ended: SignerOutput = { type: 'ended', reason: 'client-never-came' }
      return { session: { ...state, phase: 'revoked', announcement: null }, outputs: [ended] }
    }
    if (announcement.nextAt !== null && announcement.nextAt <= now) {
      for (const text of announcement.texts) outputs.push(send(state, announcement.id, [], text))
      const pause = ANNOUNCE_PAUSES[announcement.sends]
      const nextAt = pause === undefined ? null : now + pause
      state = { ...state, announcement: { ...announcement, sends: announcement.sends + 1, nextAt } }
    }
  }
  for (const [id, pending] of Object.entries(state.pending)) {
    const error = lateAnswer(pending, now, context)
    if (error === undefined) continue
    const late = finish(state, id, pending, { type: 'error', id, error }, now)
    state = late.session
    outputs.push(...late.outputs)
  }
  return { session: state, outputs }
}

/** Ends a session: what waits is answered, nothing is performed any more. */
function end(session: SignerSession, reason: 'revoked' | 'expired', error: string, now: Millis): SignerStep {
  if (session.phase === 'revoked') return { session, outputs: [] }
  const closed = closePending(session, error, now)
  const answered = answerHeld(closed.session, error, now)
  const ended: SignerSession = {
    ...answered.session,
    phase: 'revoked',
    decideBy: null,
    endsAt: null,
    endingId: null,
    announcement: null,
  }
  return { session: ended, outputs: [...closed.outputs, ...answered.outputs, { type: 'ended', reason }] }
}
