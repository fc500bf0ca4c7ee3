/**
 * A session that waits for somebody to decide whether there shall be one.
 * Never answers a request before the decision.
 */

import { EMPTY_LEDGER } from './ledger.ts'
import { SESSION_RELAYS } from './limits.ts'
import { encodeResponse, parseRequest, type Request } from './message.ts'
import type { ClientMetadata } from './metadata.ts'
import type { Permission } from './permission.ts'
import type { JsonValue } from './port.ts'
import { signerProfile } from './profile.ts'
import { digestRequest } from './secret.ts'
import { CHALLENGED_DECISION_MS, DECISION_MS } from './signer-operations.ts'
import { reply, send } from './signer-replies.ts'
import { serve } from './signer-requests.ts'
import {
  type Arrival,
  confirm,
  ignored,
  PAIRING_ID,
  type SignerContext,
  type SignerOutput,
  type SignerSession,
  type SignerStep,
} from './signer-state.ts'
import type { Millis, Pubkey, RelayUrl, RequestId } from './value.ts'

const HELD_REQUESTS = 8

/** A session as admission makes it. */
export function newSession(facts: {
  readonly arrival: Arrival
  readonly userPubkey: Pubkey
  readonly relays: readonly RelayUrl[]
  readonly granted: readonly Permission[]
  readonly policy: JsonValue | null
  readonly requested: readonly Permission[]
  readonly metadata: ClientMetadata | null
  readonly token: string
  readonly decisionTimeoutMs: number | undefined
  readonly now: Millis
}): SignerSession {
  const { arrival, userPubkey, granted, policy, requested, metadata, token, now } = facts
  const { decisionTimeoutMs = DECISION_MS } = facts
  return {
    v: 1,
    signerPubkey: arrival.to,
    clientPubkey: arrival.from,
    userPubkey,
    phase: 'pairing',
    scheme: arrival.scheme,
    // Clients of the NIP-04 eras send what they like; each request is answered in its own shape.
    profile: arrival.scheme === 'nip04' ? signerProfile('SEED', { acceptNative: true }) : signerProfile('E'),
    token,
    granted,
    policy,
    requested,
    metadata,
    relays: facts.relays.slice(0, SESSION_RELAYS),
    previousRelays: [],
    previousUntil: null,
    pairedAt: now,
    decideBy: now + decisionTimeoutMs,
    pairingChallengedAt: null,
    expiresAt: null,
    endsAt: null,
    endingId: null,
    announcement: null,
    pending: {},
    held: [],
    ledger: EMPTY_LEDGER,
    expiryAnsweredAt: null,
  }
}

/** The pairing was allowed: every connect that waited gets its `ack`, every held request is handled now. */
export function openPairing(session: SignerSession, now: Millis, context: SignerContext): SignerStep {
  const { held } = session
  let state: SignerSession = {
    ...session,
    phase: 'open',
    pairedAt: now,
    decideBy: null,
    pairingChallengedAt: null,
    held: [],
  }
  const outputs: SignerOutput[] = []
  for (const { arrival } of held) {
    const parsed = parseRequest(arrival.text, state.profile)
    // A logout among them ends the session for what came after it.
    if (!parsed.ok || state.phase !== 'open') continue
    const next = serve(state, arrival, parsed.value, now, context)
    state = next.session
    outputs.push(...next.outputs)
  }
  return { session: state, outputs }
}

/** The pairing was refused or timed out: everything that waited is answered with `error`. */
export function refusePairing(session: SignerSession, error: string, now: Millis): SignerStep {
  const answered = answerHeld(session, error, now)
  const refused: SignerSession = { ...answered.session, phase: 'revoked', decideBy: null }
  return { session: refused, outputs: [...answered.outputs, { type: 'ended', reason: 'refused' }] }
}

export function answerHeld(session: SignerSession, error: string, now: Millis): SignerStep {
  let state: SignerSession = { ...session, held: [] }
  const outputs: SignerOutput[] = []
  for (const { arrival } of session.held) {
    const parsed = parseRequest(arrival.text, session.profile)
    if (!parsed.ok) continue
    const { id, method, params, native } = parsed.value
    const digest = digestRequest(method, params)
    const next = reply(state, arrival, digest, { type: 'error', id, error }, { now, native, method })
    state = next.session
    outputs.push(...next.outputs)
  }
  return { session: state, outputs }
}

/** Adds what came before the decision; the first one asks the question. */
export function holdForPairing(
  session: SignerSession,
  arrival: Arrival,
  connectId: RequestId | null,
): SignerStep {
  const repeated = session.held.some((held) => connectId !== null && held.connectId === connectId)
  if (repeated) return ignored(session, 'request/repeated')
  if (session.held.length >= HELD_REQUESTS) return ignored(session, 'session/held')
  const held = [...session.held, { arrival, connectId }]
  const state: SignerSession = { ...session, held }
  return { session: state, outputs: session.held.length === 0 ? [pairingQuestion(state)] : [] }
}

export function pairingQuestion(session: SignerSession): SignerOutput {
  const { clientPubkey, requested, metadata, relays, scheme } = session
  const legacyEncryption = scheme === 'nip04'
  return {
    type: 'ask',
    id: PAIRING_ID,
    question: { type: 'connect', clientPubkey, requested, metadata, relays, legacyEncryption },
  }
}

/** Every connect that waits is sent to the page; those that come later wait for the same decision. */
export function challengePairing(session: SignerSession, url: string, now: Millis): SignerStep {
  const { decideBy } = session
  if (decideBy === null || session.pairingChallengedAt !== null) return ignored(session, 'decision/unknown')
  const outputs = session.held.flatMap(({ arrival, connectId: id }) =>
    id === null ? [] : [send(session, id, [arrival.relay], encodeResponse({ type: 'auth-url', id, url }))],
  )
  const later = Math.max(decideBy, now + CHALLENGED_DECISION_MS)
  return { session: { ...session, pairingChallengedAt: now, decideBy: later }, outputs }
}

/** Answers a connect with `ack`; a client that connects is there. */
export function acknowledge(
  session: SignerSession,
  arrival: Arrival,
  { id, method, params, native }: Request,
  now: Millis,
): SignerStep {
  const digest = digestRequest(method, params)
  return reply(
    confirm(session),
    arrival,
    digest,
    { type: 'result', id, result: 'ack' },
    { now, native, method },
  )
}
