/**
 * From the first word of a remote signer to a session that is ready: who it is, and who the user is.
 * Never believes anybody but the key of the token, or whoever proves the secret of the offer.
 */

import { fail } from './client-end.ts'
import { askRelays } from './client-relays.ts'
import { startOwn } from './client-requests.ts'
import { ignore, isAsked, type PendingRequest, type Work } from './client-state.ts'
import type { Failure } from './failure.ts'
import { encodeResult, type Incoming, type Json } from './message.ts'
import { isPubkey } from './pubkey.ts'
import { sameSecret } from './secret.ts'
import type { Pubkey, Result } from './value.ts'

/** Login waits no longer than this for switch_relays; a later answer still counts. */
const SWITCH_GATE_MS = 1_500
export const IDENTIFY_MS = 30_000
const GUARD_MS = 30_000
export const IDENTITY_CHANGED: Failure = {
  code: 'session/identity-changed',
  message: 'the remote signer answers for another user than expected',
}

/** While an offer is on show everybody may write: only the secret counts, everything else leaves the wait as it is. */
export function receiveOffer(work: Work, from: Pubkey, incoming: Incoming): void {
  const { state, outputs, now } = work
  const { allowLegacyAck, scheme } = state.profile
  const { id, isRequest, error } = incoming
  const legacy = allowLegacyAck && !isRequest && error === undefined && incoming.result === 'ack'
  if (!legacy && !provesSecret(incoming, state.secret)) return ignore(work, 'connect/secret')
  if (isRequest) {
    const text = encodeResult(id, 'ack')
    outputs.push({ type: 'send', id, to: from, relays: state.relays, scheme, text, kind: 'response' })
  }
  state.remoteSigner = from
  state.guardUntil = now + GUARD_MS
  // Its word can come before the relay's EOSE: from here on the wait for a live relay counts anew.
  if (state.live.length === 0) state.downSince = now
  enterSwitching(work)
}

/** The secret as a response, or as signers before 2026-05 say it, as a request: connect(<their pubkey>, <secret>). */
export function provesSecret(
  { isRequest, request, error, result }: Incoming,
  secret: string | null,
): boolean {
  const answer = error === undefined ? result : undefined
  return isSecret(isRequest ? request?.method === 'connect' && request.params[1] : answer, secret)
}

function isSecret(said: Json | undefined, secret: string | null): boolean {
  return secret !== null && typeof said === 'string' && sameSecret(said, secret)
}

export function connected(work: Work, outcome: Result<Json, Failure>, { sends }: PendingRequest): void {
  const { state, now } = work
  if (!outcome.ok) {
    // Sent twice, the first may have spent the secret: asking who the user is tells whether we are in.
    const unsure = sends > 1 && outcome.error.code === 'remote/error'
    if (!unsure || startOwn(work, 'get_public_key', IDENTIFY_MS) === undefined)
      return fail(work, outcome.error)
    state.deadline = now + IDENTIFY_MS
    state.refusal = outcome.error
    return
  }
  const said = outcome.value
  const { secret, profile } = state
  // Before 2023-12 the answer was null.
  const proven = said === 'ack' || isSecret(said, secret) || (said === null && profile.era !== 'E')
  if (!proven) {
    return fail(work, {
      code: 'connect/secret',
      message: 'the remote signer answered connect with neither ack nor our secret',
    })
  }
  state.secret = null
  enterSwitching(work)
}

function enterSwitching(work: Work): void {
  const { state, now } = work
  tellConnected(work)
  if (!state.profile.switchRelays || !askRelays(work)) return enterIdentifying(work)
  state.phase = 'switching'
  state.deadline = now + SWITCH_GATE_MS
}

export function enterIdentifying(work: Work): void {
  work.state.phase = 'identifying'
  work.state.deadline = work.now + IDENTIFY_MS
  askUser(work)
}

export function askUser(work: Work): void {
  if (!isAsked(work.state, 'get_public_key')) startOwn(work, 'get_public_key', IDENTIFY_MS)
}

export function identified(work: Work, outcome: Result<Json, Failure>): void {
  const { state, outputs } = work
  const { refusal, profile, remoteSigner } = state
  if (state.phase !== 'identifying' && refusal === null) return
  let userPubkey: Json = remoteSigner
  if (outcome.ok) userPubkey = outcome.value
  else if (refusal !== null || !profile.userPubkeyFallback || outcome.error.reason !== 'unsupported')
    return fail(work, refusal ?? outcome.error)
  if (!isPubkey(userPubkey))
    return fail(work, { code: 'response/pubkey', message: 'the remote signer named no valid user pubkey' })
  if (changesUser(work, userPubkey)) return fail(work, IDENTITY_CHANGED)
  if (refusal !== null) tellConnected(work)
  if (state.guardUntil === null) state.secret = null
  Object.assign(state, { phase: 'ready', userPubkey, refusal: null, deadline: null })
  outputs.push({ type: 'ready', userPubkey })
}

/** The user of a session never changes; another answer is not believed. */
export function changesUser({ state, outputs }: Work, said: Json): boolean {
  if (state.userPubkey === null || said === state.userPubkey || !isPubkey(said)) return false
  outputs.push({ type: 'alert', code: 'session/identity-changed' })
  return true
}

function tellConnected({ state, outputs }: Work): void {
  if (state.remoteSigner !== null) outputs.push({ type: 'connected', remoteSigner: state.remoteSigner })
}
