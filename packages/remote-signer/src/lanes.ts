/**
 * All lanes there are, by key, and what their committed sessions add up to: whom we serve, how many there are, when each is due.
 * Never steps a session, and never sets one that is not stored.
 */

import type { Clock, Millis, Pubkey } from '@nip46/core'
import { type SignerSession, wants } from '@nip46/core/remote-signer'
import type { SessionBudget } from './budget.ts'
import { createLane, isServed, type Lane, laneKey } from './lane.ts'
import { TIMER_MS } from './limits.ts'

export interface Lanes {
  readonly byKey: ReadonlyMap<string, Lane>
  /** The lane of a client, made if there is none. */
  laneOf(signerPubkey: Pubkey, clientPubkey: Pubkey): Lane
  find(signerPubkey: string, clientPubkey: string): Lane | undefined
  /** A loaded session takes its place. */
  restore(session: SignerSession, revision: number, endedAt: Millis | null): Lane
  /** What is stored of this lane as of now. */
  set(lane: Lane, session: SignerSession | undefined, revision: number): void
  /** Follows what the session wants now. */
  arm(lane: Lane): void
  /** Forgets a lane in which nothing is and nothing happens. */
  tidy(lane: Lane): void
  /** Whether this is the client key of a session that is served. */
  serves(pubkey: string): boolean
  /** Nobody is woken any more. */
  close(): void
  readonly sessions: number
  /** Sessions that wait for a decision on their connection. */
  readonly pairings: number
  /** Inputs that wait, of all lanes. */
  readonly waiting: number
}

export interface LanesHost {
  readonly clock: Clock
  readonly now: () => Millis
  /** Several processes may use the store. */
  readonly shared: boolean
  /** The sessions of others are woken so much later, in milliseconds, in case they are not. */
  readonly wakeDelay: (lane: Lane) => Millis
  readonly createBudget: () => SessionBudget
  /** This is the client key of a session that is served, or of none any more. */
  readonly onServed: (pubkey: Pubkey, isServed: boolean) => void
  /** The session wanted to be woken now. */
  readonly onDue: (lane: Lane) => void
}

export function createLanes(host: LanesHost): Lanes {
  const { clock, now } = host
  const byKey = new Map<string, Lane>()
  /** How many sessions each client has that are served. */
  const served = new Map<Pubkey, number>()
  let sessions = 0
  let pairings = 0
  let closed = false

  const laneOf = (signerPubkey: Pubkey, clientPubkey: Pubkey): Lane => {
    const key = laneKey(signerPubkey, clientPubkey)
    const known = byKey.get(key)
    if (known !== undefined) return known
    const fresh = createLane(signerPubkey, clientPubkey, host.createBudget())
    byKey.set(key, fresh)
    return fresh
  }

  const set = (lane: Lane, session: SignerSession | undefined, revision: number): void => {
    const before = lane.session
    const change = Number(isServed({ session })) - Number(isServed(lane))
    if (change !== 0) {
      const before = served.get(lane.clientPubkey) ?? 0
      const count = before + change
      if (count > 0) served.set(lane.clientPubkey, count)
      else served.delete(lane.clientPubkey)
      if (before === 0 || count === 0) host.onServed(lane.clientPubkey, count > 0)
    }
    sessions += Number(session !== undefined) - Number(before !== undefined)
    pairings += Number(session?.phase === 'pairing') - Number(before?.phase === 'pairing')
    lane.session = session
    lane.revision = revision
    if (session?.phase !== 'revoked') lane.endedAt = null
    else lane.endedAt ??= now()
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
      else host.onDue(lane)
    }, after)
  }

  return {
    byKey,
    laneOf,
    find: (signerPubkey, clientPubkey) => byKey.get(laneKey(signerPubkey, clientPubkey)),
    restore(session, revision, endedAt) {
      const lane = laneOf(session.signerPubkey, session.clientPubkey)
      set(lane, session, revision)
      lane.endedAt = session.phase === 'revoked' ? endedAt : null
      return lane
    },
    set,
    arm,
    tidy(lane) {
      if (lane.busy || lane.queue.length > 0 || lane.session !== undefined) return
      clock.clearTimer(lane.timer)
      clock.clearTimer(lane.stall)
      clock.clearTimer(lane.aside)
      // The key of a session that went may have been late; its place may be another's by now.
      if (byKey.get(lane.key) === lane) byKey.delete(lane.key)
    },
    serves: (pubkey) => served.has(pubkey as Pubkey),
    close() {
      closed = true
      for (const lane of byKey.values()) {
        clock.clearTimer(lane.timer)
        clock.clearTimer(lane.stall)
        clock.clearTimer(lane.aside)
      }
    },
    get sessions() {
      return sessions
    },
    get pairings() {
      return pairings
    },
    get waiting() {
      let inputs = 0
      for (const { queue } of byKey.values()) inputs += queue.length
      return inputs
    },
  }
}
