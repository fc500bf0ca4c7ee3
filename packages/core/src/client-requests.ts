/**
 * Requests of a client on their way: queued, sent, sent again, settled once.
 * Never sends again what might be done twice, and never settles twice.
 */

import {
  type ClientInput,
  type ClientState,
  type Draft,
  type PendingRequest,
  pendingOf,
  type Work,
} from './client-state.ts'
import { REQUEST_MS } from './client-waits.ts'
import type { Failure } from './failure.ts'
import { CLIENT_PENDING, CLIENT_SETTLED, MESSAGE_BYTES_OUT, REQUEST_SENDS } from './limits.ts'
import { encodeRequest, type Json } from './message.ts'
import { isRepeatable } from './method.ts'
import { isLongerThan } from './utf8.ts'
import { err, type Millis, type RelayUrl, type RequestId, type Result, UsageError } from './value.ts'

/** When methods that no human decides on are sent again unanswered. */
const QUIET_PAUSES: readonly Millis[] = [15_000, 20_000]

/** A request of the caller: taken, or settled at once. Throws `UsageError` on an id or time that can never work. */
export function startRequest(work: Work, input: Extract<ClientInput, { type: 'request' }>): void {
  const { id, method, timeoutMs = REQUEST_MS } = input
  checkId(id)
  if (!Number.isFinite(timeoutMs) || timeoutMs < 0)
    throw new UsageError('timeoutMs is a number of milliseconds from 0')
  if (pendingOf(work, id) !== undefined || work.settled.includes(id))
    throw new UsageError('this request id was used before')
  const text = encodeRequest(input)
  const failure = work.end ?? tooMuch(work, text)
  if (failure === undefined) queue(work, id, { method, text, own: false, proves: null }, timeoutMs)
  else settle(work, id, err(failure))
}

/** Remote signers in the field take all of these. */
export function checkId(id: RequestId): void {
  if (!/^[A-Za-z0-9-]{1,64}$/.test(id))
    throw new UsageError('an id is 1 to 64 of A-Z a-z 0-9 and -: use 32 random hex characters')
}

function tooMuch({ pending }: ClientState, text: string): Failure | undefined {
  if (Object.keys(pending).length >= CLIENT_PENDING)
    return { code: 'request/busy', message: `more than ${CLIENT_PENDING} requests in flight` }
  if (!isLongerThan(text, MESSAGE_BYTES_OUT)) return undefined
  return { code: 'request/too-large', message: `the request is larger than ${MESSAGE_BYTES_OUT} bytes` }
}

type Wish = Pick<PendingRequest, 'method' | 'text' | 'own' | 'proves'>

function queue(work: Draft, id: RequestId, wish: Wish, timeoutMs: number): void {
  const { now } = work
  const times = { queuedAt: now, expiresAt: now + timeoutMs, sendAt: now }
  put(work, id, { ...wish, ...times, sends: 0, accepted: false, outage: false, authUrls: [] })
}

/** Starts a request of the machine's own. */
export function startOwn(
  work: Draft,
  method: string,
  timeoutMs: number,
  params: readonly string[] = [],
  proves: readonly RelayUrl[] | null = null,
): void {
  const id = `${work.seed}-${work.asked++}`
  queue(work, id, { method, text: encodeRequest({ id, method, params }), own: true, proves }, timeoutMs)
}

/** Whether a request has to wait for a relay or for the login, whatever its time. */
export function isHeld({ phase, listen, live }: ClientState, { own, proves }: PendingRequest): boolean {
  return (!own && phase !== 'ready') || !(proves ?? listen).some((relay) => live.includes(relay))
}

/** Sends it or one more copy, if that does no harm. */
export function sendNow(work: Work, id: RequestId, pending: PendingRequest): void {
  const { remoteSigner, profile, listen, outputs, now } = work
  const { method, text, sends, proves } = pending
  if (remoteSigner === null || !maySend(work, pending)) return change(work, id, { sendAt: null })
  // A slow answer to most methods means that a person is deciding; these few no person decides on.
  const quiet = /^(?:ping|get_public_key|switch_relays|describe)$/.test(method)
  const pause = quiet ? QUIET_PAUSES[sends] : undefined
  change(work, id, { sends: sends + 1, outage: false, sendAt: pause === undefined ? null : now + pause })
  const { scheme } = profile
  outputs.push({
    type: 'send',
    id,
    to: remoteSigner,
    relays: proves ?? listen,
    scheme,
    text,
    kind: 'request',
  })
}

/**
 * Once a relay took it, or every relay was lost and one may have taken it without a word, only what can be done twice without harm is
 * sent twice; nothing once the remote signer has shown a page. A signature over the same template is the same event, but a
 * person might be asked again: after an outage only.
 */
function maySend({ profile }: ClientState, pending: PendingRequest): boolean {
  const { method, sends, authUrls, outage, accepted } = pending
  if (sends >= REQUEST_SENDS || authUrls.length > 0) return false
  if (isHarmless(pending)) return true
  return outage ? method === 'sign_event' && profile.resendSignEvent === 'after-outage' : !accepted
}

/** A second connect with the same secret is refused at worst. */
export function isHarmless({ method }: PendingRequest): boolean {
  return isRepeatable(method) || method === 'connect'
}

/** Plans one more copy, or leaves an earlier plan in place. Whether it may be sent is seen when its time has come. */
export function sendAgain(work: Work, id: RequestId, at: Millis): void {
  change(work, id, { sendAt: Math.min(pendingOf(work, id)?.sendAt ?? at, at) })
}

export function change(work: Work, id: RequestId, changes: Partial<PendingRequest>): void {
  const before = pendingOf(work, id)
  if (before !== undefined) put(work, id, { ...before, ...changes })
}

/** Sets a request, or takes it out: in a copy, one for each step. */
function put(work: Draft & { before?: Work['before'] }, id: RequestId, request?: PendingRequest): void {
  const pending: Requests = work.pending === work.before ? copyOf(work.before) : work.pending
  if (request === undefined) delete pending[id]
  else pending[id] = request
  work.pending = pending
}

type Requests = Record<RequestId, PendingRequest>

/**
 * What has no prototype is a hash table to an engine, and stays one: ids never repeat, and each would cost a plain object a hidden class,
 * which takes ten times as long.
 */
function copyOf(requests: ClientState['pending']): Requests {
  const copy: Requests = Object.create(null)
  for (const id of Object.keys(requests)) copy[id] = requests[id] as PendingRequest
  return Object.setPrototypeOf(copy, Object.prototype)
}

/** Ends a request: for the caller's ones the one word that it waits for. */
export function settle(work: Work, id: RequestId, outcome: Result<Json, Failure>): void {
  const own = pendingOf(work, id)?.own
  put(work, id)
  work.settled = [...work.settled, id].slice(-CLIENT_SETTLED)
  if (own !== true) work.outputs.push({ type: 'settle', id, outcome })
}
