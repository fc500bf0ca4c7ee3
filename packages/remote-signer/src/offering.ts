/**
 * The ways into a session: bunker:// offers that are made, nostrconnect:// offers that are accepted.
 * Never hands out a URI, and never announces a session, before it is stored and listened for.
 */

import {
  bytesToHex,
  limits as coreLimits,
  encodeBunkerUri,
  isForbiddenAddress,
  type NostrConnectOffer,
  type Pubkey,
  parseNostrConnectUri,
  type Question,
  type RelayUrl,
  relayHost,
  UsageError,
  type Verdict,
} from '@nip46/core'
import type { StoreChange, StoredKey } from '@nip46/core/remote-signer'
import {
  type Admission,
  acceptOffer,
  addOffer,
  forgetOffer,
  type Offer,
  revokeOffer,
  type SignerSession,
  tokenKey,
} from '@nip46/core/remote-signer'
import type { Engine } from './engine.ts'
import { closedError, RemoteSignerError, storeFailed } from './error.ts'
import type { Lane } from './lane.ts'
import * as limits from './limits.ts'
import type { AcceptOptions, MadeOffer, OfferInfo, OfferOptions } from './options.ts'
import { sessionInfo } from './session-info.ts'
import type { SessionInfo } from './signer-event.ts'

/** As core's sessions wait. */
const DECISION_MS = 60_000
/** Dialects whose offers may come without a secret. */
const WITHOUT_SECRET: readonly string[] = ['A0', 'A1', 'SEED', 'B']

/** A bunker:// URI, stored and listened for. */
export async function makeOffer(engine: Engine, options: OfferOptions): Promise<MadeOffer> {
  const { relays, random, subscriptions } = engine
  const userPubkey = userFor(engine, options.user)
  const { granted = [], policy = null, approval = 'secret', expiresInMs = limits.OFFER_MS } = options
  if (!(expiresInMs > 0)) throw new UsageError('expiresInMs is a number of milliseconds above 0')
  const createdAt = engine.now()
  const expiresAt = createdAt + expiresInMs
  const secret = options.withoutSecret === true ? null : bytesToHex(random(16))
  const key = takeKey(engine)
  try {
    const signerPubkey = key.pubkey
    const facts = { at: createdAt, signerPubkey, userPubkey, clientPubkey: null }
    const offer = { signerPubkey, userPubkey, relays, granted, policy, approval, createdAt, expiresAt }
    await changeOffers(engine, (admission) => withOffer(admission, secret, offer), {
      keys: key.stored,
      audit: [{ type: 'offer-made', ...facts, granted, expiresAt }],
    })
    await subscriptions.whenLive({ relays, to: signerPubkey })
    const uri = encodeBunkerUri({ remoteSigner: signerPubkey, relays, secret })
    return { uri, token: tokenKey(secret, signerPubkey), remoteSigner: signerPubkey }
  } finally {
    key.done()
  }
}

export async function withdrawOffer(engine: Engine, token: string): Promise<void> {
  const known = engine.offers.admission.offers
  const offer = Object.hasOwn(known, token) ? known[token] : undefined
  if (offer === undefined) throw new RemoteSignerError('offer/unknown', 'there is no such token')
  const { signerPubkey, userPubkey } = offer
  await changeOffers(engine, (admission) => revokeOffer(admission, token), {
    audit: [{ type: 'offer-withdrawn', at: engine.now(), signerPubkey, userPubkey, clientPubkey: null }],
  })
}

export function listOffers({ offers }: Engine): readonly OfferInfo[] {
  return Object.entries(offers.admission.offers).map(([token, offer]) => {
    const { signerPubkey, userPubkey, granted, policy = null, approval } = offer
    const { createdAt, expiresAt, usedBy, revoked } = offer
    return {
      token,
      remoteSigner: signerPubkey,
      user: userPubkey,
      granted,
      policy,
      approval,
      createdAt,
      expiresAt,
      usedBy,
      withdrawn: revoked,
    }
  })
}

/** A session for the client of a nostrconnect:// URI; it announces itself from now on. */
export async function acceptUri(
  engine: Engine,
  uri: string,
  options: AcceptOptions,
  expectRunning: () => void,
): Promise<SessionInfo> {
  const { keys, lanes, turns, subscriptions, random, relays } = engine
  const userPubkey = userFor(engine, options.user)
  const { scheme = 'nip44', era } = options
  const parsed = parseNostrConnectUri(uri, {
    ...engine.options.relayUrls,
    ownPubkeys: [...keys.pubkeys, userPubkey],
    allowMissingSecret: era !== undefined && WITHOUT_SECRET.includes(era),
  })
  if (!parsed.ok)
    throw new RemoteSignerError(parsed.error, `this is no nostrconnect:// URI to accept (${parsed.error})`)
  const offer = { ...parsed.value, relays: reachableRelays(parsed.value.relays, relays) }
  if (offer.relays.length === 0)
    throw new RemoteSignerError('uri/relay-invalid', 'every relay of this URI lies in a network of our own')
  expectRoom(engine)
  const verdict =
    options.approved === true
      ? ({ allow: true } satisfies Verdict as Verdict)
      : await consult(engine, connectQuestion(offer, scheme === 'nip04'))
  expectRunning()
  if (verdict === undefined) throw new RemoteSignerError('approval/timeout', 'nobody decided in time')
  if (!verdict.allow) throw new RemoteSignerError('approval/denied', verdict.reason ?? 'the user said no')
  expectRoom(engine)

  const granted = [...(options.granted ?? []), ...(verdict.grant ?? [])]
  const policy = verdict.policy ?? options.policy ?? null
  const key = takeKey(engine)
  try {
    const signerPubkey = key.pubkey
    if (key.stored.length > 0) await changeOffers(engine, (admission) => admission, { keys: key.stored })
    const lane = lanes.laneOf(signerPubkey, offer.clientPubkey)
    const id = bytesToHex(random(16))
    const request = { offer, signerPubkey, userPubkey, relays, granted, policy, scheme, id }
    // Nothing is announced before somebody can hear the client's answer.
    lane.quiet = true
    let session: SignerSession | undefined
    try {
      await install(engine, lane, (previous) =>
        joinPrevious(acceptOffer(era === undefined ? request : { ...request, era }, engine.now()), previous),
      )
      expectRunning()
      session = lane.session
      if (session === undefined) throw new RemoteSignerError('closed', 'the session ended at once')
      await subscriptions.whenLive({ relays: session.relays, to: signerPubkey })
    } finally {
      lane.quiet = false
      lanes.arm(lane)
    }
    turns.enqueue(lane, { type: 'wake', input: { type: 'wake' } })
    return sessionInfo(session)
  } finally {
    key.done()
  }
}

/** A stranger's URI does not send us into our own machine or network, unless our own relays are there. */
function reachableRelays(offered: readonly RelayUrl[], ours: readonly RelayUrl[]): readonly RelayUrl[] {
  const isInside = (relay: RelayUrl): boolean => isForbiddenAddress(relayHost(relay))
  return ours.some(isInside) ? offered : offered.filter((relay) => !isInside(relay))
}

/** Stores a change of the offers; what happened to them meanwhile is kept. */
export async function changeOffers(
  { offers, commits, listening }: Engine,
  change: (admission: Admission) => Admission,
  more: StoreChange,
): Promise<void> {
  for (let race = 0; race <= limits.COMMIT_RACES; race++) {
    const before = offers.admission
    const changes = offers.update(change(before))
    offers.hold(changes)
    const outcome = await commits
      .commit({ ...more, ...(changes.length > 0 && { offers: changes }) })
      .catch((cause: unknown) => ({ type: 'failed', cause }) as const)
    offers.letGo(changes)
    if (outcome.type === 'done') {
      listening.toOffers()
      return
    }
    offers.undo(changes, before)
    if (outcome.type === 'failed') throw storeFailed(outcome.cause)
    if (outcome.type === 'stale') {
      for (const { token, stored } of outcome.offers ?? []) offers.replace(token, stored)
    } else if (outcome.type === 'fenced') {
      await commits.readmitted().catch((cause: unknown) => {
        throw storeFailed(cause)
      })
    }
  }
  throw storeFailed(new Error('other processes were always faster'))
}

/** The key of a new connection. `done` must be called once it is stored, or failed to be. */
function takeKey({ options, keys, reserved, now }: Engine): {
  readonly pubkey: Pubkey
  readonly stored: readonly StoredKey[]
  readonly done: () => void
} {
  if (typeof options.keys === 'object')
    return { pubkey: options.keys.pubkey, stored: [], done: () => undefined }
  const { key, secret } = keys.create()
  const { pubkey } = key
  reserved.add(pubkey)
  const done = (): void => {
    secret.fill(0)
    reserved.delete(pubkey)
  }
  return { pubkey, stored: [{ pubkey, secret, createdAt: now() }], done }
}

function userFor({ options, findUserSigner }: Engine, user: Pubkey | undefined): Pubkey {
  const { userSigner } = options
  const userPubkey = user ?? (typeof userSigner === 'function' ? undefined : userSigner.userPubkey)
  if (userPubkey === undefined)
    throw new UsageError('say whose key it is for: { user }, since userSigner is a look-up')
  if (findUserSigner(userPubkey) === undefined)
    throw new RemoteSignerError('user/unknown', 'there is no key for this user here')
  return userPubkey
}

function expectRoom({ lanes }: Engine): void {
  if (lanes.sessions < limits.SESSIONS) return
  throw new RemoteSignerError('sessions/full', `${limits.SESSIONS} sessions are the most: revoke some first`)
}

function consult({ desk, options }: Engine, question: Question): Promise<Verdict | undefined> {
  return desk.consult(question, options.decisionTimeoutMs ?? DECISION_MS)
}

function install(
  { turns }: Engine,
  lane: Lane,
  make: (previous: SignerSession | undefined) => SignerSession,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (cause?: unknown): void => (cause === undefined ? resolve() : reject(storeFailed(cause)))
    if (!turns.enqueue(lane, { type: 'install', make, settle })) settle(closedError())
  })
}

/** The same client once more, on the same key: what it was granted and answered stays. */
function joinPrevious(session: SignerSession, previous: SignerSession | undefined): SignerSession {
  if (previous === undefined || previous.userPubkey !== session.userPubkey) return session
  const { ledger, pending, granted } = previous
  if (previous.phase === 'revoked') return { ...session, ledger }
  const policy = session.policy ?? previous.policy
  return { ...session, ledger, pending, policy, granted: [...session.granted, ...granted] }
}

function connectQuestion(offer: NostrConnectOffer, legacyEncryption: boolean): Question {
  const { clientPubkey, permissions, metadata, relays } = offer
  return { type: 'connect', clientPubkey, requested: permissions, metadata, relays, legacyEncryption }
}

function withOffer(
  admission: Admission,
  secret: string | null,
  offer: Omit<Offer, 'usedBy' | 'revoked'>,
): Admission {
  const isFull = ({ offers }: Admission): boolean => Object.keys(offers).length >= coreLimits.OFFERS
  const room = isFull(admission) ? withoutSpent(admission, offer.createdAt) : admission
  try {
    return addOffer(room, secret, offer)
  } catch (cause) {
    if (!(cause instanceof UsageError && isFull(room))) throw cause
    throw new RemoteSignerError('offers/full', cause.message, { cause })
  }
}

/** Tokens that were used and ran out only serve to tell of thieves: they go first when room is needed. */
function withoutSpent(admission: Admission, at: number): Admission {
  return Object.entries(admission.offers).reduce(
    (kept, [token, { usedBy, expiresAt }]) =>
      usedBy !== null && expiresAt <= at ? forgetOffer(kept, token) : kept,
    admission,
  )
}
