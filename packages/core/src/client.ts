/**
 * Entry `@nip46/core/client`: the machine of one client session, from the first relay to logout.
 * Never holds a key, keeps a timer or opens a URL: it says what to send, what is settled and what it wants to hear.
 */

import { classifyRemoteError, type Failure } from './failure.ts'
import { isLoopbackHost } from './host.ts'
import {
  AUTH_URL_CHARS,
  AUTH_URLS_PER_REQUEST,
  CLIENT_PENDING,
  CLIENT_SETTLED,
  MESSAGE_BYTES_OUT,
  REQUEST_SENDS,
  SESSION_RELAYS,
} from './limits.ts'
import {
  encodeRequest,
  encodeResponse,
  type Json,
  looksLikeRequest,
  parseRequest,
  parseResponse,
  type Response,
} from './message.ts'
import type { ClientMetadata } from './metadata.ts'
import { isRepeatable, parseRelayList } from './method.ts'
import type { RelayRefusal } from './port.ts'
import type { ClientProfile } from './profile.ts'
import { isPubkey } from './pubkey.ts'
import { sameSecret } from './secret.ts'
import { parseUrl } from './url.ts'
import { utf8Length } from './utf8.ts'
import {
  err,
  type Millis,
  ok,
  type Pubkey,
  type RelayUrl,
  type RequestId,
  type Result,
  type Scheme,
  type Seconds,
  UsageError,
} from './value.ts'

export type ClientPhase =
  /** A nostrconnect:// offer is on show. */
  | 'awaiting-signer'
  | 'connecting'
  /** Connected; asking which relays to use. */
  | 'switching'
  /** Connected; asking who the user is. */
  | 'identifying'
  | 'ready'
  | 'logging-out'
  | 'closed'

/** JSON. Holds the token's secret until it is spent and params of requests in flight, so keep it to yourself; never holds a key. */
export interface ClientState {
  readonly v: 1
  readonly phase: ClientPhase
  readonly flow: 'bunker' | 'nostrconnect' | 'resumed'
  readonly profile: ClientProfile
  readonly clientPubkey: Pubkey
  readonly remoteSigner: Pubkey | null
  /** Pinned once known: another answer later is `session/identity-changed`. */
  readonly userPubkey: Pubkey | null
  readonly secret: string | null
  /** Text of the perms asked for. */
  readonly perms: string
  readonly metadata: ClientMetadata | null
  readonly relays: readonly RelayUrl[]
  /** Those of the token: tried again when all others stay dead. */
  readonly originRelays: readonly RelayUrl[]
  /** Relays with a live subscription now. */
  readonly live: readonly RelayUrl[]
  readonly downSince: Millis | null
  /** Listening on the token's relays too, since the others stayed dead. */
  readonly fellBack: boolean
  readonly startedAt: Millis
  /** Greatest `created_at` heard from the remote signer, in seconds. */
  readonly lastSeen: Seconds | null
  /** When the present phase gives up; null when it does not. */
  readonly deadline: Millis | null
  readonly pending: { readonly [id: RequestId]: PendingRequest }
  /** Youngest last. */
  readonly settled: readonly RequestId[]
  readonly relaySwitch: RelaySwitch | null
  readonly lastSwitchAt: Millis | null
  /** After a nostrconnect:// offer was taken: until when a second signer with the secret is watched for. */
  readonly guardUntil: Millis | null
  readonly skewAlertAt: Millis | null
  /** Connect was refused after it had gone out twice: who the user is tells whether the first one let us in. */
  readonly refusal: Failure | null
  /** Random ids for the machine's own requests. */
  readonly ids: readonly RequestId[]
}

export interface PendingRequest {
  readonly method: string
  readonly params: readonly string[]
  readonly origin: 'caller' | 'machine'
  readonly queuedAt: Millis
  readonly expiresAt: Millis
  readonly sends: number
  readonly sentAt: Millis | null
  readonly sentOn: readonly RelayUrl[]
  /** A relay said OK. */
  readonly accepted: boolean
  /** Every relay was lost since it was sent: its answer may have been too. */
  readonly outage: boolean
  readonly resendAt: Millis | null
  readonly authUrls: readonly string[]
  /** Where to send; null for all. */
  readonly only: readonly RelayUrl[] | null
}

export interface RelaySwitch {
  readonly target: readonly RelayUrl[]
  readonly old: readonly RelayUrl[]
  readonly startedAt: Millis
  /** The round trip that proves the new relays. */
  readonly pingId: RequestId | null
  /** When the old relays go; null until the new ones are proven. */
  readonly closeAt: Millis | null
}

export type ClientInput =
  | {
      readonly type: 'request'
      readonly id: RequestId
      readonly method: string
      readonly params: readonly string[]
      readonly timeoutMs?: number
    }
  | { readonly type: 'cancel'; readonly id: RequestId }
  /** An opened carrier: authentic, decrypted, its author known. */
  | {
      readonly type: 'message'
      readonly from: Pubkey
      readonly scheme: Scheme
      readonly createdAt: Seconds
      readonly text: string
    }
  | { readonly type: 'live'; readonly relay: RelayUrl }
  | { readonly type: 'down'; readonly relay: RelayUrl }
  /** What the relays said of one `send`. */
  | {
      readonly type: 'published'
      readonly id: RequestId
      readonly outcome: Result<{ readonly relay: RelayUrl }, readonly RelayRefusal[]>
    }
  | { readonly type: 'ids'; readonly ids: readonly RequestId[] }
  /** Ask for the relays again; the machine does so by itself after connecting. */
  | { readonly type: 'switch-relays' }
  | { readonly type: 'logout' }
  | { readonly type: 'close' }
  | { readonly type: 'wake' }

export type ClientIgnored =
  | 'event/author'
  | 'event/too-large'
  | 'transport/scheme'
  | 'response/json'
  | 'response/unknown-id'
  | 'response/late'
  | 'connect/secret'
  | 'request/unexpected'
  | 'auth/too-many'
  | 'auth/repeated'
  /** A page for a request that nobody has to approve. */
  | 'auth/unexpected'
  | 'session/closed'

export type ClientAlert =
  /** A second remote signer answered the offer with its secret. */
  | 'connect/two-signers'
  /** Every relay says that nobody listens. */
  | 'signer/offline'
  /** Our clock and the remote signer's differ by more than two minutes: it may drop our requests as stale. */
  | 'clock/skew'
  | 'relays/switch-failed'
  | 'relays/refused'
  | 'session/identity-changed'

export type ClientOutput =
  | {
      readonly type: 'send'
      readonly id: RequestId
      readonly to: Pubkey
      readonly relays: readonly RelayUrl[]
      readonly scheme: Scheme
      readonly text: string
      /** Answers to a connect request are not reported as `published`. */
      readonly kind: 'request' | 'response'
    }
  /** Once for each request of the caller: the raw result, for `acceptResult`, or a failure. */
  | { readonly type: 'settle'; readonly id: RequestId; readonly outcome: Result<Json, Failure> }
  /** Show this to the user. Never open it unasked. */
  | { readonly type: 'auth-url'; readonly id: RequestId; readonly url: string; readonly origin: string }
  | { readonly type: 'connected'; readonly remoteSigner: Pubkey }
  | { readonly type: 'ready'; readonly userPubkey: Pubkey }
  /** The session could not be made. */
  | { readonly type: 'failed'; readonly failure: Failure }
  /** `logged-out`: wipe the key and forget the session. */
  | { readonly type: 'ended'; readonly reason: 'logged-out' | 'closed' }
  | { readonly type: 'relays'; readonly relays: readonly RelayUrl[] }
  | { readonly type: 'alert'; readonly code: ClientAlert }
  | { readonly type: 'ignored'; readonly code: ClientIgnored }

export interface ClientStep {
  readonly state: ClientState
  readonly outputs: readonly ClientOutput[]
}

export interface ClientWants {
  /** Feed `{ type: 'wake' }` at or after this time. */
  readonly wakeAt?: Millis
  /** Keep a kind 24133 subscription open. `from` is absent while anybody may still answer. */
  readonly listen?: {
    readonly relays: readonly RelayUrl[]
    readonly to: Pubkey
    readonly from?: Pubkey
    readonly since: Seconds
  }
  /** Feed this many fresh random ids. */
  readonly ids?: number
}

const NO_RELAY_MS = 15_000
const CONNECT_MS = 65_000
const OFFER_MS = 300_000
const IDENTIFY_MS = 30_000
const REQUEST_MS = 60_000
const AUTH_MS = 300_000
const LOGOUT_MS = 3_000
/** Login waits no longer than this for switch_relays; a later answer still counts. */
const SWITCH_GATE_MS = 1_500
const SWITCH_ANSWER_MS = 10_000
const SWITCH_PROOF_MS = 10_000
const SWITCH_OVERLAP_MS = 5_000
const SWITCH_OVERLAP_MAX_MS = 60_000
const FALLBACK_MS = 60_000
const GUARD_MS = 30_000
const CATCH_UP_MS = 3_000
/** How often the relays are asked for again. */
const SWITCH_EVERY_MS = 86_400_000
const OFFLINE_PAUSES: readonly Millis[] = [3_000, 10_000, 30_000]
/** When methods that no human decides on are sent again unanswered. */
const QUIET_PAUSES: readonly Millis[] = [15_000, 20_000]
const SKEW_SECONDS = 120
const SKEW_ALERT_EVERY_MS = 3_600_000
const SPARE_IDS = 4
const REQUEST_ID = /^[A-Za-z0-9-]{1,64}$/

// -- starting --------------------------------------------------------------------------------------

export interface ClientFacts {
  readonly clientPubkey: Pubkey
  readonly profile: ClientProfile
  readonly relays: readonly RelayUrl[]
  readonly secret: string | null
  readonly perms?: string
  readonly metadata?: ClientMetadata | null
  /** At least four fresh random ids of 32 hex characters. */
  readonly ids: readonly RequestId[]
}

/** Connects to a remote signer that a bunker:// URI named. */
export function fromBunker(
  facts: ClientFacts & { readonly remoteSigner: Pubkey; readonly userPubkey?: Pubkey },
  now: Millis,
): ClientState {
  const state = initial(facts, now, 'bunker', 'connecting')
  const { remoteSigner, userPubkey } = facts
  const [id, ...ids] = state.ids
  if (id === undefined) throw new UsageError('ids must hold at least four fresh random ids')
  const named: ClientState = {
    ...state,
    remoteSigner,
    userPubkey: userPubkey ?? null,
    ids,
    deadline: now + CONNECT_MS,
  }
  return withPending(named, id, request('connect', connectParams(named), 'machine', now, CONNECT_MS))
}

/** Waits for a remote signer to answer a nostrconnect:// offer. `secret` must be the offer's, at least 128 random bits. */
export function fromOffer(facts: ClientFacts & { readonly secret: string }, now: Millis): ClientState {
  if (facts.secret === '')
    throw new UsageError('a nostrconnect:// offer needs a secret: 32 random hex characters')
  return { ...initial(facts, now, 'nostrconnect', 'awaiting-signer'), deadline: now + OFFER_MS }
}

/** What is stored of a session between runs, beside the client key. */
export interface ClientSession {
  readonly v: 1
  readonly clientPubkey: Pubkey
  readonly remoteSigner: Pubkey
  readonly userPubkey: Pubkey
  readonly relays: readonly RelayUrl[]
  readonly originRelays: readonly RelayUrl[]
  readonly profile: ClientProfile
  readonly lastSeen: Seconds | null
  readonly lastSwitchAt: Millis | null
}

/** The part of a ready state worth storing, or undefined before the user is known. */
export function sessionOf(state: ClientState): ClientSession | undefined {
  const { clientPubkey, remoteSigner, userPubkey, relays, originRelays, profile, lastSeen, lastSwitchAt } =
    state
  if (remoteSigner === null || userPubkey === null || state.phase === 'closed') return undefined
  return {
    v: 1,
    clientPubkey,
    remoteSigner,
    userPubkey,
    relays,
    originRelays,
    profile,
    lastSeen,
    lastSwitchAt,
  }
}

/** Goes on with a stored session: ready at once, no connect is sent. */
export function fromSession(session: ClientSession, ids: readonly RequestId[], now: Millis): ClientState {
  const { clientPubkey, profile, relays, remoteSigner, userPubkey, originRelays, lastSeen, lastSwitchAt } =
    session
  const state = initial({ clientPubkey, profile, relays, secret: null, ids }, now, 'resumed', 'ready')
  const origin = originRelays.slice(0, SESSION_RELAYS)
  return { ...state, remoteSigner, userPubkey, originRelays: origin, lastSeen, lastSwitchAt }
}

/**
 * A state that was stored whole, in a new process: no relay is live yet. What was sent may have been answered
 * meanwhile, so it is listened for before it is sent again.
 */
export function restart(state: ClientState): ClientState {
  const pending = Object.fromEntries(
    Object.entries(state.pending).map(([id, request]) => [id, { ...request, resendAt: null }]),
  )
  return { ...state, live: [], downSince: null, pending }
}

function initial(
  facts: ClientFacts,
  now: Millis,
  flow: ClientState['flow'],
  phase: ClientPhase,
): ClientState {
  const { clientPubkey, profile, secret, perms, metadata, ids } = facts
  const relays = facts.relays.slice(0, SESSION_RELAYS)
  if (relays.length === 0) throw new UsageError('a session needs at least one relay')
  return {
    v: 1,
    phase,
    flow,
    profile,
    clientPubkey,
    remoteSigner: null,
    userPubkey: null,
    secret,
    perms: perms ?? '',
    metadata: metadata ?? null,
    relays,
    originRelays: relays,
    live: [],
    downSince: now,
    fellBack: false,
    startedAt: now,
    lastSeen: null,
    deadline: null,
    pending: {},
    settled: [],
    relaySwitch: null,
    lastSwitchAt: null,
    guardUntil: null,
    skewAlertAt: null,
    refusal: null,
    ids,
  }
}

/** `[remote signer, secret, perms?, metadata?]`: two at least, since some remote signers read the second unasked. */
function connectParams(state: ClientState): readonly string[] {
  const { profile, secret, perms, metadata, remoteSigner, userPubkey, clientPubkey } = state
  const target = { 'remote-signer': remoteSigner, client: clientPubkey, user: userPubkey ?? remoteSigner }[
    profile.connectParam
  ]
  const params = [target ?? '', secret ?? '']
  // "If metadata is passed, perms MUST be present, empty if unused"
  if (profile.connectMetadata && metadata !== null) return [...params, perms, JSON.stringify(metadata)]
  return perms === '' ? params : [...params, perms]
}

// -- the machine -----------------------------------------------------------------------------------

/** A state being changed, and what comes of it. Local to one step. */
interface Work {
  state: ClientState
  readonly outputs: ClientOutput[]
}

/** One input, one new state and what to do about it. Never throws on what a peer or relay did. */
export function step(state: ClientState, input: ClientInput, now: Millis): ClientStep {
  const work: Work = { state, outputs: [] }
  if (state.phase === 'closed') {
    if (input.type === 'request') startRequest(work, input, now)
    else if (input.type === 'message') work.outputs.push({ type: 'ignored', code: 'session/closed' })
    return work
  }
  switch (input.type) {
    case 'request':
      startRequest(work, input, now)
      break
    case 'cancel':
      if (pendingOf(state, input.id)?.origin === 'caller') {
        settle(work, input.id, err({ code: 'cancelled', message: 'cancelled by the caller' }))
      }
      break
    case 'message':
      receive(work, input, now)
      break
    case 'live':
      comeLive(work, input.relay, now)
      break
    case 'down':
      goDown(work, input.relay, now)
      break
    case 'published':
      hearRelays(work, input.id, input.outcome, now)
      break
    case 'ids':
      takeIds(work, input.ids, now)
      break
    case 'switch-relays':
      if (state.phase === 'ready') askRelays(work, now)
      break
    case 'logout':
      logOut(work, now)
      break
    case 'close':
      close(work, 'closed', { code: 'closed', message: 'the session was closed' })
      break
    case 'wake':
      wake(work, now)
      break
  }
  sendQueued(work, now)
  if (work.state.live.length === 0 && work.state.downSince === null && work.state.phase !== 'closed') {
    work.state = { ...work.state, downSince: now }
  }
  return work
}

/** What should hold while this is the state. Recompute after each step; after a restart too. */
export function wants(state: ClientState): ClientWants {
  if (state.phase === 'closed') return {}
  const times: Millis[] = []
  const add = (time: Millis | null) => {
    if (time !== null) times.push(time)
  }
  add(state.deadline)
  add(state.guardUntil)
  for (const pending of Object.values(state.pending)) {
    add(pending.expiresAt)
    if (state.live.length > 0) add(pending.resendAt)
  }
  const { relaySwitch } = state
  if (relaySwitch !== null) add(relaySwitch.closeAt ?? relaySwitch.startedAt + SWITCH_PROOF_MS)
  add(noRelayAt(state))
  add(nextSwitchAt(state))
  if (canFallBack(state) && state.downSince !== null) add(state.downSince + FALLBACK_MS)
  // A restarted session takes note of the time once, to count from.
  if (state.live.length === 0 && state.downSince === null) add(state.startedAt)
  const since = Math.floor(Math.max(state.startedAt / 1_000 - 120, (state.lastSeen ?? 0) - 60))
  const open = { relays: listenRelays(state), to: state.clientPubkey, since }
  const anybody = state.remoteSigner === null || state.guardUntil !== null
  const listen = anybody || state.remoteSigner === null ? open : { ...open, from: state.remoteSigner }
  const ids = state.ids.length < SPARE_IDS ? { ids: SPARE_IDS - state.ids.length } : {}
  return times.length === 0 ? { listen, ...ids } : { wakeAt: Math.min(...times), listen, ...ids }
}

// -- requests --------------------------------------------------------------------------------------

function startRequest(work: Work, input: Extract<ClientInput, { type: 'request' }>, now: Millis): void {
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

function request(
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
function startOwn(
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
function dropOwn(work: Work, id: RequestId): void {
  if (pendingOf(work.state, id) !== undefined) settle(work, id, err(LOGGED_OUT))
}

/** Fresh ids, and what had to wait for one. */
function takeIds(work: Work, fresh: readonly RequestId[], now: Millis): void {
  const { state } = work
  if (!fresh.every((id) => REQUEST_ID.test(id)))
    throw new UsageError('an id is 1 to 64 of A-Z a-z 0-9 and -: use 32 random hex characters')
  const known = (id: RequestId) => Object.hasOwn(state.pending, id) || state.settled.includes(id)
  const ids = [...new Set([...state.ids, ...fresh.filter((id) => !known(id))])].slice(0, 2 * SPARE_IDS)
  work.state = { ...state, ids }
  if (state.phase === 'identifying') askUser(work, now)
  const { relaySwitch } = state
  const unproven = relaySwitch !== null && relaySwitch.pingId === null
  if (unproven && relaySwitch.target.some((relay) => state.live.includes(relay))) proveRelays(work, now)
}

/** Sends what waits for a relay or for the handshake, and what is due again. */
function sendQueued(work: Work, now: Millis): void {
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
function maySendAgain(pending: PendingRequest, profile: ClientProfile): boolean {
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

function settle(work: Work, id: RequestId, outcome: Result<Json, Failure>): void {
  const pending = pendingOf(work.state, id)
  const { [id]: _, ...rest } = work.state.pending
  work.state = { ...work.state, pending: rest, settled: [...work.state.settled, id].slice(-CLIENT_SETTLED) }
  if (pending?.origin !== 'machine') work.outputs.push({ type: 'settle', id, outcome })
}

// -- what comes in ---------------------------------------------------------------------------------

function receive(work: Work, input: Extract<ClientInput, { type: 'message' }>, now: Millis): void {
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
  if (response.type === 'auth-url') return receiveAuthUrl(work, response, pending, now, ignore)
  if (pending.origin === 'machine') return receiveOwn(work, response, pending, now)
  const outcome = checkIdentity(work, pending, outcomeOf(response))
  settle(work, response.id, outcome)
  if (pending.method === 'switch_relays') takeRelays(work, outcome, now)
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

const IDENTITY_CHANGED: Failure = {
  code: 'session/identity-changed',
  message: 'the remote signer answers for another user than expected',
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

/** While an offer is on show everybody may write: only the secret counts, everything else leaves the wait as it is. */
function receiveOffer(work: Work, from: Pubkey, text: string, now: Millis): void {
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
    const answer = encodeResponse({ type: 'result', id: response.id, result: 'ack' })
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
function provesSecret(text: string, secret: string): boolean {
  if (looksLikeRequest(text)) {
    const request = parseRequest(text)
    return (
      request.ok && request.value.method === 'connect' && sameSecret(request.value.params[1] ?? '', secret)
    )
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

/** A client answers no requests, but a remote signer of the 2023 dialect may end the session with one. */
function receiveRequest(work: Work, text: string, ignore: (code: ClientIgnored) => void): void {
  const parsed = parseRequest(text)
  if (!parsed.ok || parsed.value.method !== 'disconnect' || work.state.profile.era !== 'A0')
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
  const origin = webOrigin(url)
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

const LOGGED_OUT: Failure = { code: 'logged-out', message: 'the session was ended' }

function connected(work: Work, outcome: Result<Json, Failure>, pending: PendingRequest, now: Millis): void {
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

function enterIdentifying(work: Work, now: Millis): void {
  work.state = { ...work.state, phase: 'identifying', deadline: now + IDENTIFY_MS }
  askUser(work, now)
}

function askUser(work: Work, now: Millis): void {
  if (!isAsked(work.state, 'get_public_key')) startOwn(work, 'get_public_key', now, IDENTIFY_MS)
}

function identified(work: Work, outcome: Result<Json, Failure>): void {
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

// -- relays ----------------------------------------------------------------------------------------

function comeLive(work: Work, relay: RelayUrl, now: Millis): void {
  const { state } = work
  if (state.live.includes(relay) || !listenRelays(state).includes(relay)) return
  const wasDark = state.live.length === 0
  const fellBack = state.fellBack && !state.relays.includes(relay)
  work.state = { ...state, live: [...state.live, relay], downSince: null, fellBack }
  keepLive(work, now)
  // Reached at the token's relays only: ask there where the remote signer is now.
  if (fellBack && state.phase === 'ready' && state.profile.switchRelays) askRelays(work, now)
  if (wasDark) {
    for (const [id, pending] of Object.entries(work.state.pending)) {
      // The answer may wait at the relay: listen first. Links that flap do not put it off for ever.
      if (pending.sentAt === null) continue
      const missed = { ...pending, outage: true }
      work.state = withPending(work.state, id, missed)
      if (maySendAgain(missed, state.profile)) sendAgain(work, id, missed, now + CATCH_UP_MS)
    }
  }
  if (work.state.relaySwitch?.target.includes(relay) === true) proveRelays(work, now)
}

/** Plans one more copy, or leaves an earlier plan in place. */
function sendAgain(work: Work, id: RequestId, pending: PendingRequest, at: Millis): void {
  const resendAt = pending.resendAt === null ? at : Math.min(pending.resendAt, at)
  work.state = withPending(work.state, id, { ...pending, resendAt })
}

function goDown(work: Work, relay: RelayUrl, now: Millis): void {
  const live = work.state.live.filter((other) => other !== relay)
  if (live.length === work.state.live.length) return
  work.state = { ...work.state, live, downSince: live.length === 0 ? now : null }
}

function hearRelays(
  work: Work,
  id: RequestId,
  outcome: Result<{ readonly relay: RelayUrl }, readonly RelayRefusal[]>,
  now: Millis,
): void {
  const pending = pendingOf(work.state, id)
  if (pending === undefined || pending.sentAt === null) return
  if (outcome.ok) {
    const accepted: PendingRequest = { ...pending, accepted: true }
    const resendAt = maySendAgain(accepted, work.state.profile) ? accepted.resendAt : null
    work.state = withPending(work.state, id, { ...accepted, resendAt })
    return
  }
  // A relay has an earlier copy: the answer may be on its way.
  if (pending.accepted) return
  const refusals = outcome.error
  const heard = (pattern: RegExp) => refusals.some(({ reason }) => pattern.test(reason))
  const muted = heard(/^mute:/)
  if (muted && refusals.every(({ reason }) => reason.startsWith('mute:'))) {
    work.outputs.push({ type: 'alert', code: 'signer/offline' })
  }
  // No word from a relay is not a no: it may have delivered the request.
  const silent = heard(/^timeout/)
  if (muted || silent || heard(/^(?:unreachable|closed|queue-full|rate-limited:)/)) {
    const pause = muted ? OFFLINE_PAUSES[pending.sends - 1] : 2_000 * pending.sends
    const harmless = !silent || isRepeatable(pending.method) || pending.method === 'connect'
    if (pause !== undefined && harmless) sendAgain(work, id, pending, now + pause)
    return
  }
  if (heard(/^invalid:.*(?:created_at|timestamp|future|too old)/i)) alertSkew(work, now)
  const words = refusals.map(({ relay, reason }) => `${relay}: ${reason}`).join('; ')
  refused(
    work,
    id,
    pending,
    {
      code: 'publish/rejected',
      message: `every relay refused the request: ${words}`,
      relays: refusals,
    },
    now,
  )
}

function refused(work: Work, id: RequestId, pending: PendingRequest, failure: Failure, now: Millis): void {
  settle(work, id, err(failure))
  if (pending.origin === 'caller') return
  if (pending.method === 'connect' || pending.method === 'get_public_key') return fail(work, failure)
  if (pending.method === 'switch_relays' && work.state.phase === 'switching')
    return enterIdentifying(work, now)
  if (work.state.phase === 'logging-out') close(work, 'logged-out', LOGGED_OUT)
}

/** Asks for switch_relays unless that is under way. True if the question is out. */
function askRelays(work: Work, now: Millis): boolean {
  if (isAsked(work.state, 'switch_relays')) return true
  const id = startOwn(work, 'switch_relays', now, SWITCH_ANSWER_MS)
  if (id === undefined) return false
  work.state = { ...work.state, lastSwitchAt: now }
  return true
}

/** The list, if it is one and another than ours; the old relays stay until a round trip on the new ones. */
function takeRelays(work: Work, outcome: Result<Json, Failure>, now: Millis): void {
  if (!outcome.ok) return
  const list = parseRelayList(outcome.value)
  if (!list.ok) work.outputs.push({ type: 'alert', code: 'relays/refused' })
  else if (list.value !== null) adoptRelays(work, list.value, now)
}

function adoptRelays(work: Work, list: readonly RelayUrl[], now: Millis): void {
  const { state } = work
  const target = list.slice(0, SESSION_RELAYS)
  const known = state.relaySwitch?.target ?? state.relays
  if (target.length === known.length && target.every((relay) => known.includes(relay))) return
  // Everything listened to stays until the new relays are proven, what works first.
  const old = [...new Set([...state.live, ...listenRelays(state)])].slice(0, SESSION_RELAYS)
  work.state = { ...state, relaySwitch: { target, old, startedAt: now, pingId: null, closeAt: null } }
  keepLive(work, now)
  if (target.some((relay) => work.state.live.includes(relay))) proveRelays(work, now)
}

/** Asks for a round trip over the new relays; each of them that comes live is one more chance. */
function proveRelays(work: Work, now: Millis): void {
  const { relaySwitch } = work.state
  if (relaySwitch === null || relaySwitch.closeAt !== null) return
  const { pingId, target } = relaySwitch
  const ping = pingId === null ? undefined : pendingOf(work.state, pingId)
  if (pingId !== null && ping !== undefined) return sendAgain(work, pingId, ping, now)
  const id = startOwn(work, 'ping', now, SWITCH_PROOF_MS, target)
  if (id !== undefined) work.state = { ...work.state, relaySwitch: { ...relaySwitch, pingId: id } }
}

function provenRelays(work: Work, id: RequestId, outcome: Result<Json, Failure>, now: Millis): void {
  const { relaySwitch } = work.state
  if (relaySwitch === null || relaySwitch.pingId !== id) return
  // Any answer is a round trip, an error too: some remote signers do not know ping.
  if (!outcome.ok && outcome.error.code !== 'remote/error') return
  const relays = relaySwitch.target
  const closing: RelaySwitch = { ...relaySwitch, closeAt: now + SWITCH_OVERLAP_MS }
  work.state = { ...work.state, relays, fellBack: false, relaySwitch: closing }
  work.outputs.push({ type: 'relays', relays })
}

function endOverlap(work: Work, now: Millis): void {
  const { relaySwitch } = work.state
  if (relaySwitch === null) return
  if (relaySwitch.closeAt === null) {
    if (now < relaySwitch.startedAt + SWITCH_PROOF_MS) return
    const { pingId } = relaySwitch
    work.state = { ...work.state, relaySwitch: null }
    if (pingId !== null) dropOwn(work, pingId)
    keepLive(work, now)
    work.outputs.push({ type: 'alert', code: 'relays/switch-failed' })
    return
  }
  if (now < relaySwitch.closeAt) return
  const stranded = Object.values(work.state.pending).some(
    ({ sentAt, sentOn }) => sentAt !== null && !sentOn.some((relay) => relaySwitch.target.includes(relay)),
  )
  if (stranded && now < relaySwitch.startedAt + SWITCH_OVERLAP_MAX_MS) {
    work.state = { ...work.state, relaySwitch: { ...relaySwitch, closeAt: now + 1_000 } }
    return
  }
  work.state = { ...work.state, relaySwitch: null }
  keepLive(work, now)
}

/** Forgets live marks of relays that are no longer listened to. */
function keepLive(work: Work, now: Millis): void {
  const listened = listenRelays(work.state)
  const live = work.state.live.filter((relay) => listened.includes(relay))
  work.state = { ...work.state, live, downSince: live.length === 0 ? (work.state.downSince ?? now) : null }
}

function canFallBack(state: ClientState): boolean {
  return (
    !state.fellBack &&
    state.relaySwitch === null &&
    state.originRelays.some((relay) => !state.relays.includes(relay))
  )
}

function listenRelays(state: ClientState): readonly RelayUrl[] {
  const { relaySwitch, relays } = state
  if (relaySwitch !== null) return [...new Set([...relaySwitch.old, ...relaySwitch.target])]
  return state.fellBack ? unionOf(state) : relays
}

function unionOf(state: ClientState): readonly RelayUrl[] {
  return [...new Set([...state.relays, ...state.originRelays])]
}

// -- time ------------------------------------------------------------------------------------------

function wake(work: Work, now: Millis): void {
  endOverlap(work, now)
  if (work.state.guardUntil !== null && work.state.guardUntil <= now) {
    work.state = { ...work.state, guardUntil: null, secret: null }
  }
  const { state } = work
  if (canFallBack(state) && state.downSince !== null && now >= state.downSince + FALLBACK_MS) {
    work.state = { ...work.state, fellBack: true }
  }
  const darkTill = noRelayAt(work.state)
  if (darkTill !== null && darkTill <= now) {
    const message = `none of the relays could be reached: ${state.relays.join(', ')}`
    return fail(work, { code: 'transport/no-relay', message })
  }
  const switchAt = nextSwitchAt(work.state)
  if (switchAt !== null && switchAt <= now) {
    work.state = { ...work.state, lastSwitchAt: now }
    askRelays(work, now)
  }
  if (state.deadline !== null && state.deadline <= now) passDeadline(work, now)
  for (const id of Object.keys(work.state.pending)) {
    // An expiry may end the session, and with it all others.
    const pending = pendingOf(work.state, id)
    if (pending !== undefined && pending.expiresAt <= now) expire(work, id, pending, now)
  }
}

/** When a handshake without any relay gives up. */
function noRelayAt(state: ClientState): Millis | null {
  if (!inHandshake(state) || state.phase === 'awaiting-signer') return null
  return state.live.length > 0 || state.downSince === null ? null : state.downSince + NO_RELAY_MS
}

/** NIP-46: ask "immediately" after connecting, then "at reasonable intervals". */
function nextSwitchAt(state: ClientState): Millis | null {
  if (state.phase !== 'ready' || !state.profile.switchRelays || state.live.length === 0) return null
  return state.lastSwitchAt === null ? state.startedAt : state.lastSwitchAt + SWITCH_EVERY_MS
}

function passDeadline(work: Work, now: Millis): void {
  switch (work.state.phase) {
    case 'switching':
      return enterIdentifying(work, now)
    case 'awaiting-signer':
      return fail(work, { code: 'timeout/connect', message: 'no remote signer took the offer in time' })
    case 'logging-out':
      return close(work, 'logged-out', LOGGED_OUT)
    case 'connecting':
    case 'identifying': {
      const pending = Object.values(work.state.pending).find(({ method, origin }) => {
        return origin === 'machine' && (method === 'connect' || method === 'get_public_key')
      })
      return fail(work, work.state.refusal ?? lateFailure(pending))
    }
    default:
      work.state = { ...work.state, deadline: null }
  }
}

function expire(work: Work, id: RequestId, pending: PendingRequest, now: Millis): void {
  const failure = lateFailure(pending)
  settle(work, id, err(failure))
  if (pending.origin !== 'machine') return
  if (pending.method === 'switch_relays' && work.state.phase === 'switching')
    return enterIdentifying(work, now)
  if (pending.method === 'connect' || pending.method === 'get_public_key')
    fail(work, work.state.refusal ?? failure)
}

function lateFailure(pending: PendingRequest | undefined): Failure {
  if (pending === undefined || pending.sentAt === null) {
    return {
      code: 'timeout/not-sent',
      message: 'no relay could be reached in time: the request was not sent',
    }
  }
  if (pending.authUrls.length > 0) {
    return { code: 'timeout/auth', message: 'the page of the remote signer was not finished in time' }
  }
  const stage = pending.accepted ? 'a relay took the request' : 'no relay confirmed the request'
  return { code: 'timeout/no-answer', message: `no answer in time; ${stage}` }
}

/** A message from the future, or an answer older than its question: stored messages are old without any fault. */
function noticeClock(work: Work, createdAt: Seconds, askedAt: Millis | undefined, now: Millis): void {
  const { state } = work
  const seconds = Math.floor(now / 1_000)
  const lastSeen = Math.max(state.lastSeen ?? 0, Math.min(createdAt, seconds))
  work.state = { ...state, lastSeen }
  const behind = askedAt !== undefined && Math.floor(askedAt / 1_000) - createdAt > SKEW_SECONDS
  if (behind || createdAt - seconds > SKEW_SECONDS) alertSkew(work, now)
}

function alertSkew(work: Work, now: Millis): void {
  const { skewAlertAt } = work.state
  if (skewAlertAt !== null && now - skewAlertAt < SKEW_ALERT_EVERY_MS) return
  work.state = { ...work.state, skewAlertAt: now }
  work.outputs.push({ type: 'alert', code: 'clock/skew' })
}

// -- ending ----------------------------------------------------------------------------------------

function logOut(work: Work, now: Millis): void {
  const { phase, profile, remoteSigner } = work.state
  if (phase === 'logging-out') return
  settleCallers(work, LOGGED_OUT)
  if (remoteSigner === null || profile.logout === 'none' || work.state.live.length === 0) {
    return close(work, 'logged-out', LOGGED_OUT)
  }
  work.state = { ...work.state, phase: 'logging-out', deadline: now + LOGOUT_MS }
  if (startOwn(work, profile.logout, now, LOGOUT_MS) === undefined) close(work, 'logged-out', LOGGED_OUT)
}

function fail(work: Work, failure: Failure): void {
  work.outputs.push({ type: 'failed', failure })
  close(work, 'closed', failure)
}

function close(work: Work, reason: 'logged-out' | 'closed', failure: Failure): void {
  settleCallers(work, failure)
  work.state = {
    ...work.state,
    phase: 'closed',
    pending: {},
    secret: null,
    deadline: null,
    guardUntil: null,
    refusal: null,
    relaySwitch: null,
    live: [],
  }
  work.outputs.push({ type: 'ended', reason })
}

function settleCallers(work: Work, failure: Failure): void {
  for (const id of Object.keys(work.state.pending)) settle(work, id, err(failure))
}

// -- helpers ---------------------------------------------------------------------------------------

function inHandshake(state: ClientState): boolean {
  return ['awaiting-signer', 'connecting', 'switching', 'identifying'].includes(state.phase)
}

function pendingOf(state: ClientState, id: RequestId): PendingRequest | undefined {
  return Object.hasOwn(state.pending, id) ? state.pending[id] : undefined
}

/** Whether a request of the machine's own is under way. */
function isAsked(state: ClientState, method: string): boolean {
  return Object.values(state.pending).some(
    (pending) => pending.method === method && pending.origin === 'machine',
  )
}

function withPending(state: ClientState, id: RequestId, pending: PendingRequest): ClientState {
  return { ...state, pending: { ...state.pending, [id]: pending } }
}

/** The origin of a URL that may be shown: https, or http to this machine; no credentials, nothing to slip by a reader. */
function webOrigin(url: string): string | undefined {
  if (url.length > AUTH_URL_CHARS || /\s/.test(url)) return undefined
  const parsed = parseUrl(url, { https: 443, http: 80 })
  if (!parsed.ok || (parsed.value.scheme === 'http' && !isLoopbackHost(parsed.value.host))) return undefined
  return /^[^:]+:\/\/[^/]+/.exec(parsed.value.href)?.[0]
}
