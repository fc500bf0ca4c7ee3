/**
 * A store in memory that several remote signers of one process share, as processes share a database.
 * Never used outside tests. Leases end when a test says so.
 */

import type { CommitOutcome, MemberListener, SharedChange, StoreChange } from '@nip46/core/remote-signer'
import { type MemoryStore, memoryStore, type SignerStore } from '../src/index.ts'

export interface SharedMember {
  readonly store: SignerStore
  /** As `kill -9`: says and hears nothing any more. */
  die(): void
  /** The others learn that it is gone. */
  expire(): void
  /** The lease ran out though the process lives; it is told at once, or by its next commit. */
  fence(tell: boolean): void
  /** Notices of what others changed are lost until `reach(true)`, which says that everything may have changed. */
  reach(reachable: boolean): void
  /** The store cannot be reached at all. */
  cut(isCut: boolean): void
  /** Nobody can join. */
  cutJoin(isCut: boolean): void
  /** Commits take so long from now on: the wait of each. */
  lag(wait: () => Promise<void>): void
  /** Commits are made only once the returned function is called. */
  holdCommits(): () => void
  /** What is read is told only once the returned function is called. */
  holdReads(): () => void
}

export interface SharedStore {
  readonly memory: MemoryStore
  /** `instance` as that of a store: whoever has the name before is fenced, and learns that it was superseded when it joins again. */
  open(instance?: string): SharedMember
  /** Event ids looked for among the claims. */
  readonly lookedFor: readonly string[]
}

interface Seat {
  readonly listener: MemberListener
  fenced: boolean
}

export function sharedStore(): SharedStore {
  const memory = memoryStore()
  const seats = new Map<string, Seat>()
  const claims = new Map<string, NonNullable<StoreChange['claims']>[number]>()
  const lookedFor: string[] = []
  const instances = new Map<string, { readonly owner: symbol; readonly id: string }>()
  let serial = 0

  const tellMembers = (): void => {
    const ids = [...seats.keys()].sort()
    for (const { listener } of seats.values()) queueMicrotask(() => listener.members(ids))
  }

  return {
    memory,
    lookedFor,
    open(instance) {
      const self = Symbol(instance)
      let wasMember = false
      let id = ''
      let alive = true
      let reachable = true
      let isCut = false
      let isJoinCut = false
      let held: Promise<void> | undefined
      let heldReads: Promise<void> | undefined
      let lag = (): Promise<void> | undefined => undefined
      const expectReach = (): void => {
        if (isCut || !alive) throw new Error('no connection')
      }
      const store: SignerStore = {
        async load(now) {
          expectReach()
          return memory.load(now)
        },
        async read(wanted) {
          expectReach()
          const found = await memory.read(wanted)
          await heldReads
          return found
        },
        async commit(changes, now) {
          if (!alive) return new Promise(() => undefined)
          await held
          await lag()
          expectReach()
          const seat = seats.get(id)
          if (seat === undefined || seat.fenced) return changes.map(() => ({ type: 'fenced' }) as const)
          const outcomes = await memory.commit(changes, now)
          const change = changesOf(changes, outcomes)
          for (const { claims: made = [] } of changes.filter((_, i) => outcomes[i]?.type === 'done'))
            for (const claim of made) claims.set(claim.eventId, claim)
          for (const [other, { listener }] of seats)
            if (other !== id) queueMicrotask(() => listener.changed(change))
          return outcomes
        },
        sharing: {
          leaseMs: 5_000,
          async join(listener) {
            expectReach()
            if (isJoinCut) throw new Error('no connection')
            const named = instance === undefined ? undefined : instances.get(instance)
            if (named !== undefined && named.owner !== self) {
              if (wasMember) throw Object.assign(new Error('not ours'), { code: 'store/superseded' })
              const before = seats.get(named.id)
              seats.delete(named.id)
              queueMicrotask(() => before?.listener.fenced())
            }
            wasMember = true
            id = `member-${serial++}`
            if (instance !== undefined) instances.set(instance, { owner: self, id })
            const joined = id
            seats.set(id, {
              fenced: false,
              listener: {
                changed: (change) => alive && reachable && listener.changed(change),
                turnRequested: (session) => alive && reachable && listener.turnRequested(session),
                members: (ids) => alive && listener.members(ids),
                fenced: () => alive && listener.fenced(),
              },
            })
            tellMembers()
            return {
              id,
              async leave() {
                seats.delete(joined)
                tellMembers()
              },
            }
          },
          async requestTurn(session) {
            expectReach()
            for (const [other, { listener }] of seats)
              if (other !== id) queueMicrotask(() => listener.turnRequested(session))
          },
          async readClaims(eventIds) {
            expectReach()
            lookedFor.push(...eventIds)
            return eventIds.flatMap((eventId) => claims.get(eventId) ?? [])
          },
          async readOutbox(now) {
            expectReach()
            return (await memory.load(now)).outbox
          },
        },
      }
      return {
        store,
        die() {
          alive = false
        },
        expire() {
          seats.delete(id)
          tellMembers()
        },
        fence(tell) {
          const seat = seats.get(id)
          if (seat === undefined) throw new Error('not a member')
          seat.fenced = true
          seats.delete(id)
          tellMembers()
          if (tell) queueMicrotask(() => seat.listener.fenced())
        },
        reach(isReachable) {
          reachable = isReachable
          if (!reachable) return
          const all: SharedChange = { all: true, sessions: [], offers: [], keys: [], clients: [] }
          queueMicrotask(() => seats.get(id)?.listener.changed(all))
        },
        cut(cutNow) {
          isCut = cutNow
        },
        cutJoin(cutNow) {
          isJoinCut = cutNow
        },
        lag(wait) {
          lag = wait
        },
        holdCommits() {
          const [until, letGo] = hold()
          held = until
          return letGo
        },
        holdReads() {
          const [until, letGo] = hold()
          heldReads = until
          return letGo
        },
      }
    },
  }
}

function changesOf(changes: readonly StoreChange[], outcomes: readonly CommitOutcome[]): SharedChange {
  const done = changes.filter((_, i) => outcomes[i]?.type === 'done')
  return {
    all: false,
    sessions: done.flatMap(({ session }) => session ?? []),
    offers: done.flatMap(({ offers = [] }) => offers.map(({ token }) => token)),
    keys: done.flatMap(({ keys = [], forgetKeys = [] }) => [
      ...keys.map(({ pubkey }) => pubkey),
      ...forgetKeys,
    ]),
    clients: done.flatMap(({ clients = [] }) => clients),
  }
}

function hold(): readonly [until: Promise<void>, letGo: () => void] {
  let letGo: () => void = () => undefined
  const until = new Promise<void>((resolve) => {
    letGo = resolve
  })
  return [until, letGo]
}
