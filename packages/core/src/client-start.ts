/**
 * How a client session begins: from a URI, an offer, a stored session, or a state that was stored whole.
 * Never sends anything: that is for the first relay that comes live.
 */

import { IDENTIFY_MS } from './client-handshake.ts'
import { startOwn } from './client-requests.ts'
import type { ClientState, Draft } from './client-state.ts'
import { SESSION_RELAYS } from './limits.ts'
import type { ClientMetadata } from './metadata.ts'
import type { ClientProfile } from './profile.ts'
import { type Millis, type Pubkey, type RelayUrl, type RequestId, type Seconds, UsageError } from './value.ts'

const CONNECT_MS = 65_000
const OFFER_MS = 300_000

/** What every client machine starts from. */
export interface ClientFacts {
  readonly clientPubkey: Pubkey
  readonly profile: ClientProfile
  readonly relays: readonly RelayUrl[]
  readonly secret: string | null
  readonly perms?: string
  readonly metadata?: ClientMetadata | null
  /** At least four fresh random ids of 32 hex characters. */
  readonly ids: readonly RequestId[]
  /** How long to wait for the answer to `connect` (default 65,000), or for somebody to take an offer (default 300,000). */
  readonly timeoutMs?: number | undefined
}

/** Connects to a remote signer that a bunker:// URI named. */
export function fromBunker(
  facts: ClientFacts & { readonly remoteSigner: Pubkey; readonly userPubkey?: Pubkey | undefined },
  now: Millis,
): ClientState {
  const { remoteSigner, userPubkey = null, timeoutMs = CONNECT_MS } = facts
  const state = initial(facts, now, { flow: 'bunker', phase: 'connecting', remoteSigner, userPubkey })
  return ask(state, 'connect', connectParams(state), now, timeoutMs)
}

/** Goes on with a connection that was made elsewhere and whose user is not known: asks who it is, and sends no connect. */
export function fromPairing(
  facts: Omit<ClientFacts, 'secret'> & { readonly remoteSigner: Pubkey },
  now: Millis,
): ClientState {
  const { remoteSigner } = facts
  const flow = { flow: 'resumed', phase: 'identifying', remoteSigner } as const
  const state = initial({ ...facts, secret: null }, now, flow)
  return ask(state, 'get_public_key', [], now, IDENTIFY_MS)
}

function ask(state: Draft, method: string, params: readonly string[], now: Millis, ms: number): ClientState {
  if (startOwn({ state, now }, method, ms, { params }) === undefined)
    throw new UsageError('ids must hold at least four fresh random ids')
  state.deadline = now + ms
  return state
}

/** Waits for a remote signer to answer a nostrconnect:// offer. `secret` must be the offer's, at least 128 random bits. */
export function fromOffer(facts: ClientFacts & { readonly secret: string }, now: Millis): ClientState {
  if (facts.secret === '')
    throw new UsageError('a nostrconnect:// offer needs a secret: 32 random hex characters')
  const { timeoutMs = OFFER_MS } = facts
  return initial(facts, now, { flow: 'nostrconnect', phase: 'awaiting-signer', deadline: now + timeoutMs })
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
  const { remoteSigner, userPubkey, lastSeen, lastSwitchAt } = session
  const originRelays = session.originRelays.slice(0, SESSION_RELAYS)
  const known = { remoteSigner, userPubkey, originRelays, lastSeen, lastSwitchAt }
  return initial({ ...session, secret: null, ids }, now, { flow: 'resumed', phase: 'ready', ...known })
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
  more: Pick<ClientState, 'flow' | 'phase'> & Partial<ClientState>,
): Draft {
  const { clientPubkey, profile, secret, perms = '', metadata = null, ids } = facts
  const relays = facts.relays.slice(0, SESSION_RELAYS)
  if (relays.length === 0) throw new UsageError('a session needs at least one relay')
  return {
    v: 1,
    profile,
    clientPubkey,
    remoteSigner: null,
    userPubkey: null,
    secret,
    perms,
    metadata,
    allowLoopbackAuth: false,
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
    ...more,
  }
}

/** `[remote signer, secret, perms?, metadata?]`: two at least, since some remote signers read the second unasked. */
function connectParams(state: ClientState): readonly string[] {
  const { profile, secret, perms, metadata, remoteSigner, userPubkey, clientPubkey } = state
  const targets = { 'remote-signer': remoteSigner, client: clientPubkey, user: userPubkey ?? remoteSigner }
  const target = targets[profile.connectParam]
  const params = [target ?? '', secret ?? '']
  // "If metadata is passed, perms MUST be present, empty if unused"
  if (profile.connectMetadata && metadata !== null) return [...params, perms, JSON.stringify(metadata)]
  return perms === '' ? params : [...params, perms]
}
