/**
 * How a client session begins: from a URI, an offer, a stored session, or a state that was stored whole.
 * Never sends anything: that is for the first relay that comes live.
 */

import { checkId, startOwn } from './client-requests.ts'
import type { ClientState, Draft } from './client-state.ts'
import { CONNECT_MS, IDENTIFY_MS, OFFER_MS } from './client-waits.ts'
import { SESSION_RELAYS } from './limits.ts'
import type { ClientMetadata } from './metadata.ts'
import type { ClientProfile } from './profile.ts'
import { type Millis, type Pubkey, type RelayUrl, UsageError } from './value.ts'

/** What every client machine starts from. */
export interface ClientFacts {
  readonly clientPubkey: Pubkey
  readonly profile: ClientProfile
  readonly relays: readonly RelayUrl[]
  readonly secret: string | null
  readonly perms?: string
  readonly metadata?: ClientMetadata | null
  /** 32 random hex characters, fresh each time: the machine's own requests are named after it. */
  readonly seed: string
  /** How long to wait for the answer to `connect` (default 65,000), or for somebody to take an offer (default 300,000). */
  readonly timeoutMs?: number | undefined
}

/** Connects to a remote signer that a bunker:// URI named. */
export function fromBunker(
  facts: ClientFacts & { readonly remoteSigner: Pubkey; readonly userPubkey?: Pubkey | undefined },
  now: Millis,
): ClientState {
  const { remoteSigner, userPubkey = null, timeoutMs = CONNECT_MS } = facts
  const state = initial(facts, now, { phase: 'connecting', remoteSigner, userPubkey })
  startOwn(state, 'connect', timeoutMs, connectParams(facts, remoteSigner, userPubkey))
  return state
}

/** Goes on with a connection that was made elsewhere and whose user is not known: asks who it is, and sends no connect. */
export function fromPairing(
  facts: Omit<ClientFacts, 'secret'> & { readonly remoteSigner: Pubkey },
  now: Millis,
): ClientState {
  const { remoteSigner } = facts
  const state = initial({ ...facts, secret: null }, now, { phase: 'identifying', remoteSigner })
  startOwn(state, 'get_public_key', IDENTIFY_MS)
  return state
}

/** Waits for a remote signer to answer a nostrconnect:// offer. `secret` must be the offer's, at least 128 random bits. */
export function fromOffer(facts: ClientFacts & { readonly secret: string }, now: Millis): ClientState {
  if (facts.secret === '')
    throw new UsageError('a nostrconnect:// offer needs a secret: 32 random hex characters')
  const { timeoutMs = OFFER_MS } = facts
  return initial(facts, now, { phase: 'awaiting-signer', deadline: now + timeoutMs })
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
  /** When the remote signer was asked for its relays; 0: never. */
  readonly lastSwitchAt: Millis
}

/** The part of a state worth storing, or undefined before the user is known and once the session ends. */
export function sessionOf(state: ClientState): ClientSession | undefined {
  const { v, clientPubkey, remoteSigner, userPubkey, relays, originRelays, profile, lastSwitchAt } = state
  const isEnding = state.phase === 'closed' || state.phase === 'logging-out'
  if (remoteSigner === null || userPubkey === null || isEnding) return undefined
  return { v, clientPubkey, remoteSigner, userPubkey, relays, originRelays, profile, lastSwitchAt }
}

/** Goes on with a stored session: ready at once, no connect is sent. `seed` as in {@link ClientFacts}. */
export function fromSession(session: ClientSession, seed: string, now: Millis): ClientState {
  const { remoteSigner, userPubkey } = session
  // A time from the future, from before the clock was set back, would never be reached.
  const lastSwitchAt = Math.min(session.lastSwitchAt, now)
  return initial({ ...session, secret: null, seed }, now, {
    ...{ phase: 'ready', remoteSigner, userPubkey, lastSwitchAt },
  })
}

/**
 * A state that was stored whole, in a new process: no relay is live yet. What was sent may have been answered
 * meanwhile, so it is listened for before it is sent again.
 */
export function restart(state: ClientState, now: Millis): ClientState {
  const pending = Object.fromEntries(
    Object.entries(state.pending).map(([id, request]) => [
      id,
      { ...request, sendAt: request.sends > 0 ? null : request.sendAt },
    ]),
  )
  return { ...state, now, live: [], downSince: now, pending }
}

function initial(
  facts: ClientFacts & { readonly originRelays?: readonly RelayUrl[] },
  now: Millis,
  more: Partial<ClientState> & Pick<ClientState, 'phase'>,
): Draft {
  const { clientPubkey, profile, secret, seed } = facts
  checkId(seed)
  const relays = facts.relays.slice(0, SESSION_RELAYS)
  if (relays.length === 0) throw new UsageError('a session needs at least one relay')
  return {
    v: 1,
    now,
    profile,
    clientPubkey,
    remoteSigner: null,
    userPubkey: null,
    secret,
    allowLoopbackAuth: false,
    relays,
    originRelays: (facts.originRelays ?? relays).slice(0, SESSION_RELAYS),
    listen: relays,
    live: [],
    downSince: now,
    provenAt: null,
    since: Math.floor(now / 1_000) - 120,
    deadline: null,
    settled: [],
    lastSwitchAt: 0,
    guardUntil: null,
    skewAlertAt: 0,
    refusal: null,
    end: null,
    seed,
    asked: 0,
    ...more,
    pending: {},
  }
}

/** `[remote signer, secret, perms?, metadata?]`: two at least, since some remote signers read the second unasked. */
function connectParams(
  facts: ClientFacts,
  remoteSigner: Pubkey,
  userPubkey: Pubkey | null,
): readonly string[] {
  const { profile, secret, perms = '', metadata = null, clientPubkey } = facts
  const targets = { 'remote-signer': remoteSigner, client: clientPubkey, user: userPubkey ?? remoteSigner }
  const params = [targets[profile.connectParam], secret ?? '']
  // "If metadata is passed, perms MUST be present, empty if unused"
  if (profile.connectMetadata && metadata !== null) return [...params, perms, JSON.stringify(metadata)]
  return perms === '' ? params : [...params, perms]
}
