/**
 * How a stranger becomes a session: single-use tokens, pairings that wait for a person, offers scanned from a client.
 * Never stores a secret in the clear and never grants what was merely asked for.
 */

import { connectProblem, readWishes, tokenKey } from './connect-request.ts'
import { EMPTY_LEDGER } from './ledger.ts'
import { CONNECT_TRIES_PER_MINUTE, FRESHNESS_SECONDS, OFFERS, PERMS, SESSION_RELAYS } from './limits.ts'
import { encodeRequest, encodeResponse, parseRequest, type RequestProblem } from './message.ts'
import type { NostrConnectOffer } from './nostrconnect-uri.ts'
import { mergePermissions, type Permission } from './permission.ts'
import type { JsonValue, Verdict } from './port.ts'
import { type Era, signerProfile } from './profile.ts'
import { hashSecret } from './secret.ts'
import { closePending, endOfSecond, isBeforeRestore } from './signer-operations.ts'
import { acknowledge, holdForPairing, newSession, openPairing, refusePairing } from './signer-pairing.ts'
import type { Arrival, SignerContext, SignerOutput, SignerSession, SignerStep } from './signer-state.ts'
import { type Millis, type Pubkey, type RelayUrl, type RequestId, type Scheme, UsageError } from './value.ts'

/** One bunker:// token that was handed out. */
export interface Offer {
  readonly signerPubkey: Pubkey
  readonly userPubkey: Pubkey
  readonly relays: readonly RelayUrl[]
  /** What the session may do without asking. */
  readonly granted: readonly Permission[]
  /** The policy it begins with, for the judge. Default null. */
  readonly policy?: JsonValue
  /** `secret`: the secret is enough. `ask`: somebody decides on each connection; always so for a token without a secret. */
  readonly approval: 'secret' | 'ask'
  readonly createdAt: Millis
  readonly expiresAt: Millis
  /** The one client that used it. */
  readonly usedBy: Pubkey | null
  readonly revoked: boolean
}

/** All tokens of a remote signer. JSON; holds hashes of secrets only. */
export interface Admission {
  readonly v: 1
  /** Keyed by `tokenKey`: the hash of the secret, or `open:<signer pubkey>` for a token without one. */
  readonly offers: { readonly [token: string]: Offer }
  /** When connects to a signer key failed in the last minute: past {@link CONNECT_TRIES_PER_MINUTE} there is silence. */
  readonly failures: { readonly [signerPubkey: string]: readonly Millis[] }
}

export const EMPTY_ADMISSION: Admission = { v: 1, offers: {}, failures: {} }

/** The one text for wrong, used, expired, revoked and missing secrets. */
export const SECRET_REFUSED = 'unauthorized: secret invalid or already used'

/**
 * Adds a token. Without a secret anybody who knows the signer's pubkey can ask, so somebody must decide.
 * Throws `UsageError` past {@link OFFERS} tokens that are still alive or in use.
 */
export function addOffer(
  admission: Admission,
  secret: string | null,
  offer: Omit<Offer, 'usedBy' | 'revoked'>,
): Admission {
  const offers: Record<string, Offer> = {}
  for (const [token, known] of Object.entries(admission.offers)) {
    // A used token stays, to tell its owner's retry from a thief's; one that merely ran out goes.
    if (known.usedBy !== null || known.expiresAt > offer.createdAt) offers[token] = known
  }
  const token = tokenKey(secret, offer.signerPubkey)
  const open = secret === null || secret === ''
  const known = offers[token]
  if (!open && known !== undefined && known.usedBy !== null)
    throw new UsageError('this secret was used before: make a fresh one for each token')
  if (known === undefined && Object.keys(offers).length >= OFFERS)
    throw new UsageError(`at most ${OFFERS} offers: forget old ones first`)
  offers[token] = { ...offer, approval: open ? 'ask' : offer.approval, usedBy: null, revoked: false }
  return { ...admission, offers }
}

/** The token can no longer be used; a session that used it goes on. */
export function revokeOffer(admission: Admission, token: string): Admission {
  const offer = Object.hasOwn(admission.offers, token) ? admission.offers[token] : undefined
  if (offer === undefined) return admission
  return { ...admission, offers: { ...admission.offers, [token]: { ...offer, revoked: true } } }
}

/** Forgets a token altogether, for example when its session is forgotten. */
export function forgetOffer(admission: Admission, token: string): Admission {
  const { [token]: _, ...offers } = admission.offers
  return { ...admission, offers }
}

export interface AdmissionStep {
  readonly admission: Admission
  /** The session, open or waiting for a person; undefined if the stranger stays one. */
  readonly session?: SignerSession
  readonly outputs: readonly SignerOutput[]
  /** The answer to a stranger, as JSON text; the host seals it, within its budget for strangers. */
  readonly reply?: string
  /** Why nothing came of it, for counters. */
  readonly dropped?: Extract<RequestProblem, { type: 'drop' }>['code'] | 'event/expired' | 'connect/silenced'
}

/**
 * A message from a client without a session: the only way in. `connect` with a good secret opens a session; anything
 * else is refused, with an answer if there is an id to answer to.
 *
 * `previous` is the session of a client that connects again with another token. If it still stands, for the same user,
 * it goes on: the new token adds its grants, unless somebody would have to decide on them, and nothing is lost; a policy it
 * has stays, with all that was counted. What a
 * session of the same user was answered stays remembered in any case.
 */
export function admit(
  admission: Admission,
  arrival: Arrival,
  now: Millis,
  context: SignerContext,
  previous?: SignerSession,
): AdmissionStep {
  const parsed = parseRequest(arrival.text, { acceptNative: arrival.scheme === 'nip04' })
  if (!parsed.ok) return refuseUnreadable(admission, parsed.error)
  const request = parsed.value
  const isLate = Math.abs(now / 1_000 - arrival.createdAt) > FRESHNESS_SECONDS
  // A token that is unused in a backup may have been used since.
  if (isLate || isBeforeRestore(endOfSecond(arrival.createdAt), context)) {
    return { admission, outputs: [], dropped: 'event/expired' }
  }
  const isConnect = request.method === 'connect'
  if (!isConnect && context.implicitConnect !== true)
    return refuse(admission, request.id, 'unauthorized: not connected')

  const token = tokenKey(isConnect ? request.params[1] : null, arrival.to)
  const known = liveOffer(admission, token, now)
  const offer = known?.signerPubkey === arrival.to ? known : undefined
  if (!isConnect && offer === undefined) return refuse(admission, request.id, 'unauthorized: not connected')
  if (isConnect) {
    const userPubkey = offer?.userPubkey
    const problem = connectProblem(request, {
      signerPubkey: arrival.to,
      clientPubkey: arrival.from,
      userPubkey,
    })
    // A wrong secret is the same fault under any name, and counts as a try.
    const answerable = offer !== undefined || request.params.length === 0
    if (problem !== undefined && answerable) return refuse(admission, request.id, problem)
  }
  if (offer === undefined) return failConnect(admission, request.id, arrival.to, now)

  const wishes = isConnect ? readWishes(request) : { requested: [], metadata: null }
  const { userPubkey, relays, granted, policy = null } = offer
  const sameUser = previous?.userPubkey === userPubkey ? previous : undefined
  if (sameUser !== undefined && isStanding(sameUser) && isConnect) {
    if (offer.approval === 'ask') return { admission, ...acknowledge(sameUser, arrival, request, now) }
    const joined = joinOffer(sameUser, offer, token, wishes, now)
    return { admission: spend(admission, token, arrival.from), ...acknowledge(joined, arrival, request, now) }
  }
  // A client that changes the user starts anew: what was asked of the other one is over.
  const closed =
    previous === undefined ? undefined : closePending(previous, 'unauthorized: session revoked', now)
  const { decisionTimeoutMs } = context
  const facts = { arrival, userPubkey, relays, granted, policy, ...wishes, token, decisionTimeoutMs, now }
  const fresh = newSession(facts)
  const session = sameUser === undefined ? fresh : { ...fresh, ledger: sameUser.ledger }
  const held = holdForPairing(session, arrival, isConnect ? request.id : null)
  const before = closed?.outputs ?? []
  if (offer.approval === 'ask')
    return { admission, session: held.session, outputs: [...before, ...held.outputs] }
  const opened = openPairing(held.session, now, context)
  return {
    admission: spend(admission, token, arrival.from),
    session: opened.session,
    outputs: [...before, ...opened.outputs],
  }
}

function isStanding({ phase }: SignerSession): boolean {
  return phase === 'open' || phase === 'unconfirmed'
}

/** A standing session and one more token of the same user. */
function joinOffer(
  session: SignerSession,
  { granted, relays, policy = null }: Offer,
  token: string,
  { requested, metadata }: ReturnType<typeof readWishes>,
  now: Millis,
): SignerSession {
  return {
    ...session,
    token,
    granted: mergePermissions(session.granted, granted),
    policy: session.policy ?? policy,
    requested: mergePermissions(requested, session.requested).slice(0, PERMS),
    metadata: metadata ?? session.metadata,
    relays: [...new Set([...relays, ...session.relays])].slice(0, SESSION_RELAYS),
    pairedAt: now,
  }
}

/**
 * The answer to a pairing question. Allowing spends the token; if another client spent it meanwhile, or it ran out
 * or was revoked, this one is refused after all. Without a question to answer (it timed out, or was answered) nothing
 * changes.
 */
export function decidePairing(
  admission: Admission,
  session: SignerSession,
  verdict: Verdict,
  now: Millis,
  context: SignerContext,
): { readonly admission: Admission } & SignerStep {
  // Whoever decides may be slower than the clock.
  if (session.phase !== 'pairing' || session.token === null) {
    return { admission, session, outputs: [{ type: 'ignored', reason: 'decision/unknown' }] }
  }
  if (session.decideBy !== null && session.decideBy <= now) {
    return { admission, ...refusePairing(session, 'timeout: no approval', now) }
  }
  if (!verdict.allow) {
    return { admission, ...refusePairing(session, `denied: ${verdict.reason ?? 'the user said no'}`, now) }
  }
  if (liveOffer(admission, session.token, now) === undefined) {
    return { admission, ...refusePairing(session, SECRET_REFUSED, now) }
  }
  const granted = mergePermissions(session.granted, verdict.grant ?? [])
  const { policy = session.policy } = verdict
  return {
    admission: spend(admission, session.token, session.clientPubkey),
    ...openPairing({ ...session, granted, policy }, now, context),
  }
}

export interface AcceptRequest {
  readonly offer: NostrConnectOffer
  readonly signerPubkey: Pubkey
  readonly userPubkey: Pubkey
  /** Our own relays, used beside the offer's. */
  readonly relays: readonly RelayUrl[]
  readonly granted: readonly Permission[]
  /** The policy it begins with, for the judge. Default null. */
  readonly policy?: JsonValue
  /** Default NIP-44. */
  readonly scheme?: Scheme
  /** Default from the scheme. `A0` also sends the connect request that the 2023 dialect waits for. */
  readonly era?: Era
  /** A fresh random request id, 32 hex characters. */
  readonly id: RequestId
}

/**
 * A person accepted a nostrconnect:// offer: a session that announces itself (at the next `wake`) until its client is
 * heard. The answer is exactly the offer's secret; offers of the eras without one get `ack`.
 */
export function acceptOffer(request: AcceptRequest, now: Millis): SignerSession {
  const { offer, signerPubkey, userPubkey, granted, policy = null, id } = request
  const scheme = request.scheme ?? 'nip44'
  const era = request.era ?? (scheme === 'nip04' ? 'SEED' : 'E')
  const answer = encodeResponse({ type: 'result', id, result: offer.secret ?? 'ack' })
  const texts =
    era === 'A0' ? [encodeRequest({ id, method: 'connect', params: [signerPubkey] }), answer] : [answer]
  return {
    v: 1,
    signerPubkey,
    clientPubkey: offer.clientPubkey,
    userPubkey,
    phase: 'unconfirmed',
    scheme,
    profile: signerProfile(era),
    token: offer.secret === null ? null : hashSecret(offer.secret),
    granted,
    policy,
    requested: offer.permissions,
    metadata: offer.metadata,
    relays: [...new Set([...offer.relays, ...request.relays])].slice(0, SESSION_RELAYS),
    previousRelays: [],
    previousUntil: null,
    pairedAt: now,
    decideBy: null,
    pairingChallengedAt: null,
    expiresAt: null,
    endsAt: null,
    endingId: null,
    announcement: { id, texts, sends: 0, nextAt: now, until: now + ANNOUNCE_FOR_MS },
    pending: {},
    held: [],
    ledger: EMPTY_LEDGER,
    expiryAnsweredAt: null,
  }
}

/** How long a nostrconnect:// answer waits for its client. */
const ANNOUNCE_FOR_MS = 300_000

/** An offer that can still be used. A token without a secret serves every client that somebody says yes to. */
function liveOffer(admission: Admission, token: string, now: Millis): Offer | undefined {
  const offer = Object.hasOwn(admission.offers, token) ? admission.offers[token] : undefined
  if (offer === undefined || offer.revoked || offer.expiresAt <= now) return undefined
  return offer.usedBy === null || token.startsWith('open:') ? offer : undefined
}

function spend(admission: Admission, token: string, client: Pubkey): Admission {
  const offer = admission.offers[token]
  if (offer === undefined) return admission
  return { ...admission, offers: { ...admission.offers, [token]: { ...offer, usedBy: client } } }
}

function failConnect(admission: Admission, id: RequestId, signerPubkey: Pubkey, now: Millis): AdmissionStep {
  const recent = (admission.failures[signerPubkey] ?? []).filter((at) => now - at < 60_000)
  if (recent.length >= CONNECT_TRIES_PER_MINUTE)
    return { admission, outputs: [], dropped: 'connect/silenced' }
  const failures = { ...admission.failures, [signerPubkey]: [...recent, now] }
  return refuse({ ...admission, failures }, id, SECRET_REFUSED)
}

function refuseUnreadable(admission: Admission, problem: RequestProblem): AdmissionStep {
  return problem.type === 'drop'
    ? { admission, outputs: [], dropped: problem.code }
    : refuse(admission, problem.id, problem.error)
}

function refuse(admission: Admission, id: RequestId, error: string): AdmissionStep {
  return { admission, outputs: [], reply: encodeResponse({ type: 'error', id, error }) }
}
