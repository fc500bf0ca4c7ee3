/**
 * The session machine of a remote signer, one state for each client.
 * Never holds a key, performs an operation or decides a question: it asks (`ask`, `perform`) and waits for the answer.
 */

import { connectProblem, tokenKey } from './connect-request.ts'
import { EMPTY_LEDGER, findAnswer, type Ledger, recordAnswer } from './ledger.ts'
import {
  ANSWER_RESENDS,
  FRESHNESS_SECONDS,
  MESSAGE_BYTES_OUT,
  SESSION_PENDING,
  SESSION_RELAYS,
} from './limits.ts'
import {
  type EncodeResponseOptions,
  encodeResponse,
  parseRequest,
  parseResponse,
  type Request,
  type Response,
} from './message.ts'
import type { ClientMetadata } from './metadata.ts'
import { isOperationMethod, type Operation, parseOperation, type UserRelays } from './method.ts'
import { covers, isCriticalKind, mergePermissions, neverSignedReason, type Permission } from './permission.ts'
import type { Question, Verdict } from './port.ts'
import { type SignerProfile, signerProfile } from './profile.ts'
import { digestRequest } from './secret.ts'
import { dropLoneSlash } from './url.ts'
import { utf8Length } from './utf8.ts'
import type { Millis, Pubkey, RelayUrl, RequestId, Result, Scheme, Seconds } from './value.ts'

/** A decrypted request and the facts of its carrier. */
export interface Arrival {
  readonly from: Pubkey
  readonly to: Pubkey
  readonly eventId: string
  readonly createdAt: Seconds
  readonly scheme: Scheme
  readonly relay: RelayUrl
  readonly text: string
}

export type SignerPhase =
  /** Connect came, somebody decides. */
  | 'pairing'
  /** We answered a nostrconnect:// offer and have not heard the client yet. */
  | 'unconfirmed'
  | 'open'
  /** Logged out; the answer is still being delivered. */
  | 'ending'
  | 'revoked'

/** JSON. Holds answers (perhaps plaintexts), so keep it as you would a session cookie; never holds a key. */
export interface SignerSession {
  readonly v: 1
  readonly signerPubkey: Pubkey
  readonly clientPubkey: Pubkey
  readonly userPubkey: Pubkey
  readonly phase: SignerPhase
  /** Fixed at connect. A message in the other scheme is dropped by the envelope. */
  readonly scheme: Scheme
  readonly profile: SignerProfile
  /** The token it was paired with: see `tokenKey`. */
  readonly token: string | null
  /** What needs no question. */
  readonly granted: readonly Permission[]
  /** What the client asked for: shown, never granted by itself. */
  readonly requested: readonly Permission[]
  readonly metadata: ClientMetadata | null
  readonly relays: readonly RelayUrl[]
  /** After a switch, the relays before it, while the client may still be there. */
  readonly previousRelays: readonly RelayUrl[]
  readonly previousUntil: Millis | null
  readonly pairedAt: Millis
  /** With `pairing`: when nobody has decided in time. */
  readonly decideBy: Millis | null
  /** With `pairing`: when an auth_url went out for it. A second one would make a deployed client fail the connection. */
  readonly pairingChallengedAt: Millis | null
  readonly expiresAt: Millis | null
  /** With `ending`: when the session goes even if no relay took the answer. */
  readonly endsAt: Millis | null
  /** With `ending`: the logout whose answer is being delivered. */
  readonly endingId: RequestId | null
  readonly announcement: Announcement | null
  readonly pending: { readonly [id: RequestId]: PendingOperation }
  /** Requests that came before the pairing was decided. */
  readonly held: readonly HeldRequest[]
  readonly ledger: Ledger
  readonly expiryAnsweredAt: Millis | null
}

/** Our answer to a nostrconnect:// offer, repeated until the client is heard. */
export interface Announcement {
  readonly id: RequestId
  readonly texts: readonly string[]
  readonly sends: number
  readonly nextAt: Millis | null
  readonly until: Millis
}

export interface PendingOperation {
  readonly operation: Operation
  readonly digest: string
  readonly waitingFor: 'decision' | 'key'
  readonly since: Millis
  readonly expiresAt: Millis
  readonly relays: readonly RelayUrl[]
  readonly native: boolean
  /** An auth_url went out. A second one would make a deployed client fail the request. */
  readonly challenged: boolean
  /** What to say if the decision is no. */
  readonly denial: string | null
}

export interface HeldRequest {
  readonly arrival: Arrival
  /** A connect among them is answered once the pairing is decided. */
  readonly connectId: RequestId | null
}

/** What the host knows and one session does not. */
export interface SignerContext {
  /** Relays the host listens on now and wants clients to move to; empty to leave them where they are. */
  readonly preferredRelays: readonly RelayUrl[]
  /** Answered to `get_relays`; without it the method is unknown. */
  readonly userRelays?: UserRelays
  /** Answer `nip44_get_key`, asking each time. Default false. */
  readonly nip44GetKey?: boolean
  /** Whether a key is, or ever was, the client key of a session here: no encryption or decryption with those. */
  readonly isClientPubkey: (pubkey: Pubkey) => boolean
  /** Ask about a client that sends requests without having sent connect (2024-02 text). Default false. */
  readonly implicitConnect?: boolean
  /** How long a decision may take, in milliseconds. Default 60,000; 300,000 once an auth_url went out. */
  readonly decisionTimeoutMs?: number
}

export type SignerInput =
  | { readonly type: 'message'; readonly arrival: Arrival }
  /** An event that was handled before came again; `requestId` is what it asked. */
  | { readonly type: 'repeat'; readonly requestId: RequestId; readonly relay: RelayUrl }
  | { readonly type: 'decide'; readonly id: RequestId; readonly verdict: Verdict }
  /** The person must visit a page first: tell the client, once. */
  | { readonly type: 'challenge'; readonly id: RequestId; readonly url: string }
  | { readonly type: 'complete'; readonly id: RequestId; readonly outcome: Result<string, string> }
  /** A relay took the answer to this request. */
  | { readonly type: 'published'; readonly id: RequestId }
  | { readonly type: 'revoke' }
  | { readonly type: 'wake' }

/** Why a message changed nothing, for counters. */
export type SignerIgnored =
  | 'request/json'
  | 'request/id'
  | 'request/method'
  | 'event/too-large'
  | 'event/expired'
  | 'request/repeated'
  | 'request/resends'
  | 'request/logout-replayed'
  | 'session/ended'
  | 'session/held'
  | 'decision/unknown'
  | 'operation/unknown'

export type SignerOutput =
  | {
      readonly type: 'send'
      /** The request it answers, or the announcement's id. */
      readonly id: RequestId
      readonly to: Pubkey
      readonly relays: readonly RelayUrl[]
      readonly scheme: Scheme
      readonly text: string
    }
  | { readonly type: 'ask'; readonly id: RequestId; readonly question: Question }
  | { readonly type: 'perform'; readonly id: RequestId; readonly operation: Operation }
  /** This connect presents another token than the session's: take it to `admit`, with this session as `previous`. */
  | { readonly type: 'readmit'; readonly arrival: Arrival }
  | {
      readonly type: 'ended'
      readonly reason: 'logout' | 'revoked' | 'expired' | 'client-never-came' | 'refused'
    }
  | { readonly type: 'ignored'; readonly reason: SignerIgnored }

export interface SignerStep {
  readonly session: SignerSession
  readonly outputs: readonly SignerOutput[]
}

export interface SignerWants {
  /** Feed `{ type: 'wake' }` at or after this time. */
  readonly wakeAt?: Millis
  /** Keep a kind 24133 subscription open for this key on these relays. */
  readonly listen?: { readonly relays: readonly RelayUrl[]; readonly to: Pubkey }
}

/** How long old relays are kept after a switch if the client does not show up on a new one. */
const SWITCH_PATIENCE_MS = 86_400_000
const SWITCH_OVERLAP_MS = 60_000
const LOGOUT_GRACE_MS = 5_000
/** A logout older than the pairing by more than this is a replay. */
const LOGOUT_REPLAY_MS = 300_000
const DECISION_MS = 60_000
const CHALLENGED_DECISION_MS = 300_000
/** Pauses before a nostrconnect:// answer is sent again. */
const ANNOUNCE_PAUSES: readonly Millis[] = [2_000, 5_000, 10_000]
const HELD_REQUESTS = 8
const FUTURE_ASK_SECONDS = 3_600
const FUTURE_DENY_SECONDS = 366 * 86_400
const EXPIRED_REPLY_EVERY_MS = 60_000
/** Pending id of the pairing question; request ids of peers are never empty. */
export const PAIRING_ID: RequestId = ''

/** One input, one new state and what to do about it. Never throws on what a peer sent. */
export function step(
  session: SignerSession,
  input: SignerInput,
  now: Millis,
  context: SignerContext,
): SignerStep {
  // What ran out does so first: a late yes performs nothing, nor does a session past its end.
  if (input.type === 'wake' || !isOverdue(session, now)) return advance(session, input, now, context)
  const woken = wake(session, now)
  const next = advance(woken.session, input, now, context)
  return { session: next.session, outputs: [...woken.outputs, ...next.outputs] }
}

function isOverdue(session: SignerSession, now: Millis): boolean {
  const { phase, expiresAt, endsAt, decideBy, pending } = session
  if (phase === 'revoked') return false
  const past = (time: Millis | null) => time !== null && time <= now
  if (past(expiresAt) || past(endsAt) || past(decideBy)) return true
  return Object.values(pending).some((entry) => entry.waitingFor === 'decision' && entry.expiresAt <= now)
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
      return decide(session, input.id, input.verdict, now)
    case 'challenge':
      return input.id === PAIRING_ID
        ? challengePairing(session, input.url, now)
        : challenge(session, input.id, input.url, now)
    case 'complete':
      return complete(session, input.id, input.outcome, now)
    case 'published':
      return published(session, input.id)
    case 'revoke':
      return end(session, 'revoked', 'unauthorized: session revoked', now)
    case 'wake':
      return wake(session, now)
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

/** Questions and operations that were handed out and not answered: hand them out again after a restart. */
export function outstanding(session: SignerSession): readonly SignerOutput[] {
  const outputs: SignerOutput[] = []
  if (session.phase === 'pairing') outputs.push(pairingQuestion(session))
  for (const [id, pending] of Object.entries(session.pending)) outputs.push(question(session, id, pending))
  return outputs
}

// -- becoming a session --------------------------------------------------------------------------

/** A session as admission makes it. */
export function newSession(facts: {
  readonly arrival: Arrival
  readonly userPubkey: Pubkey
  readonly relays: readonly RelayUrl[]
  readonly granted: readonly Permission[]
  readonly requested: readonly Permission[]
  readonly metadata: ClientMetadata | null
  readonly token: string
  readonly decisionTimeoutMs: number | undefined
  readonly now: Millis
}): SignerSession {
  const { arrival, userPubkey, granted, requested, metadata, token, now } = facts
  const { decisionTimeoutMs = DECISION_MS } = facts
  return {
    v: 1,
    signerPubkey: arrival.to,
    clientPubkey: arrival.from,
    userPubkey,
    phase: 'pairing',
    scheme: arrival.scheme,
    // Clients of the NIP-04 eras send what they like; each request is answered in its own shape.
    profile: arrival.scheme === 'nip04' ? signerProfile('SEED', { acceptNative: true }) : signerProfile('E'),
    token,
    granted,
    requested,
    metadata,
    relays: facts.relays.slice(0, SESSION_RELAYS),
    previousRelays: [],
    previousUntil: null,
    pairedAt: now,
    decideBy: now + decisionTimeoutMs,
    pairingChallengedAt: null,
    expiresAt: null,
    endsAt: null,
    endingId: null,
    announcement: null,
    pending: {},
    held: [],
    ledger: EMPTY_LEDGER,
    expiryAnsweredAt: null,
  }
}

/** The pairing was allowed: every connect that waited gets its `ack`, every held request is handled now. */
export function openPairing(session: SignerSession, now: Millis, context: SignerContext): SignerStep {
  const { held } = session
  let state: SignerSession = {
    ...session,
    phase: 'open',
    pairedAt: now,
    decideBy: null,
    pairingChallengedAt: null,
    held: [],
  }
  const outputs: SignerOutput[] = []
  for (const { arrival } of held) {
    const parsed = parseRequest(arrival.text, state.profile)
    // A logout among them ends the session for what came after it.
    if (!parsed.ok || state.phase !== 'open') continue
    const next = serve(state, arrival, parsed.value, now, context)
    state = next.session
    outputs.push(...next.outputs)
  }
  return { session: state, outputs }
}

/** The pairing was refused or timed out: everything that waited is answered with `error`. */
export function refusePairing(session: SignerSession, error: string, now: Millis): SignerStep {
  const answered = answerHeld(session, error, now)
  const refused: SignerSession = { ...answered.session, phase: 'revoked', decideBy: null }
  return { session: refused, outputs: [...answered.outputs, { type: 'ended', reason: 'refused' }] }
}

function answerHeld(session: SignerSession, error: string, now: Millis): SignerStep {
  let state: SignerSession = { ...session, held: [] }
  const outputs: SignerOutput[] = []
  for (const { arrival } of session.held) {
    const parsed = parseRequest(arrival.text, session.profile)
    if (!parsed.ok) continue
    const { id, method, params, native } = parsed.value
    const digest = digestRequest(method, params)
    const next = reply(state, arrival, digest, { type: 'error', id, error }, { now, native, method })
    state = next.session
    outputs.push(...next.outputs)
  }
  return { session: state, outputs }
}

/** Adds what came before the decision; the first one asks the question. */
export function holdForPairing(
  session: SignerSession,
  arrival: Arrival,
  connectId: RequestId | null,
): SignerStep {
  const repeated = session.held.some((held) => connectId !== null && held.connectId === connectId)
  if (repeated) return ignored(session, 'request/repeated')
  if (session.held.length >= HELD_REQUESTS) return ignored(session, 'session/held')
  const held = [...session.held, { arrival, connectId }]
  const state: SignerSession = { ...session, held }
  return { session: state, outputs: session.held.length === 0 ? [pairingQuestion(state)] : [] }
}

function pairingQuestion(session: SignerSession): SignerOutput {
  const { clientPubkey, requested, metadata, relays, scheme } = session
  const legacyEncryption = scheme === 'nip04'
  return {
    type: 'ask',
    id: PAIRING_ID,
    question: { type: 'connect', clientPubkey, requested, metadata, relays, legacyEncryption },
  }
}

// -- messages ------------------------------------------------------------------------------------

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
  const late = lateness(arrival, now)
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

/** A request of a paired client, fresh when it came. */
function serve(
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

/** The same request once more: still open, answered, or another one under an id in use. */
function repeatOf(
  session: SignerSession,
  request: Request,
  digest: string,
  arrival: Arrival,
  now: Millis,
): SignerStep | undefined {
  const { id } = request
  const pending = pendingOf(session, id)
  if (pending !== undefined) {
    if (pending.digest !== digest) {
      return answerOnce(session, arrival, { type: 'error', id, error: 'duplicate: request id in use' })
    }
    const relays = addRelay(pending.relays, arrival.relay)
    const changed = { ...session, pending: withPending(session.pending, id, { ...pending, relays }) }
    return ignored(changed, 'request/repeated')
  }
  const answer = findAnswer(session.ledger, id, now)
  // Deployed clients make short ids: the same id with another body, after the first was answered, is a new request.
  if (answer === undefined || answer.digest !== digest) return undefined
  if (answer.text === null) {
    const error = 'duplicate: answered before, and the answer is no longer kept'
    return answerOnce(session, arrival, { type: 'error', id, error })
  }
  return resend(session, id, arrival.relay, now)
}

/** A handled event came again. From one more relay that is how relays work; from the same relay it asks for the answer. */
function repeat(session: SignerSession, id: RequestId, relay: RelayUrl, now: Millis): SignerStep {
  if (session.phase === 'revoked') return ignored(session, 'session/ended')
  const pending = pendingOf(session, id)
  if (pending !== undefined) {
    const relays = addRelay(pending.relays, relay)
    return ignored(
      { ...session, pending: withPending(session.pending, id, { ...pending, relays }) },
      'request/repeated',
    )
  }
  const answer = findAnswer(session.ledger, id, now)
  if (answer === undefined || answer.text === null) return ignored(session, 'request/repeated')
  if (!answer.relays.includes(relay)) {
    const relays = addRelay(answer.relays, relay)
    return ignored(
      { ...session, ledger: recordAnswer(session.ledger, id, { ...answer, relays }, now) },
      'request/repeated',
    )
  }
  return resend(session, id, relay, now)
}

function resend(session: SignerSession, id: RequestId, relay: RelayUrl, now: Millis): SignerStep {
  const answer = findAnswer(session.ledger, id, now)
  if (answer === undefined || answer.text === null) return ignored(session, 'request/repeated')
  if (answer.resends >= ANSWER_RESENDS) return ignored(session, 'request/resends')
  const relays = addRelay(answer.relays, relay)
  const ledger = recordAnswer(session.ledger, id, { ...answer, relays, resends: answer.resends + 1 }, now)
  return {
    session: { ...session, ledger },
    outputs: [send(session, id, relays, answer.text)],
  }
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
  const judged = judge(session, operation, now, context)
  if (judged.type === 'deny') return sayError(judged.error)
  if (Object.keys(session.pending).length >= SESSION_PENDING)
    return sayError('rate-limited: too many pending requests')
  const pending: PendingOperation = {
    operation,
    digest,
    waitingFor: judged.type === 'allow' ? 'key' : 'decision',
    since: now,
    expiresAt: now + (context.decisionTimeoutMs ?? DECISION_MS),
    relays: [arrival.relay],
    native,
    challenged: false,
    denial: judged.type === 'ask' ? judged.denial : null,
  }
  return {
    session: { ...session, pending: withPending(session.pending, id, pending) },
    outputs: [question(session, id, pending)],
  }
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

type Judgement =
  | { readonly type: 'allow' }
  | { readonly type: 'ask'; readonly denial: string | null }
  | { readonly type: 'deny'; readonly error: string }

/** What needs no person: nothing outside the grants is allowed, and some things never are. */
function judge(session: SignerSession, operation: Operation, now: Millis, context: SignerContext): Judgement {
  if (operation.method !== 'sign_event') {
    // The user key may equal a signer key: with a client's key it would open that client's session.
    if (context.isClientPubkey(operation.peer)) {
      return { type: 'deny', error: 'denied: pubkey belongs to a NIP-46 session' }
    }
    const ask = operation.method === 'nip44_get_key' || covers(session.granted, operation.method) === 'none'
    return ask ? { type: 'ask', denial: null } : { type: 'allow' }
  }
  const { kind, created_at } = operation.template
  const cover = covers(session.granted, 'sign_event', kind)
  const never = neverSignedReason(kind)
  const ungranted =
    cover === 'bare' && isCriticalKind(kind) ? `denied: kind ${kind} needs its own grant` : null
  if (never !== undefined) return { type: 'deny', error: ungranted ?? `denied: ${never}` }
  const ahead = created_at - Math.floor(now / 1_000)
  if (ahead > FUTURE_DENY_SECONDS)
    return { type: 'deny', error: 'denied: created_at is too far in the future' }
  // Kinds that carry authority never fall under a grant that names no kind; a person may still say yes to this one.
  if (ungranted !== null) return { type: 'ask', denial: ungranted }
  // Scheduled posts are legitimate; silent future-dating is not.
  if (cover === 'none' || ahead > FUTURE_ASK_SECONDS) return { type: 'ask', denial: null }
  return { type: 'allow' }
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

// -- decisions, results, time --------------------------------------------------------------------

function decide(session: SignerSession, id: RequestId, verdict: Verdict, now: Millis): SignerStep {
  const pending = pendingOf(session, id)
  if (pending === undefined || pending.waitingFor !== 'decision') return ignored(session, 'decision/unknown')
  if (!verdict.allow) {
    const words = verdict.reason === undefined ? pending.denial : `denied: ${verdict.reason}`
    return finish(
      session,
      id,
      pending,
      { type: 'error', id, error: words ?? 'denied: the user said no' },
      now,
    )
  }
  const remember = pending.operation.method === 'nip44_get_key' ? [] : (verdict.grant ?? [])
  const allowed: PendingOperation = { ...pending, waitingFor: 'key' }
  return {
    session: {
      ...session,
      granted: mergePermissions(session.granted, remember),
      pending: withPending(session.pending, id, allowed),
    },
    outputs: [question(session, id, allowed)],
  }
}

function challenge(session: SignerSession, id: RequestId, url: string, now: Millis): SignerStep {
  const pending = pendingOf(session, id)
  if (pending === undefined || pending.challenged) return ignored(session, 'decision/unknown')
  const expiresAt = Math.max(pending.expiresAt, now + CHALLENGED_DECISION_MS)
  return {
    session: {
      ...session,
      pending: withPending(session.pending, id, { ...pending, challenged: true, expiresAt }),
    },
    outputs: [send(session, id, pending.relays, encodeResponse({ type: 'auth-url', id, url }))],
  }
}

/** Every connect that waits is sent to the page; those that come later wait for the same decision. */
function challengePairing(session: SignerSession, url: string, now: Millis): SignerStep {
  const { decideBy } = session
  if (decideBy === null || session.pairingChallengedAt !== null) return ignored(session, 'decision/unknown')
  const outputs = session.held.flatMap(({ arrival, connectId: id }) =>
    id === null ? [] : [send(session, id, [arrival.relay], encodeResponse({ type: 'auth-url', id, url }))],
  )
  const later = Math.max(decideBy, now + CHALLENGED_DECISION_MS)
  return { session: { ...session, pairingChallengedAt: now, decideBy: later }, outputs }
}

function complete(
  session: SignerSession,
  id: RequestId,
  outcome: Result<string, string>,
  now: Millis,
): SignerStep {
  const pending = pendingOf(session, id)
  if (pending === undefined || pending.waitingFor !== 'key') return ignored(session, 'operation/unknown')
  const response: Response = !outcome.ok
    ? // An empty error text would read as success.
      { type: 'error', id, error: outcome.error === '' ? 'internal: the operation failed' : outcome.error }
    : // Two deployed clients never settle on an empty result.
      outcome.value === ''
      ? { type: 'error', id, error: 'invalid: the plaintext is empty' }
      : { type: 'result', id, result: outcome.value }
  return finish(session, id, pending, response, now)
}

function finish(
  session: SignerSession,
  id: RequestId,
  pending: PendingOperation,
  response: Response,
  now: Millis,
): SignerStep {
  const { [id]: _, ...rest } = session.pending
  const text = encodeWithinLimit(response, { native: pending.native, method: pending.operation.method })
  const answer = { digest: pending.digest, text, at: now, relays: pending.relays, resends: 0 }
  const state = { ...session, pending: rest, ledger: recordAnswer(session.ledger, id, answer, now) }
  return { session: state, outputs: [send(state, id, pending.relays, text)] }
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

function wake(session: SignerSession, now: Millis): SignerStep {
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
    if (pending.waitingFor !== 'decision' || pending.expiresAt > now) continue
    const late = finish(state, id, pending, { type: 'error', id, error: 'timeout: no approval' }, now)
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

/** Answers what waits for a decision or a key. What the key does nevertheless leaves no more. */
export function closePending(session: SignerSession, error: string, now: Millis): SignerStep {
  let state = session
  const outputs: SignerOutput[] = []
  for (const [id, pending] of Object.entries(session.pending)) {
    const done = finish(state, id, pending, { type: 'error', id, error }, now)
    state = done.session
    outputs.push(...done.outputs)
  }
  return { session: state, outputs }
}

// -- helpers -------------------------------------------------------------------------------------

/** Answers a connect with `ack`; a client that connects is there. */
export function acknowledge(
  session: SignerSession,
  arrival: Arrival,
  { id, method, params, native }: Request,
  now: Millis,
): SignerStep {
  const digest = digestRequest(method, params)
  return reply(
    confirm(session),
    arrival,
    digest,
    { type: 'result', id, result: 'ack' },
    { now, native, method },
  )
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

function isError(text: string | null): boolean {
  const parsed = text === null ? undefined : parseResponse(text)
  return parsed?.ok === true && parsed.value.type === 'error'
}

/** Both directions: a clock that runs ahead is as wrong as one that is behind. */
function lateness(arrival: Arrival, now: Millis): string | undefined {
  const age = Math.floor(now / 1_000) - arrival.createdAt
  if (Math.abs(age) <= FRESHNESS_SECONDS) return undefined
  return age > 0
    ? `expired: request is ${age} s old (limit ${FRESHNESS_SECONDS} s)`
    : `expired: request is ${-age} s in the future (limit ${FRESHNESS_SECONDS} s)`
}

function confirm(session: SignerSession): SignerSession {
  return session.phase === 'unconfirmed' ? { ...session, phase: 'open', announcement: null } : session
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

/** An answer that is remembered, so that a repeat gets it again. */
function reply(
  session: SignerSession,
  arrival: Arrival,
  digest: string,
  response: Response,
  {
    now,
    native,
    method,
  }: { readonly now: Millis; readonly native: boolean | undefined; readonly method: string },
): SignerStep {
  const { id } = response
  const text = encodeWithinLimit(response, { native: native === true, method })
  const answer = { digest, text, at: now, relays: [arrival.relay], resends: 0 }
  const ledger = recordAnswer(session.ledger, id, answer, now)
  return { session: { ...session, ledger }, outputs: [send(session, id, [arrival.relay], text)] }
}

/** An answer that is not remembered: to what could not be read, or does not count. */
function answerOnce(session: SignerSession, arrival: Arrival, response: Response): SignerStep {
  return { session, outputs: [send(session, response.id, [arrival.relay], encodeResponse(response))] }
}

/** The answer as text, or a typed error if it would not fit into one event. */
function encodeWithinLimit(response: Response, options: EncodeResponseOptions): string {
  const text = encodeResponse(response, options)
  if (utf8Length(text) <= MESSAGE_BYTES_OUT) return text
  const error = 'too-large: the answer does not fit into one event'
  return encodeResponse({ type: 'error', id: response.id, error }, options)
}

function send(
  session: SignerSession,
  id: RequestId,
  arrivedOn: readonly RelayUrl[],
  text: string,
): SignerOutput {
  const relays = union(arrivedOn, union(session.relays, session.previousRelays))
  return { type: 'send', id, to: session.clientPubkey, relays, scheme: session.scheme, text }
}

function question(session: SignerSession, id: RequestId, pending: PendingOperation): SignerOutput {
  const { operation } = pending
  if (pending.waitingFor === 'key') return { type: 'perform', id, operation }
  return { type: 'ask', id, question: { type: 'operation', clientPubkey: session.clientPubkey, operation } }
}

function methodNames(session: SignerSession, context: SignerContext): readonly string[] {
  const names: string[] = ['connect', 'describe', 'get_public_key', 'logout', 'ping', 'switch_relays']
  names.push('nip04_decrypt', 'nip04_encrypt', 'nip44_decrypt', 'nip44_encrypt', 'sign_event')
  if (context.userRelays !== undefined) names.push('get_relays')
  if (context.nip44GetKey === true) names.push('nip44_get_key')
  if (session.profile.disconnect) names.push('disconnect')
  return names.sort()
}

function ignored(session: SignerSession, reason: SignerIgnored): SignerStep {
  return { session, outputs: [{ type: 'ignored', reason }] }
}

/** Peers choose the ids: `constructor` is one like any other. */
function pendingOf(session: SignerSession, id: RequestId): PendingOperation | undefined {
  return Object.hasOwn(session.pending, id) ? session.pending[id] : undefined
}

/** Peers choose the ids: plain assignment to `__proto__` would set the prototype. */
function withPending(
  pending: SignerSession['pending'],
  id: RequestId,
  entry: PendingOperation,
): SignerSession['pending'] {
  const copy = { ...pending }
  Object.defineProperty(copy, id, { value: entry, enumerable: true, configurable: true, writable: true })
  return copy
}

/** Relays a request came from: as many as a session may use while it switches. */
function addRelay(relays: readonly RelayUrl[], relay: RelayUrl): readonly RelayUrl[] {
  return relays.includes(relay) || relays.length >= 2 * SESSION_RELAYS ? relays : [...relays, relay]
}

function union(a: readonly RelayUrl[], b: readonly RelayUrl[]): readonly RelayUrl[] {
  return b.every((relay) => a.includes(relay)) ? a : [...new Set([...a, ...b])]
}

function sameSet(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((item) => b.includes(item))
}
