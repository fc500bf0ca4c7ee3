/**
 * The remote signer as an object: the promise shell over core's machines, a store, relays, an approver and a user's key.
 * Never answers what was not stored, never decides, and never holds the user's key.
 */

import {
  type Authenticate,
  limits as coreLimits,
  encodeBunkerUri,
  type NostrConnectOffer,
  type Opened,
  type Pubkey,
  parseNostrConnectUri,
  parseRequest,
  type Question,
  type RelayUrl,
  type RequestId,
  sealAuth,
  UsageError,
  type UserSigner,
  type Verdict,
} from '@nip46/core'
import {
  type Admission,
  type Arrival,
  acceptOffer,
  addOffer,
  forgetOffer,
  outstanding,
  revokeOffer,
  type SignerContext,
  type SignerSession,
  tokenKey,
  wants,
} from '@nip46/core/remote-signer'
import { createBoundedMap } from './bounded-map.ts'
import { createStrangerBudget } from './budget.ts'
import { createDesk } from './desk.ts'
import { RemoteSignerError } from './error.ts'
import { hostClock, hostRandom, steadyNow } from './host.ts'
import { createIntake } from './intake.ts'
import { createKeyRing } from './key-ring.ts'
import { isServed, type Lane } from './lane.ts'
import * as limits from './limits.ts'
import { memoryStore } from './memory-store.ts'
import { createOfferBook } from './offer-book.ts'
import type { AcceptOptions, MadeOffer, OfferOptions, RemoteSignerOptions } from './options.ts'
import { type Answer, createOutbox } from './outbox.ts'
import { createReporter, type Listener } from './reporter.ts'
import { sessionInfo } from './session-info.ts'
import type { SessionInfo, SignerStats } from './signer-event.ts'
import type { OutboxEntry, StoreChange, StoredKey } from './store.ts'
import { createSubscriptions } from './subscriptions.ts'
import { createTurns, type Released } from './turns.ts'

export interface RemoteSigner {
  /**
   * Loads the store, listens, asks again what nobody answered, publishes what was not. Resolves once a relay delivers,
   * or after `limits.LIVE_PATIENCE_MS`. Rejects with `store/failed` or `store/corrupt`.
   */
  start(): Promise<void>
  /** A bunker:// URI for one client, good once. Resolves when it is stored and listened for. */
  offer(options?: OfferOptions): Promise<MadeOffer>
  /** Nobody can use the token any more; a session that used it goes on. */
  withdraw(token: string): Promise<void>
  /** Answers a nostrconnect:// URI, after asking the approver. Resolves when the session is stored; its client may be away. */
  accept(uri: string, options?: AcceptOptions): Promise<SessionInfo>
  /** Those that are open, wait for a decision, or wait for their client. */
  sessions(): readonly SessionInfo[]
  /**
   * Ends all sessions of a client; resolves with how many. Once it resolved nothing is done for them any more. If it
   * rejects with `store/failed` they stand still, and are ended as soon as the store works.
   */
  revoke(clientPubkey: Pubkey): Promise<number>
  stats(): SignerStats
  /** Returns the function that takes the listener off again. */
  on(listener: Listener): () => void
  /** Stops listening, lets what is under way finish for at most `limits.CLOSE_PATIENCE_MS`, wipes the keys it made. */
  close(): Promise<void>
}

/**
 * A remote signer; nothing happens before `start()`.
 *
 * ```ts
 * const signer = createRemoteSigner({ crypto, transport, userSigner, approver, relays })
 * await signer.start()
 * const { uri } = await signer.offer({ granted: [{ method: 'sign_event', kind: 1 }] })
 * ```
 *
 * Throws `UsageError` on options that cannot work.
 */
export function createRemoteSigner(options: RemoteSignerOptions): RemoteSigner {
  checkOptions(options)
  const { crypto, transport, approver } = options
  const clock = options.clock ?? hostClock
  const random = options.random ?? hostRandom
  const store = options.store ?? memoryStore()
  const relays = [...new Set(options.relays)]
  const switchRelays = [...new Set(options.switchRelays ?? [])]
  const requestsPerSecond = options.requestsPerSecond ?? limits.REQUESTS_PER_SECOND
  const fixedKey = typeof options.keys === 'object' ? options.keys : undefined
  const now = steadyNow(clock)

  const reporter = createReporter(options.onEvent)
  const keys = createKeyRing(crypto, random, fixedKey)
  /** Keys whose offer or session is being stored. */
  const reserved = new Set<Pubkey>()
  const offers = createOfferBook()
  const strangers = createStrangerBudget()
  const seen = createBoundedMap<SeenEvent>(limits.SEEN_IDS)
  const clients = createBoundedMap<true>(limits.CLIENT_KEYS)
  let state: 'new' | 'starting' | 'running' | 'closed' = 'new'
  let closing: Promise<void> | undefined
  let sweepTimer: unknown

  const context: SignerContext = {
    preferredRelays: switchRelays,
    isClientPubkey: (pubkey) => clients.has(pubkey) || turns.serves(pubkey),
    ...(options.userRelays !== undefined && { userRelays: options.userRelays }),
    ...(options.nip44GetKey !== undefined && { nip44GetKey: options.nip44GetKey }),
    ...(options.implicitConnect !== undefined && { implicitConnect: options.implicitConnect }),
    ...(options.decisionTimeoutMs !== undefined && { decisionTimeoutMs: options.decisionTimeoutMs }),
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

  const outbox = createOutbox({ crypto, random, transport, clock, now, reporter, authenticate })

  const turns = createTurns({
    store,
    clock,
    now,
    reporter,
    strangers,
    offers,
    context,
    requestsPerSecond,
    requestBurst: requestsPerSecond * limits.REQUEST_BURST_SECONDS,
    outboxId: () => hex(random(16)),
    release,
    refuse(lane, arrival, text) {
      if (!isServed(lane) && !strangers.take(arrival.from, now())) return
      answerNow(lane, arrival, text)
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
    onOpened,
    onSeen,
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

  function onOpened(opened: Opened, relay: RelayUrl): void {
    const { from, to, eventId } = opened
    const lane = turns.laneOf(to, from)
    const arrival: Arrival = { ...opened, relay }
    const requestId = requestIdOf(opened.text)
    if (isServed(lane) && !lane.requests.take(now())) {
      reporter.drop('event/rate-limited')
      if (requestId === undefined || now() - lane.toldAt < 1_000) return
      lane.toldAt = now()
      answerNow(lane, arrival, errorText(requestId, 'rate-limited: too many requests, slow down'))
      return
    }
    if (!turns.enqueue(lane, { type: 'message', arrival, requestId })) reporter.drop('session/busy')
    else seen.set(eventId, { lane: lane.key, requestId })
  }

  function onSeen(eventId: string, relay: RelayUrl): void {
    const event = seen.get(eventId)
    const lane = event === undefined ? undefined : turns.lanes.get(event.lane)
    if (lane === undefined || event?.requestId === undefined) {
      reporter.drop('event/seen')
      return
    }
    const { requestId } = event
    if (!turns.enqueue(lane, { type: 'repeat', eventId, requestId, relay })) reporter.drop('event/seen')
  }

  /** An answer outside the session's memory: to what was not handled. */
  function answerNow(lane: Lane, arrival: Arrival, text: string): void {
    const key = keys.get(lane.signerPubkey)
    if (key === undefined || state === 'closed') return
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
      for (const { id, question } of asks) desk.ask(lane, id, question)
      if (userPubkey === undefined) continue
      for (const { id, operation } of performs) desk.perform(lane, id, operation, userPubkey)
    }
    for (const { draft } of released) tellNotes(draft)
  }

  function tellNotes({ lane, notes }: Released['draft']): void {
    const { signerPubkey, clientPubkey } = lane
    for (const note of notes) {
      if (note.type === 'performed') reporter.tell({ ...note, clientPubkey })
      else if (note.type === 'token-reused')
        reporter.tell({ type: 'token-reused', signerPubkey, clientPubkey })
      else if (note.type === 'ended')
        reporter.tell({ type: 'session-ended', session: sessionInfo(note.session), reason: note.reason })
      else reporter.tell({ type: `session-${note.type}`, session: sessionInfo(note.session) })
    }
  }

  function onSettled(lane: Lane, requestId: RequestId, outboxId: string | undefined, taken: boolean): void {
    if (outboxId !== undefined) turns.noteOutbox(outboxId)
    if (!taken) return
    reporter.tell({ type: 'answered', clientPubkey: lane.clientPubkey, requestId })
    if (lane.session?.phase === 'ending' && lane.session.endingId === requestId)
      turns.enqueue(lane, { type: 'published', input: { type: 'published', id: requestId } })
  }

  // -- listening -------------------------------------------------------------------------------

  function listen(lane: Lane): void {
    const { session } = lane
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

  // -- offers ----------------------------------------------------------------------------------

  /** Stores a change of the offers; what happened to them meanwhile is kept. */
  async function changeOffers(change: (admission: Admission) => Admission, more: StoreChange): Promise<void> {
    for (let race = 0; race <= limits.COMMIT_RACES; race++) {
      const before = offers.admission
      const changes = offers.update(change(before))
      try {
        const outcome = await turns.commit({ ...more, ...(changes.length > 0 && { offers: changes }) })
        if (outcome.type === 'done') {
          syncOffers()
          return
        }
        offers.undo(changes, before)
        if (outcome.type === 'stale') {
          for (const { token, stored } of outcome.offers ?? []) offers.replace(token, stored)
        }
      } catch (cause) {
        offers.undo(changes, before)
        throw storeFailed(cause)
      }
    }
    throw storeFailed(new Error('other processes were always faster'))
  }

  function takeKey(): {
    readonly pubkey: Pubkey
    readonly stored: readonly StoredKey[]
    readonly done: () => void
  } {
    if (fixedKey !== undefined) return { pubkey: fixedKey.pubkey, stored: [], done: () => undefined }
    const { key, secret } = keys.create()
    const { pubkey } = key
    reserved.add(pubkey)
    const done = (): void => {
      secret.fill(0)
      reserved.delete(pubkey)
    }
    return { pubkey, stored: [{ pubkey, secret, createdAt: now() }], done }
  }

  function userFor(user: Pubkey | undefined): Pubkey {
    const { userSigner } = options
    const userPubkey = user ?? (typeof userSigner === 'function' ? undefined : userSigner.userPubkey)
    if (userPubkey === undefined)
      throw new UsageError('say whose key it is for: { user }, since userSigner is a look-up')
    if (findUserSigner(userPubkey) === undefined)
      throw new RemoteSignerError('user/unknown', 'there is no key for this user here')
    return userPubkey
  }

  /** As a call: the state changes while a method waits. */
  function isClosed(): boolean {
    return state === 'closed'
  }

  function expectRunning(): void {
    if (state === 'closed') throw new RemoteSignerError('closed', 'this remote signer was closed')
    if (state !== 'running') throw new RemoteSignerError('not-started', 'call start() first, and wait for it')
  }

  async function offer(made: OfferOptions = {}): Promise<MadeOffer> {
    expectRunning()
    const userPubkey = userFor(made.user)
    const { granted = [], approval = 'secret', expiresInMs = limits.OFFER_MS } = made
    const createdAt = now()
    const expiresAt = createdAt + expiresInMs
    const secret = made.withoutSecret === true ? null : hex(random(16))
    const key = takeKey()
    try {
      const signerPubkey = key.pubkey
      await changeOffers(
        (admission) => {
          const room = Object.keys(admission.offers).length < coreLimits.OFFERS
          return orFull(() =>
            addOffer(room ? admission : withoutSpent(admission, createdAt), secret, {
              signerPubkey,
              userPubkey,
              relays,
              granted,
              approval,
              createdAt,
              expiresAt,
            }),
          )
        },
        {
          keys: key.stored,
          audit: [
            {
              type: 'offer-made',
              at: createdAt,
              signerPubkey,
              userPubkey,
              clientPubkey: null,
              granted,
              expiresAt,
            },
          ],
        },
      )
      await subscriptions.whenLive({ relays, to: signerPubkey })
      const uri = encodeBunkerUri({ remoteSigner: signerPubkey, relays, secret })
      return { uri, token: tokenKey(secret, signerPubkey), remoteSigner: signerPubkey }
    } finally {
      key.done()
    }
  }

  async function withdraw(token: string): Promise<void> {
    expectRunning()
    const known = offers.admission.offers
    const offered = Object.hasOwn(known, token) ? known[token] : undefined
    if (offered === undefined) throw new RemoteSignerError('offer/unknown', 'there is no such token')
    const { signerPubkey, userPubkey } = offered
    await changeOffers((admission) => revokeOffer(admission, token), {
      audit: [{ type: 'offer-withdrawn', at: now(), signerPubkey, userPubkey, clientPubkey: null }],
    })
  }

  async function accept(uri: string, accepted: AcceptOptions = {}): Promise<SessionInfo> {
    expectRunning()
    const userPubkey = userFor(accepted.user)
    const { scheme = 'nip44', era } = accepted
    const parsed = parseNostrConnectUri(uri, {
      ...options.relayUrls,
      ownPubkeys: [...keys.pubkeys, userPubkey],
      allowMissingSecret: era !== undefined && ['A0', 'A1', 'SEED', 'B'].includes(era),
    })
    if (!parsed.ok)
      throw new RemoteSignerError(parsed.error, `this is no nostrconnect:// URI to accept (${parsed.error})`)
    const client = parsed.value
    expectRoom()
    const verdict: Verdict =
      accepted.approved === true
        ? { allow: true }
        : await consult(connectQuestion(client, scheme === 'nip04'))
    if (!verdict.allow) throw new RemoteSignerError('approval/denied', verdict.reason ?? 'the user said no')
    expectRunning()
    expectRoom()

    const granted = [...(accepted.granted ?? []), ...(verdict.grant ?? [])]
    const key = takeKey()
    try {
      if (key.stored.length > 0) await changeOffers((admission) => admission, { keys: key.stored })
      const lane = turns.laneOf(key.pubkey, client.clientPubkey)
      const request = {
        offer: client,
        signerPubkey: key.pubkey,
        userPubkey,
        relays,
        granted,
        scheme,
        id: hex(random(16)),
        ...(era !== undefined && { era }),
      }
      // Nothing is announced before somebody can hear the client's answer.
      lane.quiet = true
      await install(lane, (previous) => joined(acceptOffer(request, now()), previous))
      const { session } = lane
      if (session === undefined) throw new RemoteSignerError('closed', 'the session ended at once')
      await subscriptions.whenLive({ relays: session.relays, to: session.signerPubkey })
      lane.quiet = false
      turns.arm(lane)
      turns.enqueue(lane, { type: 'wake', input: { type: 'wake' } })
      return sessionInfo(session)
    } finally {
      key.done()
    }
  }

  function expectRoom(): void {
    if (turns.sessions >= limits.SESSIONS)
      throw new RemoteSignerError(
        'sessions/full',
        `${limits.SESSIONS} sessions are the most: revoke some first`,
      )
  }

  async function consult(question: Question): Promise<Verdict> {
    const verdict = await desk.consult(question, options.decisionTimeoutMs ?? DECISION_MS)
    if (verdict !== undefined) return verdict
    expectRunning()
    throw new RemoteSignerError('approval/timeout', 'nobody decided in time')
  }

  function install(lane: Lane, make: (previous: SignerSession | undefined) => SignerSession): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (cause?: unknown): void => (cause === undefined ? resolve() : reject(storeFailed(cause)))
      if (!turns.enqueue(lane, { type: 'install', make, settle })) settle(new Error('closed'))
    })
  }

  async function revoke(clientPubkey: Pubkey): Promise<number> {
    expectRunning()
    const own = [...turns.lanes.values()].filter(
      (lane) => lane.clientPubkey === clientPubkey && isServed(lane),
    )
    const settled = own.map(
      (lane) =>
        new Promise<void>((resolve, reject) => {
          const settle = (cause?: unknown): void =>
            cause === undefined ? resolve() : reject(storeFailed(cause))
          if (!turns.enqueue(lane, { type: 'revoke', input: { type: 'revoke' }, settle }))
            settle(new Error('closed'))
        }),
    )
    await Promise.all(settled)
    return own.length
  }

  // -- the beginning and the end -----------------------------------------------------------------

  async function start(): Promise<void> {
    if (state === 'closed') throw new RemoteSignerError('closed', 'this remote signer was closed')
    if (state !== 'new') throw new UsageError('start() once')
    state = 'starting'
    try {
      await load()
    } catch (cause) {
      state = 'new'
      throw cause
    }
    // Closed meanwhile: nothing was begun that would have to be ended.
    if (isClosed()) throw new RemoteSignerError('closed', 'this remote signer was closed')
    state = 'running'
    if (fixedKey !== undefined) subscriptions.want('own', { relays, to: fixedKey.pubkey })
    const lanes = [...turns.lanes.values()]
    for (const lane of lanes) listen(lane)
    syncOffers()
    await subscriptions.whenAnyLive()
    if (isClosed()) return
    for (const lane of lanes) resume(lane)
    outbox.post(unsent)
    unsent = []
    sweepTimer = clock.setTimer(sweep, limits.SWEEP_MS)
  }

  let unsent: Answer[] = []
  async function load(): Promise<void> {
    let stored: Awaited<ReturnType<typeof store.load>>
    try {
      stored = await store.load(now())
    } catch (cause) {
      throw storeFailed(cause)
    }
    if (isClosed()) {
      for (const { secret } of stored.keys) secret.fill(0)
      return
    }
    try {
      for (const { secret } of stored.keys) keys.add(secret)
      offers.load(stored.offers)
      for (const client of stored.clients) clients.set(client, true)
      for (const { revision, value } of stored.sessions) {
        if (value.v !== 1) throw new Error(`a session of version ${String(value.v)}`)
        turns.restore(value, revision, now())
      }
    } catch (cause) {
      throw new RemoteSignerError('store/corrupt', 'the store holds what this version cannot have written', {
        cause,
      })
    }
    unsent = stored.outbox.flatMap(answerOf)
  }

  function answerOf(entry: OutboxEntry): readonly Answer[] {
    const key = keys.get(entry.signerPubkey)
    const { id, to, relays: relaysOut, scheme, text, at } = entry
    if (key === undefined || now() - at > limits.OUTBOX_MEMORY_MS) {
      turns.noteOutbox(id)
      return []
    }
    return [
      { key, to, relays: relaysOut, scheme, text, requestId: '', onSettled: () => turns.noteOutbox(id) },
    ]
  }

  /** What was asked and not answered when the process ended is asked again. */
  function resume(lane: Lane): void {
    const { session } = lane
    if (session === undefined) return
    for (const output of outstanding(session)) {
      if (output.type === 'ask') desk.ask(lane, output.id, output.question)
      if (output.type === 'perform') desk.perform(lane, output.id, output.operation, session.userPubkey)
    }
    turns.arm(lane)
  }

  function sweep(): void {
    if (state !== 'running') return
    sweepTimer = clock.setTimer(sweep, limits.SWEEP_MS)
    const at = now()
    for (const lane of turns.lanes.values()) {
      if (lane.session?.phase !== 'revoked' || lane.endedAt === null) continue
      const refused = lane.session.ledger.chunks.length > 0
      const memory = refused ? limits.REFUSED_MEMORY_MS : limits.ENDED_MEMORY_MS
      if (at - lane.endedAt >= memory) turns.enqueue(lane, { type: 'forget' })
    }
    // A store that cannot be written was told of where it failed, and is asked again next time.
    void forgetOld(at).catch(() => undefined)
  }

  async function forgetOld(at: number): Promise<void> {
    const old = Object.entries(offers.admission.offers).flatMap(([token, { expiresAt }]) =>
      at - expiresAt >= limits.OFFER_AFTERLIFE_MS ? [token] : [],
    )
    if (old.length > 0)
      await changeOffers((admission) => old.reduce((rest, token) => forgetOffer(rest, token), admission), {})
    const used = new Set<string>([
      ...reserved,
      ...Object.values(offers.admission.offers).map((each) => each.signerPubkey),
    ])
    for (const lane of turns.lanes.values()) used.add(lane.signerPubkey)
    const unused = [...keys.pubkeys].filter((pubkey) => {
      const key = keys.get(pubkey)
      return key !== undefined && key !== fixedKey && !used.has(pubkey) && !outbox.uses(key)
    })
    if (unused.length === 0) return
    await turns.commit({ forgetKeys: unused })
    for (const pubkey of unused) {
      keys.remove(pubkey)
      offers.forgetFailures(pubkey)
    }
  }

  async function shutDown(): Promise<void> {
    const wasRunning = state === 'running'
    state = 'closed'
    intake.close()
    clock.clearTimer(sweepTimer)
    subscriptions.close()
    desk.close()
    if (wasRunning) {
      await patiently(async () => {
        await turns.idle()
        await outbox.idle()
        await turns.flush()
      })
    }
    outbox.close()
    turns.close()
    keys.clear()
  }

  function patiently(work: () => Promise<void>): Promise<void> {
    return new Promise((resolve) => {
      const timer = clock.setTimer(resolve, limits.CLOSE_PATIENCE_MS)
      const done = (): void => {
        clock.clearTimer(timer)
        resolve()
      }
      work().then(done, done)
    })
  }

  function listSessions(): readonly SessionInfo[] {
    return [...turns.lanes.values()].flatMap((lane) =>
      isServed(lane) && lane.session !== undefined ? [sessionInfo(lane.session)] : [],
    )
  }

  return {
    start,
    offer,
    withdraw,
    accept,
    sessions: listSessions,
    revoke,
    stats: (): SignerStats => ({
      ...reporter.counts,
      dropped: Object.fromEntries(reporter.dropped),
      failures: Object.fromEntries(reporter.failures),
      sessions: listSessions().length,
      offers: offers.size,
      keys: keys.size,
      waiting: {
        events: intake.waiting,
        inputs: turns.waiting,
        answers: outbox.size,
        questions: desk.questions,
      },
      remembered: { events: seen.size, strangers: strangers.size, clients: clients.size },
      relays: { live: subscriptions.live(), down: subscriptions.down() },
      ailments: [...reporter.ailments],
    }),
    on: reporter.listen,
    close() {
      closing ??= shutDown()
      return closing
    },
  }
}

interface SeenEvent {
  readonly lane: string
  readonly requestId: RequestId | undefined
}

/** As core's sessions wait. */
const DECISION_MS = 60_000

function checkOptions({ relays, requestsPerSecond }: RemoteSignerOptions): void {
  if (relays.length === 0 || relays.length > coreLimits.URI_RELAYS_OUT)
    throw new UsageError(`a remote signer needs 1 to ${coreLimits.URI_RELAYS_OUT} relays`)
  if (requestsPerSecond !== undefined && !(requestsPerSecond > 0))
    throw new UsageError('requestsPerSecond is a number above 0')
}

/** The same client once more, on the same key: what it was granted and answered stays. */
function joined(session: SignerSession, previous: SignerSession | undefined): SignerSession {
  if (previous === undefined || previous.userPubkey !== session.userPubkey) return session
  const { ledger, pending, granted } = previous
  if (previous.phase === 'revoked') return { ...session, ledger }
  return { ...session, ledger, pending, granted: [...session.granted, ...granted] }
}

function connectQuestion(offer: NostrConnectOffer, legacyEncryption: boolean): Question {
  const { clientPubkey, permissions, metadata, relays } = offer
  return { type: 'connect', clientPubkey, requested: permissions, metadata, relays, legacyEncryption }
}

/** Tokens that were used and ran out only serve to tell of thieves: they go first when room is needed. */
function withoutSpent(admission: Admission, at: number): Admission {
  return Object.entries(admission.offers).reduce(
    (kept, [token, { usedBy, expiresAt }]) =>
      usedBy !== null && expiresAt <= at ? forgetOffer(kept, token) : kept,
    admission,
  )
}

function orFull(add: () => Admission): Admission {
  try {
    return add()
  } catch (cause) {
    if (!(cause instanceof UsageError)) throw cause
    throw new RemoteSignerError('offers/full', cause.message, { cause })
  }
}

function storeFailed(cause: unknown): RemoteSignerError {
  if (cause instanceof RemoteSignerError) return cause
  return new RemoteSignerError('store/failed', 'the store could not be read or written', { cause })
}

function errorText(id: RequestId, error: string): string {
  return JSON.stringify({ id, result: '', error })
}

function requestIdOf(text: string): RequestId | undefined {
  const parsed = parseRequest(text, { acceptNative: true })
  if (parsed.ok) return parsed.value.id
  return parsed.error.type === 'reply' ? parsed.error.id : undefined
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
}
