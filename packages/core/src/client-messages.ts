/**
 * What a client makes of a message: an answer, a page to visit, junk.
 * Never throws on what a peer sent, and never opens a page.
 */

import { noticeClock } from './client-clock.ts'
import { close, fail, unpair } from './client-end.ts'
import { changesUser, IDENTITY_CHANGED, provesSecret, receiveOffer } from './client-handshake.ts'
import { conclude } from './client-outcomes.ts'
import { change, settle } from './client-requests.ts'
import {
  type ClientInput,
  gatesLogin,
  ignore,
  type PendingRequest,
  pendingOf,
  UNPAIRED,
  type Work,
} from './client-state.ts'
import { classifyRemoteError, type Failure } from './failure.ts'
import { parseWebUrl } from './host.ts'
import { AUTH_URL_CHARS, AUTH_URLS_PER_REQUEST } from './limits.ts'
import { readIncoming } from './message.ts'
import { err, ok, type RequestId } from './value.ts'

const AUTH_MS = 300_000

export function receive(work: Work, input: Extract<ClientInput, { type: 'message' }>): void {
  const { state, outputs } = work
  const { from, scheme, createdAt, text } = input
  if (scheme !== state.profile.scheme) return ignore(work, 'transport/scheme')
  const read = readIncoming(text)
  if (state.remoteSigner === null)
    return read.ok ? receiveOffer(work, from, read.value) : ignore(work, read.error)
  if (from !== state.remoteSigner) {
    const second = read.ok && state.guardUntil !== null && provesSecret(read.value, state.secret)
    if (!second) return ignore(work, 'event/author')
    state.guardUntil = state.secret = null
    outputs.push({ type: 'alert', code: 'connect/two-signers' })
    return
  }
  const pending = read.ok ? pendingOf(state, read.value.id) : undefined
  noticeClock(work, createdAt, pending?.queuedAt)
  if (!read.ok) return ignore(work, read.error)
  const { id, isRequest, request, authUrl, error, result } = read.value
  if (isRequest) {
    // A client answers no requests, but a remote signer of the 2023 dialect may end the session with one.
    if (request?.method !== 'disconnect' || state.profile.era !== 'A0')
      return ignore(work, 'request/unexpected')
    return close(work, 'closed', { code: 'closed', message: 'the remote signer ended the session' })
  }
  // What never went out cannot be answered.
  if (pending === undefined || pending.sentAt === null)
    return ignore(work, state.settled.includes(id) ? 'response/late' : 'response/unknown-id')
  if (authUrl !== undefined) return receiveAuthUrl(work, id, pending, authUrl)
  if (error === undefined) {
    const { origin, method } = pending
    const changed = origin === 'caller' && method === 'get_public_key' && changesUser(work, result)
    return conclude(work, id, pending, changed ? err(IDENTITY_CHANGED) : ok(result))
  }
  const reason = classifyRemoteError(error)
  // By our own prefix `unauthorized:`, which is about the connection (a policy says `denied:`), or by words in the field.
  if (state.phase === 'ready' && (error.startsWith('unauthorized: ') || reason === 'session-invalid')) {
    settle(work, id, err({ ...UNPAIRED, message: error, reason: 'session-invalid' }))
    return unpair(work)
  }
  conclude(work, id, pending, err({ code: 'remote/error', message: error, reason }))
}

function receiveAuthUrl(work: Work, id: RequestId, pending: PendingRequest, url: string): void {
  const { state, outputs, now } = work
  const { authUrls, origin: asker } = pending
  const gates = gatesLogin(pending)
  if (asker === 'machine' && !gates) return ignore(work, 'auth/unexpected')
  if (authUrls.length >= AUTH_URLS_PER_REQUEST) return ignore(work, 'auth/too-many')
  if (authUrls.includes(url)) return ignore(work, 'auth/repeated')
  // Nothing to slip by a reader.
  const fit = url.length <= AUTH_URL_CHARS && !/\s/.test(url)
  const origin = fit ? parseWebUrl(url, state.allowLoopbackAuth)?.origin : undefined
  if (origin === undefined) {
    const message = 'the remote signer asked to open a URL that is not https'
    const failure: Failure = { code: 'auth/url', message }
    return gates ? fail(work, failure) : settle(work, id, err(failure))
  }
  const expiresAt = Math.max(pending.expiresAt, now + AUTH_MS)
  change(work, id, pending, { authUrls: [...authUrls, url], expiresAt, resendAt: null })
  if (gates) state.deadline = Math.max(state.deadline ?? 0, expiresAt)
  outputs.push({ type: 'auth-url', id, url, origin })
}
