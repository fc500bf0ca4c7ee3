/**
 * The requests of a paired client, method by method.
 * Never takes a request that was not fresh when it came; signer-session.ts sees to that.
 */

import { connectProblem, tokenKey } from './connect-request.ts'
import { SESSION_PENDING, SESSION_RELAYS, SESSION_UNDECIDED } from './limits.ts'
import type { Request, Response } from './message.ts'
import { isOperationMethod, parseOperation } from './method.ts'
import { digestRequest } from './secret.ts'
import { closePending, DECISION_MS, judge, performedBy, question } from './signer-operations.ts'
import { repeatOf, reply } from './signer-replies.ts'
import {
  type Arrival,
  ignored,
  type PendingOperation,
  type SignerContext,
  type SignerSession,
  type SignerStep,
  sameSet,
  union,
  withPending,
} from './signer-state.ts'
import { dropLoneSlash } from './url.ts'
import type { Millis, RequestId } from './value.ts'

/** How long old relays are kept after a switch if the client does not show up on a new one. */
const SWITCH_PATIENCE_MS = 86_400_000
const LOGOUT_GRACE_MS = 5_000
/** A logout older than the pairing by more than this is a replay. */
const LOGOUT_REPLAY_MS = 300_000

/** A request of a paired client, fresh when it came. */
export function serve(
  session: SignerSession,
  arrival: Arrival,
  request: Request,
  now: Millis,
  context: SignerContext,
): SignerStep {
  const digest = digestRequest(request.method, request.params)
  const repeated = repeatOf(session, request, digest, arrival, now)
  return repeated ?? handle(session, arrival, request, digest, now, context)
}

function handle(
  session: SignerSession,
  arrival: Arrival,
  request: Request,
  digest: string,
  now: Millis,
  context: SignerContext,
): SignerStep {
  const { id, method, params } = request
  const native = request.native === true
  const say = (response: Response, state: SignerSession = session) =>
    reply(state, arrival, digest, response, { now, native, method })
  const sayResult = (result: string, state?: SignerSession) => say({ type: 'result', id, result }, state)
  const sayError = (error: string) => say({ type: 'error', id, error })

  switch (method) {
    case 'ping':
      return sayResult('pong')
    case 'get_public_key':
      return sayResult(session.userPubkey)
    case 'connect':
      return reconnect(session, arrival, request, sayError, sayResult)
    case 'describe':
      return sayResult(JSON.stringify(methodNames(session, context)))
    case 'switch_relays':
      return switchRelays(session, arrival, sayResult, now, context)
    case 'get_relays':
      return context.userRelays === undefined
        ? sayError('unsupported: unknown method')
        : sayResult(JSON.stringify(context.userRelays))
    case 'disconnect':
      return session.profile.disconnect
        ? logout(session, arrival, id, sayResult, now)
        : sayError('unsupported: unknown method')
    case 'logout':
      return logout(session, arrival, id, sayResult, now)
  }
  if (!isOperationMethod(method) || (method === 'nip44_get_key' && context.nip44GetKey !== true)) {
    return sayError('unsupported: unknown method')
  }
  const parsed = parseOperation(method, params, session.userPubkey)
  if (!parsed.ok) return sayError(parsed.error)
  const operation = parsed.value
  const ruling = judge(session, operation, arrival.relay, now, context)
  if (ruling.effect === 'deny') {
    const { error, rule } = ruling
    const said = sayError(error)
    return { ...said, outputs: [...said.outputs, { type: 'refused', id, operation, error, rule }] }
  }
  if (isFull(session, ruling.effect)) return sayError('rate-limited: too many pending requests')
  const pending: PendingOperation = {
    operation,
    digest,
    waitingFor: ruling.effect === 'allow' ? 'key' : 'decision',
    since: now,
    expiresAt: now + (context.decisionTimeoutMs ?? DECISION_MS),
    relays: [arrival.relay],
    native,
    challenged: false,
    denial: ruling.effect === 'ask' ? ruling.denial : null,
    rule: ruling.effect === 'allow' ? ruling.rule : null,
    ...(ruling.effect === 'allow' && performedBy(context)),
  }
  const policy = ruling.effect === 'allow' ? ruling.policy : session.policy
  return {
    session: { ...session, policy, pending: withPending(session.pending, id, pending) },
    outputs: [question(session, id, pending)],
  }
}

/** Work in hand fills up with what a client sends at once; questions, which wait for a person, much sooner. */
function isFull(session: SignerSession, effect: 'allow' | 'ask'): boolean {
  const pending = Object.values(session.pending)
  if (pending.length >= SESSION_PENDING) return true
  if (effect === 'allow' || pending.length < SESSION_UNDECIDED) return false
  return pending.filter(({ waitingFor }) => waitingFor === 'decision').length >= SESSION_UNDECIDED
}

function reconnect(
  session: SignerSession,
  arrival: Arrival,
  request: Request,
  sayError: (error: string) => SignerStep,
  sayResult: (result: string) => SignerStep,
): SignerStep {
  const { signerPubkey, clientPubkey, userPubkey } = session
  const problem = connectProblem(request, { signerPubkey, clientPubkey, userPubkey })
  if (problem !== undefined) return sayError(problem)
  // The same client with the same token again: its first ack was lost, or its app sends connect at every start.
  if (tokenKey(request.params[1], signerPubkey) === session.token) return sayResult('ack')
  return { session, outputs: [{ type: 'readmit', arrival }] }
}

function switchRelays(
  session: SignerSession,
  arrival: Arrival,
  sayResult: (result: string, state?: SignerSession) => SignerStep,
  now: Millis,
  context: SignerContext,
): SignerStep {
  const preferred = context.preferredRelays.slice(0, SESSION_RELAYS)
  const list = JSON.stringify(preferred.map(dropLoneSlash))
  if (preferred.length === 0) return sayResult('null')
  if (sameSet(preferred, session.relays)) {
    // Told before, and still heard on an old relay only: the answer was lost.
    const moved = session.previousUntil === null || !session.previousRelays.includes(arrival.relay)
    return sayResult(moved ? 'null' : list)
  }
  const moving: SignerSession = {
    ...session,
    relays: preferred,
    previousRelays: union(session.relays, session.previousRelays).slice(0, SESSION_RELAYS),
    previousUntil: now + SWITCH_PATIENCE_MS,
  }
  return sayResult(list, moving)
}

function logout(
  session: SignerSession,
  arrival: Arrival,
  id: RequestId,
  sayResult: (result: string, state?: SignerSession) => SignerStep,
  now: Millis,
): SignerStep {
  if (arrival.createdAt * 1_000 < session.pairedAt - LOGOUT_REPLAY_MS)
    return ignored(session, 'request/logout-replayed')
  const closed = closePending(session, 'unauthorized: session revoked', now)
  const said = sayResult('ack', closed.session)
  return {
    session: { ...said.session, phase: 'ending', endsAt: now + LOGOUT_GRACE_MS, endingId: id },
    outputs: [...closed.outputs, ...said.outputs],
  }
}

function methodNames(session: SignerSession, context: SignerContext): readonly string[] {
  const names: string[] = ['connect', 'describe', 'get_public_key', 'logout', 'ping', 'switch_relays']
  names.push('nip04_decrypt', 'nip04_encrypt', 'nip44_decrypt', 'nip44_encrypt', 'sign_event')
  if (context.userRelays !== undefined) names.push('get_relays')
  if (context.nip44GetKey === true) names.push('nip44_get_key')
  if (session.profile.disconnect) names.push('disconnect')
  return names.sort()
}
