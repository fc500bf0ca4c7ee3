/**
 * What a client makes of a message: an answer, a page to visit, junk.
 * Never throws on what a peer sent, and never opens a page.
 */

import { noticeClock } from './client-clock.ts'
import { close, fail, unpair } from './client-end.ts'
import {
  connected,
  enterIdentifying,
  IDENTITY_CHANGED,
  identified,
  provesSecret,
  receiveOffer,
} from './client-handshake.ts'
import { provenRelays, takeRelays } from './client-relays.ts'
import { settle } from './client-requests.ts'
import {
  type ClientIgnored,
  type ClientInput,
  LOGGED_OUT,
  type PendingRequest,
  pendingOf,
  UNPAIRED,
  type Work,
  withPending,
} from './client-state.ts'
import { classifyRemoteError, type Failure } from './failure.ts'
import { parseWebUrl } from './host.ts'
import { AUTH_URL_CHARS, AUTH_URLS_PER_REQUEST } from './limits.ts'
import { type Json, looksLikeRequest, parseResponse, type Response, readRequest } from './message.ts'
import { isPubkey } from './pubkey.ts'
import { err, type Millis, ok, type Result } from './value.ts'

const AUTH_MS = 300_000

export function receive(work: Work, input: Extract<ClientInput, { type: 'message' }>, now: Millis): void {
  const { state } = work
  const { from, scheme, createdAt, text } = input
  const ignore = (code: ClientIgnored) => void work.outputs.push({ type: 'ignored', code })
  if (scheme !== state.profile.scheme) return ignore('transport/scheme')
  if (state.remoteSigner === null) return receiveOffer(work, from, text, now)
  if (from !== state.remoteSigner) {
    const second = state.guardUntil !== null && state.secret !== null && provesSecret(text, state.secret)
    if (second === false) return ignore('event/author')
    work.state = { ...state, guardUntil: null, secret: null }
    work.outputs.push({ type: 'alert', code: 'connect/two-signers' })
    return
  }
  const parsed = parseResponse(text)
  const pending = parsed.ok ? pendingOf(state, parsed.value.id) : undefined
  noticeClock(work, createdAt, pending?.queuedAt, now)
  if (!parsed.ok) return ignore(parsed.error)
  if (looksLikeRequest(text)) return receiveRequest(work, text, ignore)
  const response = parsed.value
  // What never went out cannot be answered.
  if (pending === undefined || pending.sentAt === null) {
    return ignore(state.settled.includes(response.id) ? 'response/late' : 'response/unknown-id')
  }
  if (state.phase === 'ready' && response.type === 'error' && meansUnpaired(response.error)) {
    const { code } = UNPAIRED
    const failure: Failure = { code, message: response.error, reason: 'session-invalid' }
    settle(work, response.id, err(failure))
    return unpair(work)
  }
  if (response.type === 'auth-url') return receiveAuthUrl(work, response, pending, now, ignore)
  if (pending.origin === 'machine') return receiveOwn(work, response, pending, now)
  const outcome = checkIdentity(work, pending, outcomeOf(response))
  settle(work, response.id, outcome)
  if (pending.method === 'switch_relays') takeRelays(work, outcome, now)
}

/** By our own prefix `unauthorized:`, which is about the connection (a policy says `denied:`), or by words in the field. */
function meansUnpaired(error: string): boolean {
  return error.startsWith('unauthorized: ') || classifyRemoteError(error) === 'session-invalid'
}

/** The user of a session never changes; another answer is not believed. */
function checkIdentity(
  work: Work,
  { method }: PendingRequest,
  outcome: Result<Json, Failure>,
): Result<Json, Failure> {
  const { userPubkey } = work.state
  if (method !== 'get_public_key' || userPubkey === null || !outcome.ok || outcome.value === userPubkey)
    return outcome
  if (typeof outcome.value !== 'string' || !isPubkey(outcome.value)) return outcome
  work.outputs.push({ type: 'alert', code: 'session/identity-changed' })
  return err(IDENTITY_CHANGED)
}

function outcomeOf(response: Response): Result<Json, Failure> {
  switch (response.type) {
    case 'result':
      return ok(response.result)
    case 'native-result':
      return ok(response.value)
    case 'error':
      return err({
        code: 'remote/error',
        message: response.error,
        reason: classifyRemoteError(response.error),
      })
    case 'auth-url':
      return err({ code: 'auth/url', message: 'the remote signer wants a page opened' })
  }
}

/** A client answers no requests, but a remote signer of the 2023 dialect may end the session with one. */
function receiveRequest(work: Work, text: string, ignore: (code: ClientIgnored) => void): void {
  if (readRequest(text)?.method !== 'disconnect' || work.state.profile.era !== 'A0')
    return ignore('request/unexpected')
  close(work, 'closed', { code: 'closed', message: 'the remote signer ended the session' })
}

function receiveAuthUrl(
  work: Work,
  response: Extract<Response, { type: 'auth-url' }>,
  pending: PendingRequest,
  now: Millis,
  ignore: (code: ClientIgnored) => void,
): void {
  const { id, url } = response
  // Of the machine's own requests a person may have to approve these two, and login waits for them.
  const gatesLogin = ['connect', 'get_public_key'].includes(pending.method) && pending.origin === 'machine'
  if (pending.origin === 'machine' && !gatesLogin) return ignore('auth/unexpected')
  if (pending.authUrls.length >= AUTH_URLS_PER_REQUEST) return ignore('auth/too-many')
  if (pending.authUrls.includes(url)) return ignore('auth/repeated')
  const origin = webOrigin(url, work.state.allowLoopbackAuth)
  if (origin === undefined) {
    const failure: Failure = {
      code: 'auth/url',
      message: 'the remote signer asked to open a URL that is not https',
    }
    return gatesLogin ? fail(work, failure) : settle(work, id, err(failure))
  }
  const expiresAt = Math.max(pending.expiresAt, now + AUTH_MS)
  work.state = withPending(work.state, id, {
    ...pending,
    authUrls: [...pending.authUrls, url],
    expiresAt,
    resendAt: null,
  })
  if (gatesLogin) work.state = { ...work.state, deadline: Math.max(work.state.deadline ?? 0, expiresAt) }
  work.outputs.push({ type: 'auth-url', id, url, origin })
}

/** Answers to connect, switch_relays, get_public_key, ping and logout, as the machine itself asked them. */
function receiveOwn(
  work: Work,
  response: Exclude<Response, { type: 'auth-url' }>,
  pending: PendingRequest,
  now: Millis,
): void {
  const outcome = outcomeOf(response)
  settle(work, response.id, outcome)
  switch (pending.method) {
    case 'connect':
      return connected(work, outcome, pending, now)
    case 'switch_relays':
      takeRelays(work, outcome, now)
      if (work.state.phase === 'switching') enterIdentifying(work, now)
      return
    case 'get_public_key':
      return identified(work, outcome)
    case 'ping':
      return provenRelays(work, response.id, outcome, now)
    default:
      if (work.state.phase === 'logging-out') close(work, 'logged-out', LOGGED_OUT)
  }
}

/** The origin of a URL that may be shown: https, or http to this machine where that is allowed; no credentials, nothing to slip by a reader. */
function webOrigin(url: string, allowLoopback: boolean): string | undefined {
  if (url.length > AUTH_URL_CHARS || /\s/.test(url)) return undefined
  return parseWebUrl(url, allowLoopback)?.origin
}
