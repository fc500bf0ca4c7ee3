/**
 * Requests of a client on their way: queued, sent, sent again, settled once.
 * Never sends again what might be done twice, and never settles twice.
 */

import {
  type ClientInput,
  LOGGED_OUT,
  listenRelays,
  type PendingRequest,
  pendingOf,
  UNPAIRED,
  type Work,
  withPending,
} from './client-state.ts'
import type { Failure } from './failure.ts'
import { CLIENT_PENDING, CLIENT_SETTLED, MESSAGE_BYTES_OUT, REQUEST_SENDS } from './limits.ts'
import { encodeRequest, type Json } from './message.ts'
import { isRepeatable } from './method.ts'
import type { ClientProfile } from './profile.ts'
import { utf8Length } from './utf8.ts'
import { err, type Millis, type RelayUrl, type RequestId, type Result, UsageError } from './value.ts'

/** What an id of ours may look like; remote signers in the field take all of these. */
export const REQUEST_ID: RegExp = /^[A-Za-z0-9-]{1,64}$/
/** Ids kept for the machine's own requests; with fewer it asks for more. */
export const SPARE_IDS = 4
const REQUEST_MS = 60_000
/** When methods that no human decides on are sent again unanswered. */
const QUIET_PAUSES: readonly Millis[] = [15_000, 20_000]

/** A request of the caller: taken, or settled at once. Throws `UsageError` on an id or time that can never work. */
export function startRequest(
  work: Work,
  input: Extract<ClientInput, { type: 'request' }>,
  now: Millis,
): void {
  const { id, method, params, timeoutMs = REQUEST_MS } = input
  if (!REQUEST_ID.test(id))
    throw new UsageError('a request id is 1 to 64 of A-Z a-z 0-9 and -: use 32 random hex characters')
  if (!Number.isFinite(timeoutMs) || timeoutMs < 0)
    throw new UsageError('timeoutMs is a number of milliseconds from 0')
  const { state } = work
  if (Object.hasOwn(state.pending, id) || state.settled.includes(id))
    throw new UsageError('this request id was used before')
  if (state.phase === 'closed') {
    settle(work, id, err({ code: 'closed', message: 'this session is closed' }))
    return
  }
  if (state.phase === 'unpaired') {
    settle(work, id, err(UNPAIRED))
    return
  }
  if (state.phase === 'logging-out') {
    settle(work, id, err({ code: 'logged-out', message: 'the session is being ended' }))
    return
  }
  if (Object.keys(state.pending).length >= CLIENT_PENDING) {
    settle(work, id, err({ code: 'request/busy', message: `more than ${CLIENT_PENDING} requests in flight` }))
    return
  }
  if (utf8Length(encodeRequest({ id, method, params })) > MESSAGE_BYTES_OUT) {
    const message = `the request is larger than ${MESSAGE_BYTES_OUT} bytes and would not fit into one event`
    settle(work, id, err({ code: 'request/too-large', message }))
    return
  }
  work.state = withPending(state, id, request(method, params, 'caller', now, timeoutMs))
}

export function request(
  method: string,
  params: readonly string[],
  origin: PendingRequest['origin'],
  now: Millis,
  timeoutMs: number,
  only: readonly RelayUrl[] | null = null,
): PendingRequest {
  return {
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
  }
}

/** Starts a request of the machine's own. Without a spare id it waits until the shell brought some. */
export function startOwn(
  work: Work,
  method: string,
  now: Millis,
  timeoutMs: number,
  only: readonly RelayUrl[] | null = null,
): RequestId | undefined {
  const [id, ...ids] = work.state.ids
  if (id === undefined) return undefined
  work.state = withPending({ ...work.state, ids }, id, request(method, [], 'machine', now, timeoutMs, only))
  return id
}

/** Stops waiting for an answer to a request of the machine's own. */
export function dropOwn(work: Work, id: RequestId): void {
  if (pendingOf(work.state, id) !== undefined) settle(work, id, err(LOGGED_OUT))
}

/** Sends what waits for a relay or for the handshake, and what is due again. */
export function sendQueued(work: Work, now: Millis): void {
  if (work.state.live.length === 0 || work.state.remoteSigner === null) return
  for (const [id, pending] of Object.entries(work.state.pending)) {
    if (pending.origin === 'caller' && work.state.phase !== 'ready') continue
    if (pending.sentAt === null) sendNow(work, id, pending, now)
    else if (pending.resendAt !== null && pending.resendAt <= now) {
      if (maySendAgain(pending, work.state.profile)) sendNow(work, id, pending, now)
      else work.state = withPending(work.state, id, { ...pending, resendAt: null })
    }
  }
}

/**
 * Once a relay took it, or the remote signer has shown a page, only what can be done twice without harm is sent twice.
 * A signature over the same template is the same event, but a person might be asked again: after an outage only.
 */
export function maySendAgain(pending: PendingRequest, profile: ClientProfile): boolean {
  if (pending.sends >= REQUEST_SENDS || pending.authUrls.length > 0) return false
  if (!pending.accepted || isRepeatable(pending.method) || pending.method === 'connect') return true
  return pending.method === 'sign_event' && pending.outage && profile.resendSignEvent === 'after-outage'
}

function sendNow(work: Work, id: RequestId, pending: PendingRequest, now: Millis): void {
  const { remoteSigner, profile } = work.state
  if (remoteSigner === null) return
  const relays = pending.only ?? listenRelays(work.state)
  work.state = withPending(work.state, id, {
    ...pending,
    sends: pending.sends + 1,
    outage: false,
    sentAt: now,
    sentOn: relays,
    resendAt: quietResend(pending, now),
  })
  const text = encodeRequest({ id, method: pending.method, params: pending.params })
  work.outputs.push({
    type: 'send',
    id,
    to: remoteSigner,
    relays,
    scheme: profile.scheme,
    text,
    kind: 'request',
  })
}

/** A slow answer to most methods means that a person is deciding; these few no person decides on. */
function quietResend(pending: PendingRequest, now: Millis): Millis | null {
  if (!['ping', 'get_public_key', 'switch_relays', 'describe'].includes(pending.method)) return null
  const pause = QUIET_PAUSES[pending.sends]
  return pause === undefined || pending.authUrls.length > 0 ? null : now + pause
}

/** Plans one more copy, or leaves an earlier plan in place. */
export function sendAgain(work: Work, id: RequestId, pending: PendingRequest, at: Millis): void {
  const resendAt = pending.resendAt === null ? at : Math.min(pending.resendAt, at)
  work.state = withPending(work.state, id, { ...pending, resendAt })
}

/** Ends a request: for the caller's ones the one word that it waits for. */
export function settle(work: Work, id: RequestId, outcome: Result<Json, Failure>): void {
  const pending = pendingOf(work.state, id)
  const { [id]: _, ...rest } = work.state.pending
  work.state = { ...work.state, pending: rest, settled: [...work.state.settled, id].slice(-CLIENT_SETTLED) }
  if (pending?.origin !== 'machine') work.outputs.push({ type: 'settle', id, outcome })
}
