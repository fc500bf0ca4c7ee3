/**
 * Requests of a client on their way: queued, sent, sent again, settled once.
 * Never sends again what might be done twice, and never settles twice.
 */

import {
  CLOSED,
  type ClientInput,
  type ClientState,
  type Draft,
  isKnown,
  LOGGED_OUT,
  listenRelays,
  type PendingRequest,
  pendingOf,
  UNPAIRED,
  type Work,
} from './client-state.ts'
import type { Failure } from './failure.ts'
import { CLIENT_PENDING, CLIENT_SETTLED, MESSAGE_BYTES_OUT, REQUEST_SENDS } from './limits.ts'
import { encodeRequest, type Json } from './message.ts'
import { isRepeatable } from './method.ts'
import type { ClientProfile } from './profile.ts'
import { isLongerThan } from './utf8.ts'
import { err, type Millis, type RelayUrl, type RequestId, type Result, UsageError } from './value.ts'

/** Ids kept for the machine's own requests; with fewer it asks for more. */
export const SPARE_IDS = 4
const REQUEST_MS = 60_000
/** When methods that no human decides on are sent again unanswered. */
const QUIET_PAUSES: readonly Millis[] = [15_000, 20_000]

/** A request of the caller: taken, or settled at once. Throws `UsageError` on an id or time that can never work. */
export function startRequest(work: Work, input: Extract<ClientInput, { type: 'request' }>): void {
  const { id, timeoutMs = REQUEST_MS } = input
  checkId(id)
  if (!Number.isFinite(timeoutMs) || timeoutMs < 0)
    throw new UsageError('timeoutMs is a number of milliseconds from 0')
  if (isKnown(work.state, id)) throw new UsageError('this request id was used before')
  const failure = whyNot(work.state, input)
  if (failure === undefined) queue(work, id, { ...input, origin: 'caller', timeoutMs })
  else settle(work, id, err(failure))
}

/** Remote signers in the field take all of these. */
export function checkId(id: RequestId): void {
  if (!/^[A-Za-z0-9-]{1,64}$/.test(id))
    throw new UsageError('an id is 1 to 64 of A-Z a-z 0-9 and -: use 32 random hex characters')
}

function whyNot(
  { phase, pending }: ClientState,
  request: Extract<ClientInput, { type: 'request' }>,
): Failure | undefined {
  if (phase === 'closed') return CLOSED
  if (phase === 'unpaired') return UNPAIRED
  if (phase === 'logging-out') return LOGGED_OUT
  if (Object.keys(pending).length >= CLIENT_PENDING)
    return { code: 'request/busy', message: `more than ${CLIENT_PENDING} requests in flight` }
  if (!isLongerThan(encodeRequest(request), MESSAGE_BYTES_OUT)) return undefined
  const message = `the request is larger than ${MESSAGE_BYTES_OUT} bytes`
  return { code: 'request/too-large', message }
}

type Wish = Pick<PendingRequest, 'method' | 'params' | 'origin'> & {
  readonly timeoutMs: number
  readonly only?: readonly RelayUrl[]
}

function queue({ state, now }: Pick<Work, 'state' | 'now'>, id: RequestId, wish: Wish): void {
  const { method, params, origin, timeoutMs, only = null } = wish
  put(state, id, {
    method,
    params,
    origin,
    queuedAt: now,
    expiresAt: now + timeoutMs,
    sends: 0,
    sentAt: null,
    sentOn: [],
    accepted: false,
    outage: false,
    resendAt: null,
    authUrls: [],
    only,
  })
}

/** Starts a request of the machine's own. Without a spare id it waits until the shell brought some. */
export function startOwn(
  work: Pick<Work, 'state' | 'now'>,
  method: string,
  timeoutMs: number,
  more: { readonly params?: readonly string[]; readonly only?: readonly RelayUrl[] } = {},
): RequestId | undefined {
  const [id, ...ids] = work.state.ids
  if (id === undefined) return undefined
  work.state.ids = ids
  queue(work, id, { method, params: [], origin: 'machine', timeoutMs, ...more })
  return id
}

/** Sends what waits for a relay or for the handshake, and what is due again. */
export function sendQueued(work: Work): void {
  const { state, now } = work
  if (state.live.length === 0) return
  for (const [id, pending] of Object.entries(state.pending)) {
    if (pending.origin === 'caller' && state.phase !== 'ready') continue
    if (pending.sentAt !== null && (pending.resendAt === null || pending.resendAt > now)) continue
    if (maySendAgain(pending, state.profile)) sendNow(work, id, pending)
    else change(work, id, pending, { resendAt: null })
  }
}

/**
 * Once a relay took it, or the remote signer has shown a page, only what can be done twice without harm is sent twice.
 * A signature over the same template is the same event, but a person might be asked again: after an outage only.
 */
export function maySendAgain(pending: PendingRequest, profile: ClientProfile): boolean {
  if (pending.sends >= REQUEST_SENDS || pending.authUrls.length > 0) return false
  if (!pending.accepted || isHarmless(pending)) return true
  return pending.method === 'sign_event' && pending.outage && profile.resendSignEvent === 'after-outage'
}

/** A second connect with the same secret is refused at worst. */
export function isHarmless({ method }: PendingRequest): boolean {
  return isRepeatable(method) || method === 'connect'
}

function sendNow(work: Work, id: RequestId, pending: PendingRequest): void {
  const { state, outputs, now } = work
  if (state.remoteSigner === null) return
  const relays = pending.only ?? listenRelays(state)
  // A slow answer to most methods means that a person is deciding; these few no person decides on.
  const quiet = /^(?:ping|get_public_key|switch_relays|describe)$/.test(pending.method)
  const pause = quiet ? QUIET_PAUSES[pending.sends] : undefined
  change(work, id, pending, {
    sends: pending.sends + 1,
    outage: false,
    sentAt: now,
    sentOn: relays,
    resendAt: pause === undefined ? null : now + pause,
  })
  const { scheme } = state.profile
  const text = encodeRequest({ ...pending, id })
  outputs.push({ type: 'send', id, to: state.remoteSigner, relays, scheme, text, kind: 'request' })
}

/** Plans one more copy, or leaves an earlier plan in place. */
export function sendAgain(work: Work, id: RequestId, pending: PendingRequest, at: Millis): void {
  change(work, id, pending, { resendAt: Math.min(pending.resendAt ?? at, at) })
}

export function change(
  { state }: Work,
  id: RequestId,
  pending: PendingRequest,
  changes: Partial<PendingRequest>,
): PendingRequest {
  const changed = { ...pending, ...changes }
  put(state, id, changed)
  return changed
}

function put(state: Draft, id: RequestId, pending: PendingRequest): void {
  state.pending = { ...state.pending, [id]: pending }
}

/** Ends a request: for the caller's ones the one word that it waits for. */
export function settle({ state, outputs }: Work, id: RequestId, outcome: Result<Json, Failure>): void {
  const pending = pendingOf(state, id)
  const { [id]: _, ...rest } = state.pending
  state.pending = rest
  state.settled = [...state.settled, id].slice(-CLIENT_SETTLED)
  if (pending?.origin !== 'machine') outputs.push({ type: 'settle', id, outcome })
}
