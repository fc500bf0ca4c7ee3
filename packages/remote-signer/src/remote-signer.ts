/**
 * The remote signer as an object: the promise shell over core's machines, a store, relays, an approver and a user's key.
 * Never answers what was not stored, never decides, and never holds the user's key.
 */

import { type JsonValue, type Pubkey, type RelayUrl, UsageError } from '@nip46/core'
import { ownRelays } from './check-options.ts'
import { createEngine } from './engine.ts'
import { closedError, RemoteSignerError, storeFailed, supersededError } from './error.ts'
import { isServed, type Lane } from './lane.ts'
import * as limits from './limits.ts'
import { acceptUri, listOffers, makeOffer, withdrawOffer } from './offering.ts'
import type { AcceptOptions, MadeOffer, OfferInfo, OfferOptions, RemoteSignerOptions } from './options.ts'
import type { Listener } from './reporter.ts'
import { sessionInfo } from './session-info.ts'
import type { SessionInfo, SignerStats } from './signer-event.ts'
import { takeOver, unsentAnswers } from './taking-over.ts'
import { loadStore, sweepOut } from './upkeep.ts'

/** A remote signer: `start()` comes first, `close()` last. */
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
  /** Tokens that are out, used ones included while they are remembered. */
  offers(): readonly OfferInfo[]
  /** Answers a nostrconnect:// URI, after asking the approver. Resolves when the session is stored; its client may be away. */
  accept(uri: string, options?: AcceptOptions): Promise<SessionInfo>
  /** Those that are open, wait for a decision, or wait for their client. */
  sessions(): readonly SessionInfo[]
  /**
   * Ends all sessions of a client; resolves with how many. Once it resolved nothing is done for them any more. If it
   * rejects with `store/failed` they stand still, and are ended as soon as the store works.
   */
  revoke(clientPubkey: Pubkey): Promise<number>
  /**
   * Changes the judge's rules for all sessions of a client; resolves with how many sessions it has. `make` gets the policy of
   * one session as stored now, counters included, and returns the new one; it is called again if another process was faster.
   * Once it resolved, nothing is judged by the old rules; what waited for a decision or the key before that is not judged again.
   * Rejects with what `make` threw, or with `store/failed`; other sessions of the client may be changed then.
   */
  setPolicy(clientPubkey: Pubkey, make: (policy: JsonValue | null) => JsonValue | null): Promise<number>
  /** Where others share the store: once it resolved, what they changed before the call is known here. Rejects with `store/failed`. */
  refresh(): Promise<void>
  /** Other relays for new offers and acceptances; connections stay where they are. Throws `UsageError` as the options do. */
  setRelays(relays: readonly RelayUrl[]): void
  stats(): SignerStats
  /** Returns the function that takes the listener off again. */
  on(listener: Listener): () => void
  /** Stops listening, lets what is under way finish for at most `limits.CLOSE_PATIENCE_MS`, wipes the keys it made. */
  close(): Promise<void>
}

type SetPolicy = (policy: JsonValue | null) => JsonValue | null

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
  const engine = createEngine(options)
  const { lanes, commits, turns, desk, intake, outbox, subscriptions, reporter, keys, offers } = engine
  let state: 'new' | 'starting' | 'running' | 'closed' = 'new'
  let closing: Promise<void> | undefined
  let sweepTimer: unknown
  const leavers = new Set<() => void>()
  /** Why, if it was not asked to. */
  let closedBy: RemoteSignerError | undefined

  // A call, since the state changes while a method waits.
  const isClosed = (): boolean => state === 'closed'

  const whyClosed = (): RemoteSignerError => closedBy ?? closedError()

  /** Rejects once the remote signer is closed: a store that hangs keeps nobody waiting beyond that. */
  const untilClosed = <T>(work: Promise<T>): Promise<T> =>
    new Promise((resolve, reject) => {
      const leave = (): void => reject(whyClosed())
      leavers.add(leave)
      work.finally(() => leavers.delete(leave)).then(resolve, reject)
    })

  const expectRunning = (): void => {
    if (isClosed()) throw whyClosed()
    if (state !== 'running') throw new RemoteSignerError('not-started', 'call start() first, and wait for it')
  }

  /** One key for all connections is listened for without any. */
  const listenOwn = (): void => {
    if (typeof options.keys === 'object')
      subscriptions.want('own', { relays: engine.relays, to: options.keys.pubkey })
  }

  const start = async (): Promise<void> => {
    if (isClosed()) throw whyClosed()
    if (state !== 'new') throw new UsageError('start() once')
    state = 'starting'
    try {
      await engine.cohort.join().catch((cause) => {
        throw storeFailed(cause)
      })
      const unsent = await loadStore(engine, isClosed)
      if (isClosed()) throw whyClosed()
      state = 'running'
      const restored = [...lanes.byKey.values()]
      listenOwn()
      for (const lane of restored) engine.listening.toLane(lane)
      engine.listening.toOffers()
      const delivering = subscriptions.whenAnyLive()
      engine.following.begin()
      // Of what was begun, the oldest has waited longest: it waits for no relay that still sends what it kept.
      outbox.post(unsentAnswers(engine, unsent))
      await takeOver(engine)
      if (isClosed()) return
      sweepTimer = engine.setTimer(sweep, limits.SWEEP_MS)
      await delivering
    } catch (cause) {
      if (!isClosed()) state = 'new'
      throw cause
    }
  }

  const sweep = (): void => {
    sweepTimer = engine.setTimer(sweep, limits.SWEEP_MS)
    // A store that cannot be written is an ailment already told of; it is asked again next time.
    sweepOut(engine).catch((cause) => reporter.ail('store', cause))
  }

  let catchingUp: Promise<void> | undefined
  let catchUpNext: Promise<void> | undefined

  /**
   * Sessions that another process opened a moment ago count too. Calls that come while everything is read share the next
   * reading, which sees whatever was there before any of them.
   */
  const catchUp = async (): Promise<void> => {
    if (engine.cohort.sharing === undefined) return
    const read = (): Promise<void> => {
      catchUpNext = undefined
      const reading = engine.following.refresh().then(() => undefined)
      catchingUp = reading
      const done = (): void => {
        if (catchingUp === reading) catchingUp = undefined
      }
      reading.then(done, done)
      return reading
    }
    catchUpNext ??= catchingUp === undefined ? undefined : catchingUp.then(read, read)
    await (catchUpNext ?? read()).catch((cause) => {
      throw storeFailed(cause)
    })
    expectRunning()
  }

  const lanesOf = (clientPubkey: Pubkey): readonly Lane[] =>
    [...lanes.byKey.values()].filter((lane) => lane.clientPubkey === clientPubkey && isServed(lane))

  const revoke = async (clientPubkey: Pubkey): Promise<number> => {
    expectRunning()
    await catchUp()
    const served = lanesOf(clientPubkey)
    await Promise.all(served.map(revokeLane))
    return served.length
  }

  const revokeLane = (lane: Lane): Promise<void> =>
    new Promise((resolve, reject) => {
      const settle = (cause?: unknown): void => (cause === undefined ? resolve() : reject(storeFailed(cause)))
      if (!turns.enqueue(lane, { type: 'revoke', input: { type: 'revoke' }, settle })) settle(whyClosed())
    })

  const setPolicy = async (clientPubkey: Pubkey, make: SetPolicy): Promise<number> => {
    expectRunning()
    await catchUp()
    const served = lanesOf(clientPubkey)
    await Promise.all(served.map((lane) => setLanePolicy(lane, make)))
    return served.length
  }

  const setLanePolicy = (lane: Lane, make: SetPolicy): Promise<void> =>
    new Promise((resolve, reject) => {
      const settle = (cause?: unknown): void => (cause === undefined ? resolve() : reject(cause))
      if (!turns.enqueue(lane, { type: 'set-policy', make, settle })) settle(whyClosed())
    })

  const listSessions = (): readonly SessionInfo[] =>
    [...lanes.byKey.values()].flatMap((lane) =>
      isServed(lane) && lane.session !== undefined ? [sessionInfo(lane.session)] : [],
    )

  const shutDown = async (): Promise<void> => {
    const wasRunning = state === 'running'
    state = 'closed'
    intake.close()
    engine.catchingUp.close()
    engine.recall.close()
    engine.standby.close()
    engine.following.close()
    engine.clearTimer(sweepTimer)
    subscriptions.close()
    desk.close()
    if (wasRunning) {
      const finish = async (): Promise<void> => {
        await commits.idle()
        await outbox.idle()
        await commits.flush()
        await engine.cohort.leave()
      }
      await engine.withPatience(finish, limits.CLOSE_PATIENCE_MS)
    } else await engine.withPatience(() => engine.cohort.leave(), limits.CLOSE_PATIENCE_MS)
    outbox.close()
    commits.close(whyClosed())
    lanes.close()
    turns.close(whyClosed())
    keys.clear()
    for (const leave of leavers) leave()
    leavers.clear()
  }

  engine.onSuperseded = (cause) => {
    closedBy = supersededError(cause)
    closing ??= shutDown()
    reporter.tell({ type: 'superseded' })
  }

  return {
    start: () => untilClosed(start()),
    async offer(made = {}) {
      expectRunning()
      return untilClosed(makeOffer(engine, made))
    },
    async withdraw(token) {
      expectRunning()
      return untilClosed(withdrawOffer(engine, token))
    },
    offers: () => listOffers(engine),
    async accept(uri, accepted = {}) {
      expectRunning()
      return untilClosed(acceptUri(engine, uri, accepted, expectRunning))
    },
    sessions: listSessions,
    revoke,
    setPolicy,
    async refresh() {
      expectRunning()
      await untilClosed(catchUp())
    },
    setRelays(relays) {
      engine.relays = ownRelays(relays)
      if (state === 'running') listenOwn()
    },
    stats: (): SignerStats => ({
      ...reporter.counts,
      dropped: Object.fromEntries(reporter.dropped),
      failures: Object.fromEntries(reporter.failures),
      sessions: listSessions().length,
      offers: offers.size,
      keys: keys.size,
      waiting: {
        events: intake.waiting + engine.recall.waiting,
        leftToOthers: engine.standby.waiting,
        inputs: lanes.waiting,
        answers: outbox.size,
        questions: desk.questions,
      },
      remembered: {
        events: engine.seen.size,
        strangers: engine.strangers.size,
        clients: engine.clients.size,
      },
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
