/**
 * Runs the lanes: every lane that is ready is stepped, what all of them changed goes to the store in one call, and only
 * then anything leaves. Steps of one lane never overlap; lanes do not wait for each other's commits.
 * Never publishes, asks or performs what was not stored.
 */

import { type Clock, encodeResponse, type Millis, type Pubkey, type RequestId } from '@nip46/core'
import type {
  CommitOutcome,
  OfferChange,
  OutboxEntry,
  SignerStore,
  StoreChange,
  Versioned,
} from '@nip46/core/remote-signer'
import { type Admission, type SignerContext, type SignerSession, wants } from '@nip46/core/remote-signer'
import type { SessionBudget, StrangerBudget } from './budget.ts'
import { type Draft, type DraftSend, draftLane, emptyDraft, isDurable } from './draft.ts'
import { closedError, storeFailed } from './error.ts'
import { createLane, isServed, type Lane, type LaneInput, laneKey } from './lane.ts'
import { CLAIM_FRESH_MS, COMMIT_PAUSES_MS, COMMIT_RACES, LANE_QUEUE, SESSIONS, TIMER_MS } from './limits.ts'
import type { OfferBook } from './offer-book.ts'
import type { Reporter } from './reporter.ts'

export interface Turns {
  /** The lane of a client, made if there is none. */
  laneOf(signerPubkey: Pubkey, clientPubkey: Pubkey): Lane
  find(signerPubkey: string, clientPubkey: string): Lane | undefined
  readonly lanes: ReadonlyMap<string, Lane>
  /** False if too much waits already. */
  enqueue(lane: Lane, input: LaneInput): boolean
  /** A change beside any lane. Rejects if it could not be stored; never touches a session. After `fenced` see {@link readmitted}. */
  commit(change: StoreChange): Promise<CommitOutcome>
  /** Resolves once this process may commit: at once, or when it has joined again. Rejects if it cannot, for now. */
  readmitted(): Promise<void>
  /** A loaded session takes its place. */
  restore(session: SignerSession, revision: number, endedAt: Millis | null): Lane
  /** What is stored of this lane now, changed by another process. Not while a commit of it is under way: that one tells. */
  adopt(lane: Lane, stored: Versioned<SignerSession> | undefined): void
  /** Nothing is drafted until `resume()`: others may be at it. */
  suspend(): void
  resume(): void
  /** Tells the clients of what waits, and whoever waits for a commit, that nothing can be stored. */
  refuseWaiting(cause: unknown): void
  /** Follows what the session wants now. */
  arm(lane: Lane): void
  /** Forgets a lane in which nothing is and nothing happens. */
  tidy(lane: Lane): void
  /** An outbox entry was published or given up. */
  noteOutbox(id: string): void
  /** Whether this is the client key of a session that is served. */
  serves(pubkey: string): boolean
  /** Tells the store what was published. */
  flush(): Promise<void>
  /** Resolves when no commit is under way. */
  idle(): Promise<void>
  /** What waits fails with this. */
  close(cause: unknown): void
  readonly sessions: number
  readonly waiting: number
}

export interface TurnsHost {
  readonly store: SignerStore
  readonly clock: Clock
  readonly now: () => Millis
  readonly reporter: Reporter
  readonly strangers: StrangerBudget
  readonly offers: OfferBook
  readonly context: SignerContext
  /** Several processes may use the store. */
  readonly shared: boolean
  /** The sessions of others are woken so much later, in milliseconds, in case they are not. */
  readonly wakeDelay: (lane: Lane) => Millis
  /** The store refused a commit, since others may have taken over. */
  readonly onFenced: () => void
  readonly createBudget: () => SessionBudget
  /** A unique id for an outbox entry. */
  readonly outboxId: () => string
  /** What is stored may leave now. Drafts are in order. */
  readonly release: (released: readonly Released[]) => void
  /** An error for a request that could not be stored. */
  readonly refuse: (lane: Lane, arrival: MessageArrival, text: string) => void
  /** Another process changed the session. */
  readonly onReplaced: (lane: Lane) => void
  /** The event counts as new again. */
  readonly unsee: (eventId: string) => void
  /** The event was handled by somebody else, who asked this. */
  readonly see: (eventId: string, lane: Lane, requestId: RequestId) => void
}

type MessageArrival = Extract<LaneInput, { type: 'message' }>['arrival']

export interface Released {
  readonly draft: Draft
  readonly before: SignerSession | undefined
  /** The sends, with the outbox entries that were stored for them. */
  readonly sends: readonly { readonly send: DraftSend; readonly outboxId: string | undefined }[]
}

/** A draft on its way to the store. */
interface Flight {
  readonly draft: Draft
  readonly offerChanges: readonly OfferChange[]
  readonly admissionBefore: Admission
  readonly change: StoreChange
  readonly sends: Released['sends']
}

/** Published answers that the store is not told of before the next commit, and how long, in milliseconds: after a crash they go out again. */
const PUBLISHED_UNTOLD = 64
const PUBLISHED_UNTOLD_MS = 250
const UNAVAILABLE = 'unavailable: storage cannot be written'

export function createTurns(host: TurnsHost): Turns {
  const { store, clock, now, reporter, offers } = host
  const lanes = new Map<string, Lane>()
  const ready = new Set<Lane>()
  const idlers = new Set<() => void>()
  /** Wait until this process may commit again. Called without an argument once it may. */
  const outsiders = new Set<(cause?: unknown) => void>()
  const published: string[] = []
  const served = new Map<Pubkey, number>()
  const flying = new Set<Flight>()
  let underWay = 0
  let sessions = 0
  let pairings = 0
  /** Sessions and pairings of drafts that are not stored yet. */
  let opening = 0
  let pairing = 0
  let scheduled = false
  let suspended = false
  let telling: unknown
  let closed = false

  const schedule = (lane: Lane): void => {
    if (closed || suspended || lane.busy || lane.stall !== undefined || lane.queue.length === 0) return
    ready.add(lane)
    if (scheduled) return
    scheduled = true
    queueMicrotask(turn)
  }

  const turn = (): void => {
    scheduled = false
    if (closed || suspended) {
      ready.clear()
      return
    }
    const at = now()
    const stored: Flight[] = []
    const rest: Flight[] = []
    for (const lane of ready) {
      const flight = take(lane, at)
      ;(isDurable(flight.draft) ? stored : rest).push(flight)
    }
    ready.clear()
    land(rest)
    if (stored.length > 0) void fly(stored, at)
  }

  const take = (lane: Lane, at: Millis): Flight => {
    const inputs = lane.queue.splice(0)
    lane.busy = true
    const admissionBefore = offers.admission
    const offerChanges: OfferChange[] = []
    let draft: Draft
    try {
      draft = draftLane(lane, inputs, {
        now: at,
        context: host.context,
        strangers: host.strangers,
        admission: () => offers.admission,
        setAdmission: (admission) => merge(offerChanges, offers.update(admission)),
        hasRoom: () => sessions + opening < SESSIONS,
        pairings: () => pairings + pairing,
        claimAnswers: host.shared,
      })
    } catch (cause) {
      // A fault of this code must not become a way to stop the process: the inputs count as never come.
      reporter.fail('engine', cause)
      offers.undo(offerChanges.splice(0), admissionBefore)
      draft = emptyDraft(lane, inputs)
    }
    reserve(draft, 1)
    const durable = isDurable(draft)
    const sends = draft.sends.map((send) => ({
      send,
      outboxId: durable && send.lasting ? host.outboxId() : undefined,
    }))
    offers.hold(offerChanges)
    return { draft, offerChanges, admissionBefore, change: changeOf(draft, offerChanges, sends, at), sends }
  }

  const readmit = (cause?: unknown): void => {
    for (const settle of outsiders) settle(cause)
    outsiders.clear()
  }

  const reserve = (draft: Draft, sign: 1 | -1): void => {
    if (draft.lane.session === undefined && draft.session !== undefined) opening += sign
    if (draft.session?.phase === 'pairing' && draft.lane.session?.phase !== 'pairing') pairing += sign
  }

  const fly = async (flights: readonly Flight[], at: Millis): Promise<void> => {
    const sweeping = suspended ? [] : published.splice(0)
    if (flights.length + sweeping.length === 0) return
    underWay += 1
    for (const flight of flights) flying.add(flight)
    let outcomes: readonly CommitOutcome[] | undefined
    let failure: unknown
    try {
      const changes = flights.map(({ change }) => change)
      if (sweeping.length > 0) changes.push({ published: sweeping })
      outcomes = await store.commit(changes, at)
    } catch (cause) {
      failure = cause
      published.push(...sweeping)
      if (!closed) reporter.ail('store', cause)
    }
    underWay -= 1
    for (const flight of flights) flying.delete(flight)
    if (!closed) {
      if (outcomes === undefined) for (const flight of flights) fail(flight, failure)
      else {
        reporter.heal('store')
        if (outcomes[flights.length]?.type === 'fenced') published.push(...sweeping)
        const done: Flight[] = []
        flights.forEach((flight, i) => {
          const outcome = outcomes[i]
          if (outcome?.type === 'done') done.push(flight)
          else if (outcome === undefined) fail(flight, new Error('the store gave no outcome'))
          else lose(flight, outcome)
        })
        land(done)
      }
    }
    if (underWay > 0) return
    for (const idler of idlers) idler()
    idlers.clear()
  }

  /** A fault of this code must not become a way to stop the process. */
  const guard = (run: () => void): void => {
    try {
      run()
    } catch (cause) {
      reporter.fail('engine', cause)
    }
  }

  /** What was drafted is now so. */
  const land = (flights: readonly Flight[]): void => {
    const released: Released[] = []
    for (const { draft, offerChanges, change, sends } of flights) {
      const { lane } = draft
      const before = lane.session
      reserve(draft, -1)
      offers.letGo(offerChanges)
      setSession(lane, draft.session)
      if (change.session !== undefined) lane.revision = draft.session === undefined ? 0 : lane.revision + 1
      lane.refusals = draft.refusals
      lane.busy = false
      lane.failures = 0
      lane.races = 0
      for (const code of draft.drops) reporter.drop(code)
      // Before anything is taken back that this very verdict settled.
      for (const input of draft.inputs)
        if (input.type === 'decide') input.question.settle(!draft.late.has(input))
      arm(lane)
      released.push({ draft, before, sends })
    }
    guard(() => host.release(released))
    for (const { draft } of flights) {
      for (const input of draft.inputs) settleInput(input, draft.faults.get(input))
      schedule(draft.lane)
      if (draft.lane.session === undefined) forgetIfIdle(draft.lane)
    }
  }

  /** Nothing was stored, so nothing happened: requests are told, everything else is tried again later. */
  const fail = (flight: Flight, cause: unknown): void => {
    const { draft } = flight
    const { lane, inputs } = draft
    undo(flight)
    const pause = COMMIT_PAUSES_MS[Math.min(lane.failures, COMMIT_PAUSES_MS.length - 1)] ?? 0
    lane.failures += 1
    const again: LaneInput[] = []
    for (const input of inputs) {
      if (input.type === 'message') refuse(lane, input)
      else if (input.type === 'install' || input.type === 'set-policy') input.settle(storeFailed(cause))
      else if (input.type === 'revoke') {
        input.settle?.(storeFailed(cause))
        again.push({ ...input, settle: undefined })
      } else if (input.type === 'decide' || input.type === 'complete' || input.type === 'challenge')
        again.push(input)
    }
    lane.queue.unshift(...again)
    lane.stall = clock.setTimer(() => {
      lane.stall = undefined
      arm(lane)
      schedule(lane)
    }, pause)
    lane.busy = false
    if (lane.session === undefined) forgetIfIdle(lane)
  }

  const refuse = (lane: Lane, { arrival, requestId }: Extract<LaneInput, { type: 'message' }>): void => {
    host.unsee(arrival.eventId)
    if (requestId === undefined) return
    const text = encodeResponse({ type: 'error', id: requestId, error: UNAVAILABLE })
    host.refuse(lane, arrival, text)
  }

  /** Another process was faster: take over what it stored, and do the rest again. */
  const lose = (flight: Flight, outcome: Exclude<CommitOutcome, { type: 'done' }>): void => {
    const { draft } = flight
    const { lane } = draft
    undo(flight)
    if (outcome.type === 'fenced') {
      // Not refused: it is done once this process may commit again, unless others did it.
      lane.queue.unshift(...draft.inputs)
      lane.busy = false
      host.onFenced()
      return
    }
    lane.races += 1
    if (lane.races > COMMIT_RACES) {
      // Counted as reserved once more, since `fail` takes it back again.
      reserve(draft, 1)
      fail({ ...flight, offerChanges: [] }, new Error('other processes were always faster'))
      return
    }
    let inputs: readonly LaneInput[] = draft.inputs
    if (outcome.type === 'claimed') {
      const claims = new Map(outcome.claims.map((claim) => [claim.eventId, claim]))
      inputs = draft.inputs.flatMap((input): readonly LaneInput[] => {
        const claim = input.type === 'message' ? claims.get(input.arrival.eventId) : undefined
        if (claim === undefined || input.type !== 'message') return [input]
        const { eventId, requestId } = claim
        lane.races = 0
        host.see(eventId, lane, requestId)
        // A fresh claim of another process is being answered by it; an old one is a replay.
        const isReplay = !host.shared || now() - claim.at >= CLAIM_FRESH_MS
        if (isReplay && knows(lane.session, requestId))
          return [{ type: 'repeat', eventId, requestId, relay: input.arrival.relay }]
        // Another process is at it right now: this is its copy, and nobody asks again.
        reporter.drop('event/seen')
        return []
      })
    } else {
      for (const { token, stored } of outcome.offers ?? []) offers.replace(token, stored)
    }
    const { session } = outcome
    if (session !== undefined) replace(lane, session ?? undefined)
    lane.queue.unshift(...inputs)
    lane.busy = false
    schedule(lane)
  }

  const replace = (lane: Lane, stored: Versioned<SignerSession> | undefined): void => {
    if ((stored?.revision ?? 0) === lane.revision) return
    setSession(lane, stored?.value)
    lane.revision = stored?.revision ?? 0
    guard(() => host.onReplaced(lane))
  }

  const undo = ({ draft, offerChanges, admissionBefore }: Flight): void => {
    reserve(draft, -1)
    offers.letGo(offerChanges)
    offers.undo(offerChanges, admissionBefore)
  }

  const setSession = (lane: Lane, session: SignerSession | undefined): void => {
    const before = lane.session
    const change = Number(isServed({ session })) - Number(isServed(lane))
    if (change !== 0) {
      const count = (served.get(lane.clientPubkey) ?? 0) + change
      if (count > 0) served.set(lane.clientPubkey, count)
      else served.delete(lane.clientPubkey)
    }
    sessions += Number(session !== undefined) - Number(before !== undefined)
    pairings += Number(session?.phase === 'pairing') - Number(before?.phase === 'pairing')
    lane.session = session
    if (session?.phase !== 'revoked') lane.endedAt = null
    else lane.endedAt ??= now()
  }

  const forgetIfIdle = (lane: Lane): void => {
    if (lane.busy || lane.queue.length > 0 || lane.session !== undefined) return
    clock.clearTimer(lane.timer)
    clock.clearTimer(lane.stall)
    // The key of a session that went may have been late; its place may be another's by now.
    if (lanes.get(lane.key) === lane) lanes.delete(lane.key)
  }

  const arm = (lane: Lane): void => {
    const wakeAt = lane.session === undefined || lane.quiet ? undefined : wants(lane.session).wakeAt
    if (wakeAt === lane.wakeAt && lane.timer !== undefined && !host.shared) return
    clock.clearTimer(lane.timer)
    lane.timer = undefined
    lane.wakeAt = wakeAt
    if (wakeAt === undefined || closed) return
    const dueAt = wakeAt + host.wakeDelay(lane)
    const after = Math.min(TIMER_MS, Math.max(0, dueAt - now()))
    lane.timer = clock.setTimer(() => {
      lane.timer = undefined
      if (dueAt > now()) arm(lane)
      else enqueue(lane, { type: 'wake', input: { type: 'wake' } })
    }, after)
  }

  const enqueue = (lane: Lane, input: LaneInput): boolean => {
    if (closed) return false
    const isNews = input.type === 'message' || input.type === 'repeat'
    if (isNews && lane.queue.length >= LANE_QUEUE) return false
    // What ends or restricts a session comes before everything it could still do, in the order asked.
    const isOrder = ({ type }: LaneInput): boolean => type === 'revoke' || type === 'set-policy'
    const orders = isOrder(input) ? lane.queue.findIndex((waiting) => !isOrder(waiting)) : -1
    if (orders >= 0) lane.queue.splice(orders, 0, input)
    else lane.queue.push(input)
    schedule(lane)
    return true
  }

  const laneOf = (signerPubkey: Pubkey, clientPubkey: Pubkey): Lane => {
    const key = laneKey(signerPubkey, clientPubkey)
    const known = lanes.get(key)
    if (known !== undefined) return known
    const fresh = createLane(signerPubkey, clientPubkey, host.createBudget())
    lanes.set(key, fresh)
    return fresh
  }

  return {
    laneOf,
    find: (signerPubkey, clientPubkey) => lanes.get(laneKey(signerPubkey, clientPubkey)),
    lanes,
    enqueue,
    async commit(change) {
      underWay += 1
      try {
        const [outcome] = await store.commit([change], now())
        if (outcome === undefined) throw new Error('the store gave no outcome')
        if (outcome.type === 'fenced') host.onFenced()
        else reporter.heal('store')
        return outcome
      } catch (cause) {
        if (!closed) reporter.ail('store', cause)
        throw cause
      } finally {
        underWay -= 1
        if (underWay === 0) {
          for (const idler of idlers) idler()
          idlers.clear()
        }
      }
    },
    readmitted() {
      if (closed) return Promise.reject(closedError())
      if (!suspended) return Promise.resolve()
      return new Promise((resolve, reject) => {
        outsiders.add((cause) => (cause === undefined ? resolve() : reject(cause)))
      })
    },
    restore(session, revision, endedAt) {
      const lane = laneOf(session.signerPubkey, session.clientPubkey)
      setSession(lane, session)
      lane.revision = revision
      lane.endedAt = session.phase === 'revoked' ? endedAt : null
      return lane
    },
    adopt(lane, stored) {
      if (lane.busy) return
      replace(lane, stored)
      schedule(lane)
      if (lane.session === undefined) forgetIfIdle(lane)
    },
    suspend() {
      suspended = true
    },
    resume() {
      suspended = false
      readmit()
      for (const lane of lanes.values()) schedule(lane)
    },
    refuseWaiting(cause) {
      readmit(cause)
      for (const lane of lanes.values()) {
        const waiting = lane.queue.splice(0)
        for (const input of waiting) {
          if (input.type === 'message') refuse(lane, input)
          else lane.queue.push(input)
        }
      }
    },
    arm,
    tidy: forgetIfIdle,
    noteOutbox(id) {
      published.push(id)
      if (closed) return
      if (published.length >= PUBLISHED_UNTOLD) void fly([], now())
      else
        telling ??= clock.setTimer(() => {
          telling = undefined
          if (!closed && published.length > 0) void fly([], now())
        }, PUBLISHED_UNTOLD_MS)
    },
    serves: (pubkey) => served.has(pubkey as Pubkey),
    flush: () => (published.length === 0 ? Promise.resolve() : fly([], now())),
    idle() {
      if (underWay === 0) return Promise.resolve()
      return new Promise((resolve) => idlers.add(resolve))
    },
    close(cause) {
      closed = true
      readmit(cause)
      clock.clearTimer(telling)
      for (const { draft } of flying) {
        for (const input of draft.inputs) settleInput(input, cause)
      }
      for (const lane of lanes.values()) {
        clock.clearTimer(lane.timer)
        clock.clearTimer(lane.stall)
        for (const input of lane.queue) settleInput(input, cause)
      }
    },
    get sessions() {
      return sessions
    },
    get waiting() {
      let inputs = 0
      for (const { queue } of lanes.values()) inputs += queue.length
      return inputs
    },
  }
}

/** Whether the session as we know it has met this request. */
function knows(session: SignerSession | undefined, requestId: RequestId): boolean {
  if (session === undefined) return false
  return (
    Object.hasOwn(session.pending, requestId) ||
    session.ledger.chunks.some((chunk) => Object.hasOwn(chunk, requestId))
  )
}

function settleInput(input: LaneInput, error?: unknown): void {
  if (input.type === 'install' || input.type === 'revoke' || input.type === 'set-policy')
    input.settle?.(error)
}

/** Later changes of one token replace earlier ones; what is stored still has the first one's revision. */
function merge(changes: OfferChange[], more: readonly OfferChange[]): void {
  for (const change of more) {
    const earlier = changes.findIndex(({ token }) => token === change.token)
    const first = changes[earlier]
    if (first === undefined) changes.push(change)
    else changes[earlier] = { ...change, revision: first.revision }
  }
}

function changeOf(
  draft: Draft,
  offerChanges: readonly OfferChange[],
  sends: Released['sends'],
  at: Millis,
): StoreChange {
  const { lane, session, claims, audit } = draft
  const { signerPubkey, clientPubkey } = lane
  const before = lane.session
  // Only one that was heard: an offer may name anybody's key.
  const isHeard = draft.notes.some((note) => note.type === 'confirmed' || note.type === 'opened')
  const outbox = sends.flatMap(({ send, outboxId }): OutboxEntry[] => {
    if (outboxId === undefined) return []
    const { relays, scheme, text } = send
    return [{ id: outboxId, signerPubkey, to: clientPubkey, relays, scheme, text, at }]
  })
  return {
    ...(session !== before && {
      session: {
        signerPubkey,
        clientPubkey,
        revision: lane.revision,
        before: before ?? null,
        after: session ?? null,
      },
    }),
    ...(offerChanges.length > 0 && { offers: offerChanges }),
    ...(claims.length > 0 && { claims }),
    ...(audit.length > 0 && { audit }),
    ...(outbox.length > 0 && { outbox }),
    ...(isHeard && session?.phase === 'open' && { clients: [clientPubkey] }),
  }
}
