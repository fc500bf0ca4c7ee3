/**
 * Runs the lanes: every lane that is ready is stepped, what all of them changed goes to the store in one call, and only
 * then anything leaves. Steps of one lane never overlap; lanes do not wait for each other's commits.
 * Never publishes, asks or performs what was not stored.
 *
 *     enqueue -> take -> fly -> land -> release      what was drafted is stored, is so, and leaves
 *                         |-> fail                   it could not be stored: nothing happened
 *                         `-> lose -> take           others were faster: their state, and what is left once more
 */

import { type Clock, encodeResponse, type Millis, type RequestId } from '@nip46/core'
import type {
  CommitOutcome,
  OfferChange,
  SignerContext,
  SignerSession,
  Versioned,
} from '@nip46/core/remote-signer'
import type { StrangerBudget } from './budget.ts'
import type { Commits } from './commits.ts'
import { type Draft, emptyDraft, isDurable } from './draft.ts'
import { draftLane } from './drafting.ts'
import { storeFailed } from './error.ts'
import { changeOf, type Flight, mergeOffers } from './flight.ts'
import { type Lane, type LaneInput, settleInput } from './lane.ts'
import type { Lanes } from './lanes.ts'
import {
  CLAIM_FRESH_MS,
  COMMIT_PAUSES_MS,
  COMMIT_RACES,
  LANE_QUEUE,
  SESSIONS,
  TURN_MS,
  TURN_RACES,
} from './limits.ts'
import type { OfferBook } from './offer-book.ts'
import type { Reporter } from './reporter.ts'

export interface Turns {
  /** False if too much waits already. */
  enqueue(lane: Lane, input: LaneInput): boolean
  /** What is stored of this lane now, changed by another process. False while a commit of it is under way: look again later. */
  adopt(lane: Lane, stored: Versioned<SignerSession> | undefined): boolean
  /** Another process is too late for this session again and again: it goes first, until it has changed it or the time is up. */
  stepAside(lane: Lane): void
  /** This process may commit again: what waited goes on. */
  resume(): void
  /** Tells the clients of what waits that nothing can be stored. */
  refuseWaiting(): void
  /** What waits fails with this. */
  close(cause: unknown): void
}

export interface TurnsHost {
  readonly lanes: Lanes
  readonly commits: Commits
  readonly clock: Clock
  readonly now: () => Millis
  readonly reporter: Reporter
  readonly strangers: StrangerBudget
  readonly offers: OfferBook
  readonly context: SignerContext
  /** Several processes may use the store. */
  readonly shared: boolean
  /** The store refused a commit, since others may have taken over. */
  readonly onFenced: () => void
  /** This process was too late for a session again and again. */
  readonly onOutrun: (lane: Lane) => void
  /** A unique id for an outbox entry. */
  readonly outboxId: () => string
  /** What is stored may leave now. In order. */
  readonly release: (stored: readonly Flight[]) => void
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

const UNAVAILABLE = 'unavailable: storage cannot be written'

export function createTurns(host: TurnsHost): Turns {
  const { lanes, commits, clock, now, reporter, offers } = host
  const ready = new Set<Lane>()
  const flying = new Set<Flight>()
  /** Sessions and pairings of drafts that are not stored yet. */
  let opening = 0
  let pairing = 0
  let scheduled = false
  let closed = false

  const schedule = (lane: Lane): void => {
    if (closed || commits.suspended || lane.busy || lane.queue.length === 0) return
    if (lane.stall !== undefined || lane.aside !== undefined) return
    ready.add(lane)
    if (scheduled) return
    scheduled = true
    queueMicrotask(turn)
  }

  const turn = (): void => {
    scheduled = false
    if (closed || commits.suspended) {
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
    if (stored.length > 0) fly(stored, at)
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
        setAdmission: (admission) => mergeOffers(offerChanges, offers.update(admission)),
        hasRoom: () => lanes.sessions + opening < SESSIONS,
        pairings: () => lanes.pairings + pairing,
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

  const reserve = (draft: Draft, sign: 1 | -1): void => {
    if (draft.lane.session === undefined && draft.session !== undefined) opening += sign
    if (draft.session?.phase === 'pairing' && draft.lane.session?.phase !== 'pairing') pairing += sign
  }

  const fly = (flights: readonly Flight[], at: Millis): void => {
    for (const flight of flights) flying.add(flight)
    const changes = flights.map(({ change }) => change)
    void commits.commitAll(changes, at, (outcomes) => {
      for (const flight of flights) flying.delete(flight)
      if (closed) return
      if (!outcomes.ok) {
        for (const flight of flights) fail(flight, outcomes.error)
        return
      }
      const stored: Flight[] = []
      flights.forEach((flight, i) => {
        const outcome = outcomes.value[i]
        if (outcome?.type === 'done') stored.push(flight)
        else if (outcome === undefined) fail(flight, new Error('the store gave no outcome'))
        else lose(flight, outcome)
      })
      land(stored)
    })
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
    for (const { draft, offerChanges, change } of flights) {
      const { lane } = draft
      reserve(draft, -1)
      offers.letGo(offerChanges)
      const revision = lane.revision + Number(change.session !== undefined)
      lanes.set(lane, draft.session, draft.session === undefined ? 0 : revision)
      lane.refusals = draft.refusals
      lane.busy = false
      lane.failures = 0
      lane.races = 0
      for (const code of draft.drops) reporter.drop(code)
      // Before anything is taken back that this very verdict settled.
      for (const input of draft.inputs)
        if (input.type === 'decide') input.question.settle(!draft.late.has(input))
      lanes.arm(lane)
    }
    guard(() => host.release(flights))
    for (const { draft } of flights) {
      for (const input of draft.inputs) settleInput(input, draft.faults.get(input))
      schedule(draft.lane)
      lanes.tidy(draft.lane)
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
      lanes.arm(lane)
      schedule(lane)
    }, pause)
    lane.busy = false
    lanes.tidy(lane)
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
      lane.races = 0
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
    if (inputs.length > 0 && lane.races >= TURN_RACES) guard(() => host.onOutrun(lane))
    schedule(lane)
  }

  const replace = (lane: Lane, stored: Versioned<SignerSession> | undefined): void => {
    // Revisions begin anew with a session that was forgotten and made once more.
    const isSame = stored?.value.pairedAt === lane.session?.pairedAt
    if ((stored?.revision ?? 0) === lane.revision && isSame) return
    // Whoever was let go first has been there.
    clock.clearTimer(lane.aside)
    lane.aside = undefined
    lanes.set(lane, stored?.value, stored?.revision ?? 0)
    guard(() => host.onReplaced(lane))
  }

  const undo = ({ draft, offerChanges, admissionBefore }: Flight): void => {
    reserve(draft, -1)
    offers.letGo(offerChanges)
    offers.undo(offerChanges, admissionBefore)
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

  return {
    enqueue,
    adopt(lane, stored) {
      if (lane.busy) return false
      replace(lane, stored)
      schedule(lane)
      lanes.tidy(lane)
      return true
    },
    stepAside(lane) {
      // Of two that are outrun, the faster one comes here once it is done.
      if (closed || lane.aside !== undefined || lane.races >= TURN_RACES) return
      lane.aside = clock.setTimer(() => {
        lane.aside = undefined
        schedule(lane)
      }, TURN_MS)
    },
    resume() {
      for (const lane of lanes.byKey.values()) schedule(lane)
    },
    refuseWaiting() {
      for (const lane of lanes.byKey.values()) {
        const waiting = lane.queue.splice(0)
        for (const input of waiting) {
          if (input.type === 'message') refuse(lane, input)
          else lane.queue.push(input)
        }
      }
    },
    close(cause) {
      closed = true
      for (const { draft } of flying) {
        for (const input of draft.inputs) settleInput(input, cause)
      }
      for (const { queue } of lanes.byKey.values()) {
        for (const input of queue) settleInput(input, cause)
      }
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
