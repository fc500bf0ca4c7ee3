/**
 * From the first word of a remote signer to a session that is ready: who it is, and who the user is.
 * Never believes anybody but the key of the token, or whoever proves the secret of the offer.
 */

import { close } from './client-end.ts'
import { askRelays } from './client-relays.ts'
import { startOwn } from './client-requests.ts'
import { alert, ignore, type PendingRequest, type Work } from './client-state.ts'
import { GUARD_MS, IDENTIFY_MS, SWITCH_GATE_MS } from './client-waits.ts'
import type { Failure } from './failure.ts'
import { encodeResult, type Incoming, type Json } from './message.ts'
import { isPubkey } from './pubkey.ts'
import { sameSecret } from './secret.ts'
import type { Pubkey, Result } from './value.ts'

export const IDENTITY_CHANGED: Failure = {
  code: 'session/identity-changed',
  message: 'the remote signer answers for another user than expected',
}

/** While an offer is on show everybody may write: only the secret counts, everything else leaves the wait as it is. */
export function receiveOffer(work: Work, from: Pubkey, incoming: Incoming): void {
  const { profile, relays, outputs, now } = work
  const { id, isRequest } = incoming
  const legacy = profile.allowLegacyAck && !isRequest && saidOf(incoming) === 'ack'
  if (!legacy && !provesSecret(incoming, work.secret)) return ignore(work, 'connect/secret')
  if (isRequest) {
    const { scheme } = profile
    outputs.push({
      ...{ type: 'send', id, to: from, relays, scheme },
      ...{ text: encodeResult(id, 'ack'), kind: 'response' },
    })
  }
  work.remoteSigner = from
  work.guardUntil = now + GUARD_MS
  // Its word can come before the relay's EOSE: from here on the wait for a live relay counts anew.
  work.downSince = null
  greet(work)
}

export function provesSecret(incoming: Incoming, secret: string | null): boolean {
  return isSecret(saidOf(incoming), secret)
}

/** What it says as a response, or as signers before 2026-05 do, as a request: connect(<their pubkey>, <secret>). */
function saidOf({ isRequest, request, error, result }: Incoming): Json | undefined {
  if (isRequest) return request?.method === 'connect' ? request.params[1] : undefined
  return error === undefined ? result : undefined
}

function isSecret(said: Json | undefined, secret: string | null): boolean {
  return secret !== null && typeof said === 'string' && sameSecret(said, secret)
}

/** The watch for a second remote signer is over, and the secret good for nothing more. */
export function endGuard(work: Work): void {
  work.guardUntil = work.secret = null
}

export function connected(work: Work, outcome: Result<Json, Failure>, { sends }: PendingRequest): void {
  const { secret, profile } = work
  work.secret = null
  if (!outcome.ok) {
    // Sent twice, the first may have spent the secret: asking who the user is tells whether we are in.
    if (sends < 2 || outcome.error.code !== 'remote/error') return close(work, outcome.error)
    work.refusal = outcome.error
    return identify(work)
  }
  const said = outcome.value
  // Before 2023-12 the answer was null.
  if (said === 'ack' || isSecret(said, secret) || (said === null && profile.era !== 'E')) greet(work)
  else
    close(work, {
      code: 'connect/secret',
      message: 'the remote signer answered connect with neither ack nor our secret',
    })
}

function greet(work: Work): void {
  tellConnected(work)
  if (!work.profile.switchRelays) return identify(work)
  askRelays(work)
  work.phase = 'switching'
  work.deadline = work.now + SWITCH_GATE_MS
}

export function identify(work: Work): void {
  work.phase = 'identifying'
  work.deadline = null
  startOwn(work, 'get_public_key', IDENTIFY_MS)
}

export function identified(work: Work, outcome: Result<Json, Failure>): void {
  const { refusal, profile, remoteSigner, outputs } = work
  let userPubkey: Json = remoteSigner
  if (outcome.ok) userPubkey = outcome.value
  else if (refusal !== null || !profile.userPubkeyFallback || outcome.error.reason !== 'unsupported')
    return close(work, refusal ?? outcome.error)
  if (!isPubkey(userPubkey))
    return close(work, { code: 'response/pubkey', message: 'the remote signer named no valid user pubkey' })
  if (changesUser(work, userPubkey)) return close(work, IDENTITY_CHANGED)
  if (refusal !== null) tellConnected(work)
  Object.assign(work, { phase: 'ready', userPubkey, refusal: null })
  outputs.push({ type: 'ready', userPubkey })
}

/** The user of a session never changes; another answer is not believed. */
export function changesUser(work: Work, said: Json): boolean {
  if (work.userPubkey === null || said === work.userPubkey || !isPubkey(said)) return false
  alert(work, 'session/identity-changed')
  return true
}

function tellConnected({ remoteSigner, outputs }: Work): void {
  if (remoteSigner !== null) outputs.push({ type: 'connected', remoteSigner })
}
