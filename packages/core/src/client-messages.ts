/**
 * What a client makes of a message: an answer, a page to visit, junk.
 * Never throws on what a peer sent, and never opens a page.
 */

import { noticeClock } from './client-clock.ts'
import { close, unpair } from './client-end.ts'
import { changesUser, endGuard, IDENTITY_CHANGED, provesSecret, receiveOffer } from './client-handshake.ts'
import { conclude } from './client-outcomes.ts'
import { change } from './client-requests.ts'
import {
  alert,
  CLOSED,
  type ClientInput,
  ignore,
  type PendingRequest,
  pendingOf,
  type Work,
} from './client-state.ts'
import { AUTH_MS } from './client-waits.ts'
import { classifyRemoteError } from './failure.ts'
import { parseWebUrl } from './host.ts'
import { AUTH_URL_CHARS, AUTH_URLS_PER_REQUEST } from './limits.ts'
import { readIncoming } from './message.ts'
import { err, ok, type RequestId } from './value.ts'

export function receive(work: Work, input: Extract<ClientInput, { type: 'message' }>): void {
  const { profile, remoteSigner } = work
  const { from, scheme, createdAt, text } = input
  if (scheme !== profile.scheme) return ignore(work, 'transport/scheme')
  const read = readIncoming(text)
  if (!read.ok) return ignore(work, read.error)
  if (remoteSigner === null) return receiveOffer(work, from, read.value)
  if (from !== remoteSigner) {
    if (work.guardUntil === null || !provesSecret(read.value, work.secret))
      return ignore(work, 'event/author')
    endGuard(work)
    return alert(work, 'connect/two-signers')
  }
  const { id, isRequest, request, authUrl, error, result } = read.value
  const pending = pendingOf(work, id)
  noticeClock(work, createdAt, pending?.queuedAt)
  if (isRequest) {
    // A client answers no requests, but a remote signer of the 2023 dialect may end the session with one.
    const ends = request?.method === 'disconnect' && profile.era === 'A0'
    return ends ? close(work, CLOSED) : ignore(work, 'request/unexpected')
  }
  // What never went out cannot be answered.
  if (pending === undefined || pending.sends === 0)
    return ignore(work, work.settled.includes(id) ? 'response/late' : 'response/unknown-id')
  if (authUrl !== undefined) return receiveAuthUrl(work, id, pending, authUrl)
  if (error === undefined) {
    const { own, method } = pending
    const changed = !own && method === 'get_public_key' && changesUser(work, result)
    return conclude(work, id, pending, changed ? err(IDENTITY_CHANGED) : ok(result))
  }
  const reason = classifyRemoteError(error)
  // By our own prefix `unauthorized:`, which is about the connection (a policy says `denied:`), or by words in the field.
  if (work.phase === 'ready' && (error.startsWith('unauthorized: ') || reason === 'session-invalid'))
    return unpair(work, { code: 'session/unpaired', message: error, reason: 'session-invalid' })
  conclude(work, id, pending, err({ code: 'remote/error', message: error, reason }))
}

function receiveAuthUrl(work: Work, id: RequestId, pending: PendingRequest, url: string): void {
  const { authUrls, own, method } = pending
  // Of the machine's own requests a person may have to approve these two, and login waits for them.
  if (own && method !== 'connect' && method !== 'get_public_key') return ignore(work, 'auth/unexpected')
  if (authUrls.length >= AUTH_URLS_PER_REQUEST) return ignore(work, 'auth/too-many')
  if (authUrls.includes(url)) return ignore(work, 'auth/repeated')
  // Nothing to slip by a reader.
  const fit = url.length <= AUTH_URL_CHARS && !/\s/.test(url)
  const origin = fit ? parseWebUrl(url, work.allowLoopbackAuth)?.origin : undefined
  if (origin === undefined) {
    const message = 'the remote signer asked to open a URL that is not https'
    return conclude(work, id, pending, err({ code: 'auth/url', message }))
  }
  const expiresAt = Math.max(pending.expiresAt, work.now + AUTH_MS)
  change(work, id, { authUrls: [...authUrls, url], expiresAt, sendAt: null })
  work.outputs.push({ type: 'auth-url', id, url, origin })
}
