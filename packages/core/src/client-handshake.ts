/**
 * From the first word of a remote signer to a session that is ready: who it is, and who the user is.
 * Never believes anybody but the key of the token, or whoever proves the secret of the offer.
 */

import { fail } from './client-end.ts'
import { askRelays } from './client-relays.ts'
import { startOwn } from './client-requests.ts'
import { isAsked, type PendingRequest, type Work } from './client-state.ts'
import type { Failure } from './failure.ts'
import { encodeResult, type Json, looksLikeRequest, parseResponse, readRequest } from './message.ts'
import { isPubkey } from './pubkey.ts'
import { sameSecret } from './secret.ts'
import type { Millis, Pubkey, Result } from './value.ts'

/** Login waits no longer than this for switch_relays; a later answer still counts. */
const SWITCH_GATE_MS = 1_500
export const IDENTIFY_MS = 30_000
const GUARD_MS = 30_000
export const IDENTITY_CHANGED: Failure = {
  code: 'session/identity-changed',
  message: 'the remote signer answers for another user than expected',
}

/** While an offer is on show everybody may write: only the secret counts, everything else leaves the wait as it is. */
export function receiveOffer(work: Work, from: Pubkey, text: string, now: Millis): void {
  const { secret, relays, profile } = work.state
  const parsed = parseResponse(text)
  if (!parsed.ok) {
    work.outputs.push({ type: 'ignored', code: parsed.error })
    return
  }
  const response = parsed.value
  const asRequest = looksLikeRequest(text)
  const legacy =
    profile.allowLegacyAck && !asRequest && response.type === 'result' && response.result === 'ack'
  if (secret === null || !(legacy || provesSecret(text, secret))) {
    work.outputs.push({ type: 'ignored', code: 'connect/secret' })
    return
  }
  if (asRequest) {
    const { scheme } = profile
    const answer = encodeResult(response.id, 'ack')
    work.outputs.push({
      type: 'send',
      id: response.id,
      to: from,
      relays,
      scheme,
      text: answer,
      kind: 'response',
    })
  }
  bind(work, from, now)
}

/** The secret as a response, or as signers before 2026-05 say it, as a request: connect(<their pubkey>, <secret>). */
export function provesSecret(text: string, secret: string): boolean {
  if (looksLikeRequest(text)) {
    const request = readRequest(text)
    return request?.method === 'connect' && sameSecret(request.params[1] ?? '', secret)
  }
  const response = parseResponse(text)
  return response.ok && response.value.type === 'result' && sameSecret(response.value.result, secret)
}

function bind(work: Work, remoteSigner: Pubkey, now: Millis): void {
  // Its word can come before the relay's EOSE: from here on the wait for a live relay counts anew.
  const downSince = work.state.live.length === 0 ? now : null
  work.state = { ...work.state, remoteSigner, deadline: null, guardUntil: now + GUARD_MS, downSince }
  work.outputs.push({ type: 'connected', remoteSigner })
  enterSwitching(work, now)
}

export function connected(
  work: Work,
  outcome: Result<Json, Failure>,
  pending: PendingRequest,
  now: Millis,
): void {
  const { remoteSigner, secret } = work.state
  if (remoteSigner === null) return
  if (!outcome.ok) {
    // Sent twice, the first may have spent the secret: asking who the user is tells whether we are in.
    const asked = pending.sends > 1 && startOwn(work, 'get_public_key', now, IDENTIFY_MS) !== undefined
    if (!asked) return fail(work, outcome.error)
    work.state = { ...work.state, deadline: now + IDENTIFY_MS, refusal: outcome.error }
    return
  }
  const said = outcome.value
  const proven = said === 'ack' || (typeof said === 'string' && secret !== null && sameSecret(said, secret))
  // Before 2023-12 the answer was null.
  if (!proven && !(said === null && work.state.profile.era !== 'E')) {
    return fail(work, {
      code: 'connect/secret',
      message: 'the remote signer answered connect with neither ack nor our secret',
    })
  }
  work.state = { ...work.state, secret: null, deadline: null }
  work.outputs.push({ type: 'connected', remoteSigner })
  enterSwitching(work, now)
}

function enterSwitching(work: Work, now: Millis): void {
  if (!work.state.profile.switchRelays || !askRelays(work, now)) return enterIdentifying(work, now)
  work.state = { ...work.state, phase: 'switching', deadline: now + SWITCH_GATE_MS }
}

export function enterIdentifying(work: Work, now: Millis): void {
  work.state = { ...work.state, phase: 'identifying', deadline: now + IDENTIFY_MS }
  askUser(work, now)
}

export function askUser(work: Work, now: Millis): void {
  if (!isAsked(work.state, 'get_public_key')) startOwn(work, 'get_public_key', now, IDENTIFY_MS)
}

export function identified(work: Work, outcome: Result<Json, Failure>): void {
  const { state } = work
  const { refusal, remoteSigner } = state
  if ((state.phase !== 'identifying' && refusal === null) || remoteSigner === null) return
  let userPubkey: Pubkey
  if (outcome.ok) {
    if (typeof outcome.value !== 'string' || !isPubkey(outcome.value)) {
      return fail(work, { code: 'response/pubkey', message: 'the remote signer named no valid user pubkey' })
    }
    userPubkey = outcome.value
  } else if (refusal !== null) return fail(work, refusal)
  else if (state.profile.userPubkeyFallback && outcome.error.reason === 'unsupported')
    userPubkey = remoteSigner
  else return fail(work, outcome.error)
  if (state.userPubkey !== null && state.userPubkey !== userPubkey) {
    work.outputs.push({ type: 'alert', code: 'session/identity-changed' })
    return fail(work, IDENTITY_CHANGED)
  }
  if (refusal !== null) work.outputs.push({ type: 'connected', remoteSigner })
  const secret = state.guardUntil === null ? null : state.secret
  work.state = { ...work.state, phase: 'ready', userPubkey, secret, refusal: null, deadline: null }
  work.outputs.push({ type: 'ready', userPubkey })
}
