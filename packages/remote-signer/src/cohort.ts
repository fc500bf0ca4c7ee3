/**
 * The processes that share one store: which of them are alive, and which of them serves a session.
 * Never decides anything alone: the store's claims and revisions do, this only keeps work from being done twice.
 */

import type { Clock } from '@nip46/core'
import type { Member, SessionName, SharedChange, StoreSharing } from '@nip46/core/remote-signer'
import { laneKey } from './lane.ts'
import { COMMIT_PAUSES_MS } from './limits.ts'
import type { Reporter } from './reporter.ts'

export interface Cohort {
  /** Resolves once the others are known. Rejects if the store cannot be reached. At once where nobody shares the store. */
  join(): Promise<void>
  /** Whether this process serves a client, as long as all that are alive do what they should. */
  owns(signerPubkey: string, clientPubkey: string): boolean
  isAlive(memberId: string | undefined): boolean
  /** Whether this process does what one of them has to do for all. */
  readonly leads: boolean
  /** What this process did so far may have been taken over: joins again, as often as it takes. */
  rejoin(): void
  leave(): Promise<void>
  /** Of this process; undefined where nobody shares the store. */
  readonly id: string | undefined
  /** Undefined where nobody shares the store. */
  readonly sharing: StoreSharing | undefined
}

export interface CohortHost {
  readonly sharing: StoreSharing | undefined
  readonly clock: Clock
  readonly reporter: Reporter
  readonly onChanged: (change: SharedChange) => void
  /** Another process is too late for this session again and again. */
  readonly onTurnRequested: (session: SessionName) => void
  /** Others came or went. Not called before `join()` resolved. */
  readonly onMembers: () => void
  /** Nothing may be committed until {@link CohortHost.onRejoined}. */
  readonly onFenced: () => void
  /** Joined again: everything stored has to be looked at anew. A rejection counts as not joined. */
  readonly onRejoined: () => Promise<void>
  /** It did not work yet. */
  readonly onOutside: (cause: unknown) => void
  /** Another process has this one's name: it never joins again. */
  readonly onSuperseded: (cause: unknown) => void
}

export function createCohort(host: CohortHost): Cohort {
  const { sharing, clock, reporter } = host
  let member: Member | undefined
  let alive: readonly { readonly id: string; readonly hash: number }[] = []
  /** Counts the joins, so that what an earlier one still says is not heard. */
  let life = 0
  let settled = false
  let rejoining = false
  let timer: unknown
  let closed = false

  const enter = async (): Promise<void> => {
    if (sharing === undefined) return
    life += 1
    const born = life
    const isCurrent = (): boolean => born === life && !closed
    let onKnown: () => void = () => undefined
    const known = new Promise<void>((resolve) => {
      onKnown = resolve
    })
    const joined = await sharing.join({
      changed: (change) => isCurrent() && host.onChanged(change),
      turnRequested: (session) => isCurrent() && host.onTurnRequested(session),
      members(ids) {
        if (!isCurrent()) return
        alive = ids.map((id) => ({ id, hash: hash(id) }))
        onKnown()
        if (settled) host.onMembers()
      },
      fenced: () => isCurrent() && rejoin(),
    })
    if (!isCurrent()) {
      await joined.leave()
      return
    }
    member = joined
    await known
  }

  const rejoin = (): void => {
    if (sharing === undefined || rejoining || closed) return
    rejoining = true
    settled = false
    host.onFenced()
    let tries = 0
    const attempt = async (): Promise<void> => {
      if (closed) return
      try {
        await enter()
        await host.onRejoined()
        rejoining = false
        settled = true
        reporter.heal('store')
        host.onMembers()
      } catch (cause) {
        if (closed) return
        if (isSuperseded(cause)) return host.onSuperseded(cause)
        reporter.ail('store', cause)
        host.onOutside(cause)
        const pause = COMMIT_PAUSES_MS[Math.min(tries, COMMIT_PAUSES_MS.length - 1)] ?? 0
        tries += 1
        timer = clock.setTimer(() => void attempt(), pause)
      }
    }
    void attempt()
  }

  return {
    async join() {
      if (member === undefined) await enter()
      settled = true
    },
    owns(signerPubkey, clientPubkey) {
      const id = member?.id
      if (alive.length <= 1 || id === undefined) return true
      return isOwner(id, alive, hash(laneKey(signerPubkey, clientPubkey)))
    },
    get leads() {
      return member === undefined || alive[0]?.id === member.id
    },
    isAlive: (memberId) => memberId !== undefined && alive.some(({ id }) => id === memberId),
    rejoin,
    async leave() {
      closed = true
      clock.clearTimer(timer)
      await member?.leave()
    },
    get id() {
      return member?.id
    },
    sharing,
  }
}

/** As `StoreSharing.join` says it. */
function isSuperseded(cause: unknown): boolean {
  return (cause as { readonly code?: unknown } | undefined)?.code === 'store/superseded'
}

/** Rendezvous: the highest of the members' scores for this session. When one goes, only its own sessions move. */
function isOwner(
  id: string,
  alive: readonly { readonly id: string; readonly hash: number }[],
  lane: number,
): boolean {
  let best = -1
  let owner = ''
  for (const each of alive) {
    const score = mix(each.hash ^ lane)
    if (score <= best) continue
    best = score
    owner = each.id
  }
  return owner === id
}

/** FNV-1a. Whoever picks keys to meet one member only slows down sessions of their own making. */
function hash(text: string): number {
  let state = 0x811c9dc5
  for (let i = 0; i < text.length; i++) state = Math.imul(state ^ text.charCodeAt(i), 0x01000193)
  return mix(state)
}

function mix(value: number): number {
  let state = value
  state = Math.imul(state ^ (state >>> 16), 0x85ebca6b)
  state = Math.imul(state ^ (state >>> 13), 0xc2b2ae35)
  return (state ^ (state >>> 16)) >>> 0
}
