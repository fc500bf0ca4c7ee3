/**
 * Strangers within a draft: a connect with a token becomes a session, if there is room and the stranger's budget allows it.
 * Never answers a stranger beyond that budget.
 */

import { encodeResponse, type Pubkey, parseRequest, type RequestId } from '@nip46/core'
import {
  type Admission,
  type AdmissionStep,
  type Arrival,
  admit,
  type SignerOutput,
  type SignerSession,
  tokenKey,
} from '@nip46/core/remote-signer'
import { type Draft, type DraftWorld, idOf, pushSend } from './draft.ts'
import { PAIRINGS } from './limits.ts'

/** A connect with a token: of a stranger, or of a client that has a session and presents another one. Returns what its new session wants. */
export function admitTo(
  draft: Draft,
  arrival: Arrival,
  previous: SignerSession | undefined,
  world: DraftWorld,
): readonly SignerOutput[] {
  const admission = world.admission()
  const result: AdmissionStep = admit(admission, arrival, world.now, world.context, previous)
  if (result.dropped !== undefined) draft.drops.push(result.dropped)
  const { session, reply } = result
  if (reply !== undefined) {
    world.setAdmission(result.admission)
    const sent = draft.sends.length
    pushSend(draft, idOf(reply), [arrival.relay], arrival.scheme, reply)
    if (previous === undefined) keepWithinBudget(draft, sent, arrival.from, world)
    if (draft.sends.length > sent) noticeReuse(draft, arrival, admission)
  }
  if (session === undefined) return []
  const full = fullness(session, previous, world)
  if (full !== undefined) {
    const sent = draft.sends.length
    const text = encodeResponse({ type: 'error', id: requestIdOf(arrival), error: full })
    pushSend(draft, requestIdOf(arrival), [arrival.relay], arrival.scheme, text)
    keepWithinBudget(draft, sent, arrival.from, world)
    return []
  }
  if (session.phase === 'pairing' && !world.strangers.take(arrival.from, world.now)) {
    draft.drops.push('event/rate-limited')
    return []
  }
  world.setAdmission(result.admission)
  draft.session = session
  return result.outputs
}

/** Why no more sessions, or questions about them, are taken. */
function fullness(
  session: SignerSession,
  previous: SignerSession | undefined,
  world: DraftWorld,
): string | undefined {
  if (previous === undefined && !world.hasRoom()) return 'rate-limited: too many sessions'
  if (session.phase === 'pairing' && world.pairings() >= PAIRINGS)
    return 'rate-limited: too many connections wait for a decision'
  return undefined
}

/** Takes back what was sent since `from` if this author was answered often enough. */
export function keepWithinBudget(draft: Draft, from: number, author: Pubkey, world: DraftWorld): void {
  if (world.strangers.take(author, world.now)) return
  draft.sends.splice(from)
  draft.drops.push('event/rate-limited')
}

function noticeReuse(draft: Draft, arrival: Arrival, admission: Admission): void {
  const secret = connectSecret(arrival)
  if (secret === undefined) return
  const token = tokenKey(secret, arrival.to)
  const offer = Object.hasOwn(admission.offers, token) ? admission.offers[token] : undefined
  if (offer?.usedBy !== undefined && offer.usedBy !== null && offer.usedBy !== arrival.from)
    draft.notes.push({ type: 'token-reused' })
}

function requestIdOf(arrival: Arrival): RequestId {
  const parsed = parseRequest(arrival.text, { acceptNative: true })
  return parsed.ok ? parsed.value.id : ''
}

function connectSecret(arrival: Arrival): string | undefined {
  const parsed = parseRequest(arrival.text, { acceptNative: true })
  if (!parsed.ok || parsed.value.method !== 'connect') return undefined
  const secret = parsed.value.params[1]
  return secret === undefined || secret === '' ? undefined : secret
}
