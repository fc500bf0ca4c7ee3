/**
 * The parts of a remote signer put together: what comes in is opened and stepped, what was stored leaves.
 * Never answers what was not stored, and never decides.
 */

import {
  type Authenticate,
  limits as coreLimits,
  encodeResponse,
  type Millis,
  type Opened,
  type Pubkey,
  parseRequest,
  type RandomBytes,
  type RelayUrl,
  type RequestId,
  sealAuth,
  UsageError,
  type UserSigner,
} from '@nip46/core'
import type { SignerStore } from '@nip46/core/remote-signer'
import { type Admission, type Arrival, type SignerContext, tokenKey, wants } from '@nip46/core/remote-signer'
import { type BoundedMap, createBoundedMap } from './bounded-map.ts'
import {
  type Bucket,
  budgetFor,
  createBucket,
  createSessionBudget,
  createStrangerBudget,
  type StrangerBudget,
} from './budget.ts'
import { type CatchingUp, createCatchingUp } from './catching-up.ts'
import { type Cohort, createCohort } from './cohort.ts'
import { awaits, createDesk, type Desk } from './desk.ts'
import { createFollowing, type Following } from './following.ts'
import { hostClock, hostRandom, steadyNow } from './host.ts'
import { createIntake, type Intake } from './intake.ts'
import { guardJudge } from './judge-guard.ts'
import { createKeyRing, type KeyRing } from './key-ring.ts'
import { isServed, type Lane } from './lane.ts'
import * as limits from './limits.ts'
import { memoryStore } from './memory-store.ts'
import { createOfferBook, type OfferBook } from './offer-book.ts'
import type { Rate, RemoteSignerOptions } from './options.ts'
import { type Answer, createOutbox, type Outbox } from './outbox.ts'
import { createRecall, type Recall } from './recall.ts'
import { createReporter, type Reporter } from './reporter.ts'
import { sessionInfo } from './session-info.ts'
import { addresseeOf, createStandby, type Standby } from './standby.ts'
import { createSubscriptions, type Subscriptions } from './subscriptions.ts'
import { askAgain, takeOver } from './taking-over.ts'
import { createTurns, type Released, type Turns } from './turns.ts'

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
  readonly turns: Turns
  readonly desk: Desk
  readonly intake: Intake
  readonly catchingUp: CatchingUp
  readonly recall: Recall
  readonly outbox: Outbox
  readonly subscriptions: Subscriptions
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
  /** Listens for what a session wants. */
  listen(lane: Lane): void
  /** Listens for what the offers want. */
  syncOffers(): void
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
  checkOptions(options)
  const { crypto, transport, approver } = options
  const clock = options.clock ?? hostClock
  const random = options.random ?? hostRandom
  const store = options.store ?? memoryStore()
  const relays = ownRelays(options.relays)
  const rates = { ...limits.SESSION_RATES, ...options.rates }
  const now = steadyNow(clock)

  const reporter = createReporter(options.onEvent)
  const keys = createKeyRing(crypto, random, typeof options.keys === 'object' ? options.keys : undefined)
  const offers = createOfferBook()
  const strangers = createStrangerBudget()
  const seen = createBoundedMap<SeenEvent>(limits.SEEN_IDS)
  const clients = createBoundedMap<true>(limits.CLIENT_KEYS)

  const context: SignerContext = {
    preferredRelays: [...new Set(options.switchRelays ?? [])],
    isClientPubkey: (pubkey) => clients.has(pubkey) || turns.serves(pubkey),
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
  const outboxPrefix = hex(random(16))
  let outboxSerial = 0
  const publishing = new Set<string>()

  const outbox = createOutbox({ crypto, random, transport, clock, now, reporter, authenticate })

  const turns = createTurns({
    store,
    clock,
    now,
    reporter,
    strangers,
    offers,
    context,
    shared: store.sharing !== undefined,
    wakeDelay: (lane) => (cohort.owns(lane.signerPubkey, lane.clientPubkey) ? 0 : limits.TAKE_OVER_MS),
    onFenced: () => cohort.rejoin(),
    createBudget: () => createSessionBudget(rates),
    // Names the process, so that another one can tell whether anybody is publishing it.
    outboxId: () => `${cohort.id ?? outboxPrefix}.${(outboxSerial++).toString(36)}`,
    release,
    refuse(lane, arrival, text) {
      if (!isServed(lane) && !strangers.take(arrival.from, now())) return
      answerNow(lane, arrival, text)
    },
    onReplaced(lane) {
      listen(lane)
      desk.tidy(lane, 'elsewhere')
      if (store.sharing !== undefined) askAgain({ desk, context }, lane)
      turns.arm(lane)
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
      const lane = turns.find(to, from)
      if (lane !== undefined && isServed(lane)) return lane.session?.scheme ?? 'nip44'
      return options.acceptNip04 === false ? 'nip44' : 'either'
    },
    serves: turns.serves,
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
      turns.serves(event.pubkey) &&
      subscriptions.isCatchingUp(relay) &&
      recall.take(event, relay),
    isReplaying: (relay) => subscriptions.isReplaying(relay),
    onOwed: (relay) => catchingUp.owe(relay),
    onOpened,
    onSeen,
  })

  const readClaimed = claimedReader(store)
  const recall = createRecall({
    clock,
    reporter,
    readClaimed: async (eventIds) => (await readClaimed?.(eventIds)) ?? [],
    isBusy: () => intake.waiting + recall.waiting + turns.waiting > 0,
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
      const lane = turns.laneOf(signerPubkey, clientPubkey)
      seen.set(eventId, { lane: lane.key, requestId })
      turns.tidy(lane)
    },
    onUnclaimed: (event, relay) => intake.takeOver(event, relay, false),
  })

  const cohort = createCohort({
    sharing: store.sharing,
    clock,
    reporter,
    onChanged: (change) => following.changed(change),
    onMembers() {
      standby.release()
      void takeOver(engine)
    },
    onFenced() {
      turns.suspend()
      for (const lane of turns.lanes.values()) desk.drop(lane)
    },
    async onRejoined() {
      await following.refresh()
      turns.resume()
    },
    onOutside: turns.refuseWaiting,
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

  // -- messages in -----------------------------------------------------------------------------

  function onOpened(opened: Opened, relay: RelayUrl, isAskedFor: boolean): void {
    const { from, to, eventId } = opened
    const lane = turns.laneOf(to, from)
    const arrival: Arrival = { ...opened, relay }
    const { id: requestId, method } = headOf(opened.text)
    if (isServed(lane)) {
      if (isAskedFor) catchingUp.heard(relay)
      else if (!subscriptions.isCatchingUp(relay)) tellHeard(opened)
      const budget = budgetFor(lane.budget, method)
      if (!budget.take(now())) {
        reporter.drop('event/rate-limited')
        seen.set(eventId, { lane: lane.key, requestId: undefined })
        if (requestId !== undefined && lane.budget.refusals.take(now()))
          void tellLimited(lane, arrival, requestId, Math.ceil(budget.wait(now()) / 1_000))
        return
      }
    }
    if (store.sharing !== undefined && lane.session === undefined) {
      // Another process may have made its token, or its session, a moment ago.
      seen.set(eventId, { lane: lane.key, requestId: undefined })
      void following.lookUp({ signerPubkey: to, clientPubkey: from }, tokenIn(opened.text, to)).then(() => {
        if (turns.enqueue(turns.laneOf(to, from), { type: 'message', arrival, requestId })) return
        seen.delete(eventId)
        dropBusy(relay)
      })
      return
    }
    if (!turns.enqueue(lane, { type: 'message', arrival, requestId })) dropBusy(relay)
    else seen.set(eventId, { lane: lane.key, requestId })
  }

  function tellHeard({ from, createdAt }: Opened): void {
    try {
      options.onHeard?.(from, createdAt)
    } catch (cause) {
      reporter.fail('listener', cause)
    }
  }

  function dropBusy(relay: RelayUrl): void {
    reporter.drop('session/busy')
    intake.owe(relay)
  }

  /** Others on the same store are told first, so that none of them takes it for forgotten. */
  async function tellLimited(lane: Lane, arrival: Arrival, id: RequestId, seconds: number): Promise<void> {
    if (store.sharing !== undefined) {
      const { signerPubkey, clientPubkey } = lane
      const claim = { eventId: arrival.eventId, signerPubkey, clientPubkey, requestId: id, at: now() }
      try {
        if ((await turns.commit({ claims: [claim] })).type !== 'done') return
      } catch {
        // Told as an ailment of the store; this client hears nothing, as if it had not been heard.
        return
      }
    }
    const error = `rate-limited: too many requests, retry in ${seconds} s`
    answerNow(lane, arrival, encodeResponse({ type: 'error', id, error }))
  }

  function onSeen(eventId: string, relay: RelayUrl): void {
    const event = seen.get(eventId)
    const lane = event === undefined ? undefined : turns.lanes.get(event.lane)
    if (lane === undefined || event?.requestId === undefined) {
      reporter.drop('event/seen')
      return
    }
    const { requestId } = event
    event.copies ??= createBucket(limits.COPIES_BURST, limits.COPIES_PER_SECOND)
    if (!event.copies.take(now()) || !turns.enqueue(lane, { type: 'repeat', eventId, requestId, relay }))
      reporter.drop('event/seen')
  }

  /** An answer outside the session's memory: to what was not handled. */
  function answerNow(lane: Lane, arrival: Arrival, text: string): void {
    const key = keys.get(lane.signerPubkey)
    if (key === undefined) return
    const relaysOut = [...new Set([arrival.relay, ...(lane.session?.relays ?? [])])]
    const { from: to, scheme } = arrival
    outbox.post([{ key, to, relays: relaysOut, scheme, text, requestId: '' }])
  }

  // -- what was stored leaves --------------------------------------------------------------------

  function release(released: readonly Released[]): void {
    const answers: Answer[] = []
    for (const { draft, sends } of released) {
      const { lane } = draft
      const { session } = lane
      if (session?.phase === 'open') clients.set(lane.clientPubkey, true)
      listen(lane)
      desk.tidy(lane)
      const key = keys.get(lane.signerPubkey)
      if (key === undefined) continue
      for (const { send, outboxId } of sends) {
        if (outboxId !== undefined) publishing.add(outboxId)
        answers.push({
          key,
          to: lane.clientPubkey,
          relays: send.relays,
          scheme: send.scheme,
          text: send.text,
          requestId: send.requestId,
          onSettled: (taken) => onSettled(lane, send.requestId, outboxId, taken),
        })
      }
    }
    syncOffers()
    outbox.post(answers)
    for (const { draft } of released) {
      const { lane, asks, performs } = draft
      const userPubkey = lane.session?.userPubkey
      if (userPubkey === undefined) continue
      // What the same turn took back again (a revocation, a logout) is not begun.
      for (const { id, question } of asks) if (awaits(lane, id, 'decision')) desk.ask(lane, id, question)
      for (const { id, operation } of performs) {
        const rule = lane.session?.pending[id]?.rule ?? null
        if (awaits(lane, id, 'key')) desk.perform(lane, id, operation, { userPubkey, rule })
      }
    }
    for (const { draft } of released) tellNotes(draft)
  }

  function tellNotes({ lane, notes }: Released['draft']): void {
    const { signerPubkey, clientPubkey } = lane
    for (const note of notes) {
      if (note.type === 'performed' || note.type === 'refused') reporter.tell({ ...note, clientPubkey })
      else if (note.type === 'token-reused')
        reporter.tell({ type: 'token-reused', signerPubkey, clientPubkey })
      else if (note.type === 'ended')
        reporter.tell({ type: 'session-ended', session: sessionInfo(note.session), reason: note.reason })
      else reporter.tell({ type: `session-${note.type}`, session: sessionInfo(note.session) })
    }
  }

  function onSettled(lane: Lane, requestId: RequestId, outboxId: string | undefined, taken: boolean): void {
    if (outboxId !== undefined) {
      publishing.delete(outboxId)
      turns.noteOutbox(outboxId)
    }
    if (!taken) return
    reporter.tell({ type: 'answered', clientPubkey: lane.clientPubkey, requestId })
    if (lane.session?.phase === 'ending' && lane.session.endingId === requestId)
      turns.enqueue(lane, { type: 'published', input: { type: 'published', id: requestId } })
  }

  // -- listening -------------------------------------------------------------------------------

  function listen(lane: Lane): void {
    const { session } = lane
    // A late result of a session that went must not silence the one that came after it.
    const current = turns.lanes.get(lane.key)
    if (current !== undefined && current !== lane) return
    if (session === undefined) subscriptions.want(lane.key, undefined)
    // One that ended is heard out for a while, so that its client learns of it.
    else
      subscriptions.want(
        lane.key,
        wants(session).listen ?? { relays: session.relays, to: session.signerPubkey },
      )
  }

  let syncedOffers: Admission['offers'] = {}
  function syncOffers(): void {
    const current = offers.admission.offers
    if (current === syncedOffers) return
    for (const token of Object.keys(syncedOffers)) {
      if (!Object.hasOwn(current, token)) subscriptions.want(`offer:${token}`, undefined)
    }
    for (const [token, offer] of Object.entries(current)) {
      if (syncedOffers[token] === offer) continue
      subscriptions.want(`offer:${token}`, { relays: offer.relays, to: offer.signerPubkey })
    }
    syncedOffers = current
  }

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
    turns,
    desk,
    intake,
    catchingUp,
    recall,
    outbox,
    subscriptions,
    cohort,
    standby,
    publishing,
    unusedBefore: new Set(),
    onSuperseded: () => undefined,
    findUserSigner,
    listen,
    syncOffers,
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

/** Without repeats. Throws `UsageError` if there are none, or too many. */
export function ownRelays(relays: readonly RelayUrl[]): readonly RelayUrl[] {
  if (relays.length === 0 || relays.length > coreLimits.URI_RELAYS_OUT)
    throw new UsageError(`a remote signer needs 1 to ${coreLimits.URI_RELAYS_OUT} relays`)
  return [...new Set(relays)]
}

function checkOptions({ rates = {} }: RemoteSignerOptions): void {
  for (const [name, { perSecond, burst }] of Object.entries<Rate>(rates)) {
    if (!(perSecond > 0) || !(burst >= 1))
      throw new UsageError(`rates.${name} has a perSecond above 0 and a burst of at least 1`)
  }
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

/** What a request is, as far as it says so. */
function headOf(text: string): { readonly id: RequestId | undefined; readonly method: string | undefined } {
  const parsed = parseRequest(text, { acceptNative: true })
  if (parsed.ok) return parsed.value
  return { id: parsed.error.type === 'reply' ? parsed.error.id : undefined, method: undefined }
}

/** The token that a connect presents, or the one without a secret. */
function tokenIn(text: string, signerPubkey: Pubkey): string {
  const parsed = parseRequest(text, { acceptNative: true })
  return tokenKey(
    parsed.ok && parsed.value.method === 'connect' ? parsed.value.params[1] : null,
    signerPubkey,
  )
}

/** Bytes as lowercase hex. */
export function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
}
