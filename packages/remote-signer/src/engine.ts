/**
 * The parts of a remote signer, put together. This file says who tells whom; what is done is in the parts.
 * Never answers what was not stored, and never decides.
 *
 *     relays -> subscriptions -> intake -> receiving -> turns -> commits -> store
 *                                                         `-> releasing -> outbox -> relays
 *                                                                 `-> desk -> approver, user's key -> turns
 */

import {
  type Authenticate,
  bytesToHex,
  limits as coreLimits,
  type Millis,
  type Pubkey,
  type RandomBytes,
  type RelayUrl,
  type RequestId,
  sealAuth,
  type UserSigner,
} from '@nip46/core'
import type { SignerContext, SignerStore } from '@nip46/core/remote-signer'
import { type BoundedMap, createBoundedMap } from './bounded-map.ts'
import { type Bucket, createSessionBudget, createStrangerBudget, type StrangerBudget } from './budget.ts'
import { type CatchingUp, createCatchingUp } from './catching-up.ts'
import { checkRates, ownRelays } from './check-options.ts'
import { type Cohort, createCohort } from './cohort.ts'
import { type Commits, createCommits } from './commits.ts'
import { createDesk, type Desk } from './desk.ts'
import { feedbackOf } from './feedback.ts'
import { createFollowing, type Following } from './following.ts'
import { hostClock, hostRandom, steadyNow } from './host.ts'
import { createIntake, type Intake } from './intake.ts'
import { guardJudge } from './judge-guard.ts'
import { createKeyRing, type KeyRing } from './key-ring.ts'
import { isServed } from './lane.ts'
import { createLanes, type Lanes } from './lanes.ts'
import * as limits from './limits.ts'
import { createListening, type Listening } from './listening.ts'
import { memoryStore } from './memory-store.ts'
import { createOfferBook, type OfferBook } from './offer-book.ts'
import type { RemoteSignerOptions } from './options.ts'
import { createOutbox, type Outbox } from './outbox.ts'
import { createRecall, type Recall } from './recall.ts'
import { answerNow, receive, receiveCopy } from './receiving.ts'
import { release } from './releasing.ts'
import { createReporter, type Reporter } from './reporter.ts'
import { addresseeOf, createStandby, type Standby } from './standby.ts'
import { createSubscriptions, type Subscriptions } from './subscriptions.ts'
import { askAgain, takeOver } from './taking-over.ts'
import { createTurns, type Turns } from './turns.ts'

export interface Engine {
  readonly options: RemoteSignerOptions
  /** What a session is stepped with. */
  readonly context: SignerContext
  /** For new connections. */
  relays: readonly RelayUrl[]
  readonly store: SignerStore
  readonly random: RandomBytes
  readonly now: () => Millis
  readonly reporter: Reporter
  readonly keys: KeyRing
  /** Keys whose offer or session is being stored. */
  readonly reserved: Set<Pubkey>
  readonly offers: OfferBook
  readonly strangers: StrangerBudget
  /** Events that were verified, and what they asked of whom. */
  readonly seen: BoundedMap<SeenEvent>
  /** Keys that are or were the client key of a session. */
  readonly clients: BoundedMap<true>
  readonly lanes: Lanes
  readonly commits: Commits
  readonly turns: Turns
  readonly desk: Desk
  readonly intake: Intake
  readonly catchingUp: CatchingUp
  readonly recall: Recall
  readonly outbox: Outbox
  readonly subscriptions: Subscriptions
  readonly listening: Listening
  readonly cohort: Cohort
  readonly standby: Standby
  readonly following: Following
  /** When the store was restored from a backup; null if it never was. */
  restoredAt: Millis | null
  /** Outbox entries that are being published here. */
  readonly publishing: Set<string>
  /** Keys that nothing needed when it was last looked. */
  readonly unusedBefore: Set<Pubkey>
  /** Another process goes on under this one's name. */
  onSuperseded: (cause: unknown) => void
  findUserSigner(userPubkey: Pubkey): UserSigner | undefined
  /** Runs `work` for at most so long, and settles in any case. */
  withPatience(work: () => Promise<void>, patienceMs: Millis): Promise<void>
  setTimer(run: () => void, afterMs: Millis): unknown
  clearTimer(handle: unknown): void
}

interface SeenEvent {
  readonly lane: string
  readonly requestId: RequestId | undefined
  /** Made with the first copy. */
  copies?: Bucket
}

/** Throws `UsageError` on options that cannot work. */
export function createEngine(options: RemoteSignerOptions): Engine {
  checkRates(options)
  const { crypto, transport, approver } = options
  const clock = options.clock ?? hostClock
  const random = options.random ?? hostRandom
  const store = options.store ?? memoryStore()
  const relays = ownRelays(options.relays)
  const rates = { ...limits.SESSION_RATES, ...options.rates }
  const now = steadyNow(clock)
  const feedback = feedbackOf(transport)

  const reporter = createReporter(options.onEvent)
  const keys = createKeyRing(crypto, random, typeof options.keys === 'object' ? options.keys : undefined)
  const offers = createOfferBook()
  const strangers = createStrangerBudget()
  const seen = createBoundedMap<SeenEvent>(limits.SEEN_IDS)
  const clients = createBoundedMap<true>(limits.CLIENT_KEYS)

  const context: SignerContext = {
    preferredRelays: [...new Set(options.switchRelays ?? [])],
    isClientPubkey: (pubkey) => clients.has(pubkey) || lanes.serves(pubkey),
    ...(options.judge !== undefined && { judge: guardJudge(options.judge, reporter) }),
    ...(options.userRelays !== undefined && { userRelays: options.userRelays }),
    ...(options.nip44GetKey !== undefined && { nip44GetKey: options.nip44GetKey }),
    ...(options.implicitConnect !== undefined && { implicitConnect: options.implicitConnect }),
    ...(options.decisionTimeoutMs !== undefined && { decisionTimeoutMs: options.decisionTimeoutMs }),
    performer: () => cohort.id,
    restoredAt: () => engine.restoredAt,
  }

  const authenticate = (relay: RelayUrl, challenge: string, pubkey: Pubkey): ReturnType<Authenticate> => {
    const key = keys.get(pubkey)
    if (key === undefined || challenge.length > coreLimits.AUTH_CHALLENGE_CHARS) return undefined
    return sealAuth({ relay, challenge, key, createdAt: Math.floor(now() / 1_000) }, { crypto, random })
  }

  const findUserSigner = (userPubkey: Pubkey): UserSigner | undefined => {
    const { userSigner } = options
    if (typeof userSigner === 'function') return userSigner(userPubkey)
    return userSigner.userPubkey === userPubkey ? userSigner : undefined
  }

  // Unique among all processes that ever shared the store, without a draw for each answer.
  const outboxPrefix = bytesToHex(random(16))
  let outboxSerial = 0
  const publishing = new Set<string>()

  const outbox = createOutbox({ crypto, random, transport, clock, now, reporter, authenticate })

  const lanes = createLanes({
    clock,
    now,
    shared: store.sharing !== undefined,
    wakeDelay: (lane) => (cohort.owns(lane.signerPubkey, lane.clientPubkey) ? 0 : limits.TAKE_OVER_MS),
    createBudget: () => createSessionBudget(rates),
    onServed: (pubkey, isServed) => feedback?.serves(pubkey, isServed),
    onDue: (lane) => void turns.enqueue(lane, { type: 'wake', input: { type: 'wake' } }),
  })

  const commits = createCommits({ store, clock, now, reporter, onFenced: () => cohort.rejoin() })

  const turns = createTurns({
    lanes,
    commits,
    clock,
    now,
    reporter,
    strangers,
    offers,
    context,
    shared: store.sharing !== undefined,
    onFenced: () => cohort.rejoin(),
    onOutrun({ signerPubkey, clientPubkey }) {
      // It is tried again all the same; if the store cannot be reached, that tells.
      store.sharing?.requestTurn({ signerPubkey, clientPubkey }).catch(() => undefined)
    },
    // Names the process, so that another one can tell whether anybody is publishing it.
    outboxId: () => `${cohort.id ?? outboxPrefix}.${(outboxSerial++).toString(36)}`,
    release: (stored) => release(engine, stored),
    refuse(lane, arrival, text) {
      if (!isServed(lane) && !strangers.take(arrival.from, now())) return
      answerNow(engine, lane, arrival, text)
    },
    onReplaced(lane) {
      listening.toLane(lane)
      desk.tidy(lane, 'elsewhere')
      if (store.sharing !== undefined) askAgain({ desk, context }, lane)
      lanes.arm(lane)
    },
    unsee: (eventId) => void seen.delete(eventId),
    see: (eventId, lane, requestId) => seen.set(eventId, { lane: lane.key, requestId }),
  })

  const desk = createDesk({
    approver,
    userSigner: findUserSigner,
    clock,
    reporter,
    operationTimeoutMs: options.operationTimeoutMs ?? limits.OPERATION_TIMEOUT_MS,
    enqueue: turns.enqueue,
  })

  const intake = createIntake({
    crypto,
    clock,
    now,
    reporter,
    key: keys.get,
    scheme(from, to) {
      const lane = lanes.find(to, from)
      if (lane !== undefined && isServed(lane)) return lane.session?.scheme ?? 'nip44'
      return options.acceptNip04 === false ? 'nip44' : 'either'
    },
    serves: lanes.serves,
    seen: seen.has,
    isWornOut(eventId) {
      const event = seen.get(eventId)
      return event !== undefined && (event.requestId === undefined || event.copies?.has(now()) === false)
    },
    leave(event, relay) {
      if (cohort.owns(addresseeOf(event), event.pubkey)) return false
      standby.hold(event, relay)
      return true
    },
    recall: (event, relay) =>
      readClaimed !== undefined &&
      lanes.serves(event.pubkey) &&
      subscriptions.isCatchingUp(relay) &&
      recall.take(event, relay),
    isReplaying: (relay) => subscriptions.isReplaying(relay),
    onOwed: (relay) => catchingUp.owe(relay),
    onRefund: (relay, events) => feedback?.refund(relay, events),
    onOpened: (opened, relay, isAskedFor) => receive(engine, opened, relay, isAskedFor),
    onSeen: (eventId, relay) => receiveCopy(engine, eventId, relay),
  })

  const readClaimed = claimedReader(store)
  const recall = createRecall({
    clock,
    reporter,
    readClaimed: async (eventIds) => (await readClaimed?.(eventIds)) ?? [],
    isBusy: () => intake.waiting + recall.waiting + lanes.waiting > 0,
    onTurn: (event, relay) => intake.takeOver(event, relay, true),
  })

  const catchingUp = createCatchingUp({
    clock,
    ask: (relay) => subscriptions.again(relay),
  })

  const standby = createStandby({
    clock,
    now,
    reporter,
    isOurs: (event) => cohort.owns(addresseeOf(event), event.pubkey),
    readClaims: async (eventIds) => (await store.sharing?.readClaims(eventIds)) ?? [],
    onClaimed({ eventId, signerPubkey, clientPubkey, requestId }) {
      const lane = lanes.laneOf(signerPubkey, clientPubkey)
      seen.set(eventId, { lane: lane.key, requestId })
      lanes.tidy(lane)
    },
    onUnclaimed: (event, relay) => intake.takeOver(event, relay, false),
  })

  const cohort = createCohort({
    sharing: store.sharing,
    clock,
    reporter,
    onChanged: (change) => following.changed(change),
    onTurnRequested({ signerPubkey, clientPubkey }) {
      const lane = lanes.find(signerPubkey, clientPubkey)
      if (lane !== undefined) turns.stepAside(lane)
    },
    onMembers() {
      standby.release()
      void takeOver(engine)
    },
    onFenced() {
      commits.suspend()
      for (const lane of lanes.byKey.values()) desk.drop(lane)
    },
    async onRejoined() {
      await following.refresh()
      commits.resume()
      turns.resume()
    },
    onOutside(cause) {
      commits.refuse(cause)
      turns.refuseWaiting()
    },
    onSuperseded: (cause) => engine.onSuperseded(cause),
  })

  const subscriptions = createSubscriptions({
    transport,
    clock,
    now,
    reporter,
    onEvent: intake.push,
    authenticate,
  })

  const listening = createListening({ lanes, offers, subscriptions })

  const parts: Omit<Engine, 'following'> = {
    options,
    context,
    restoredAt: null,
    relays,
    store,
    random,
    now,
    reporter,
    keys,
    reserved: new Set(),
    offers,
    strangers,
    seen,
    clients,
    lanes,
    commits,
    turns,
    desk,
    intake,
    catchingUp,
    recall,
    outbox,
    subscriptions,
    listening,
    cohort,
    standby,
    publishing,
    unusedBefore: new Set(),
    onSuperseded: () => undefined,
    findUserSigner,
    withPatience(work, patienceMs) {
      return new Promise((resolve) => {
        const timer = clock.setTimer(resolve, patienceMs)
        const done = (): void => {
          clock.clearTimer(timer)
          resolve()
        }
        work().then(done, done)
      })
    },
    setTimer: (run, afterMs) => clock.setTimer(run, afterMs),
    clearTimer: (handle) => clock.clearTimer(handle),
  }
  const following = createFollowing(parts)
  const engine: Engine = { ...parts, following }
  return engine
}

/** How the store tells what is claimed; undefined if it does not. */
function claimedReader(store: SignerStore): SignerStore['readClaimed'] {
  const { sharing } = store
  if (sharing === undefined)
    return store.readClaimed === undefined
      ? undefined
      : (ids) => store.readClaimed?.(ids) ?? Promise.resolve([])
  return async (eventIds) => (await sharing.readClaims(eventIds)).map(({ eventId }) => eventId)
}
