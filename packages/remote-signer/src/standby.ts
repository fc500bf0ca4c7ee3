/**
 * Events of sessions that another process serves, held back unopened until that process claimed them, or did not in time.
 * Never opens one: what nobody claimed goes the way of every other event.
 */

import type { Clock, Millis, RelayUrl, SignedEvent } from '@nip46/core'
import type { Claim } from '@nip46/core/remote-signer'
import { createBoundedMap } from './bounded-map.ts'
import { laneKey } from './lane.ts'
import { STANDBY_CHARS, STANDBY_EVENTS, STANDBY_READ, TAKE_OVER_MS, TAKE_OVER_PATIENCE_MS } from './limits.ts'
import type { Reporter } from './reporter.ts'

export interface Standby {
  hold(event: SignedEvent, relay: RelayUrl): void
  /** The process that serves this session committed something. */
  noticeWork(lane: string): void
  /** Others came or went: what is ours now is held no longer. */
  release(): void
  close(): void
  readonly waiting: number
}

export interface StandbyHost {
  readonly clock: Clock
  readonly now: () => Millis
  readonly reporter: Reporter
  readonly isOurs: (event: SignedEvent) => boolean
  readonly readClaims: (eventIds: readonly string[]) => Promise<readonly Claim[]>
  readonly onClaimed: (claim: Claim) => void
  readonly onUnclaimed: (event: SignedEvent, relay: RelayUrl) => void
}

interface Held {
  readonly event: SignedEvent
  readonly relay: RelayUrl
  readonly lane: string
  readonly chars: number
  readonly since: Millis
  /** When it is looked for among the claims. */
  dueAt: Millis
}

export function createStandby(host: StandbyHost): Standby {
  const { clock, now, reporter } = host
  /** In the order of their `dueAt`. */
  let held: Held[] = []
  let chars = 0
  let timer: unknown
  let reading = false
  let closed = false
  /** When the others last committed something for these sessions. */
  const work = createBoundedMap<Millis>(STANDBY_EVENTS)

  const arm = (): void => {
    const [first] = held
    if (timer !== undefined || reading || closed || first === undefined) return
    timer = clock.setTimer(
      () => {
        timer = undefined
        void look()
      },
      Math.min(TAKE_OVER_MS, Math.max(0, first.dueAt - now())),
    )
  }

  const look = async (): Promise<void> => {
    const at = now()
    // What would be due later than that was held before the clock was set back.
    const end = held.findIndex(({ dueAt }) => dueAt > at && dueAt <= at + TAKE_OVER_MS)
    const due = held.splice(0, Math.min(STANDBY_READ, end < 0 ? held.length : end))
    reading = true
    let claims: readonly Claim[] | undefined
    try {
      if (due.length > 0) claims = await host.readClaims([...new Set(due.map(({ event }) => event.id))])
    } catch (cause) {
      reporter.ail('store', cause)
    }
    reading = false
    if (closed) return
    const claimed = new Set<string>()
    for (const claim of claims ?? []) {
      claimed.add(claim.eventId)
      host.onClaimed(claim)
    }
    for (const each of due) {
      if (claimed.has(each.event.id)) forget(each)
      else judge(each, claims !== undefined)
    }
    arm()
  }

  /** Nobody claimed it, as far as is known. */
  const judge = (each: Held, isKnown: boolean): void => {
    const at = now()
    const patient = Math.abs(at - each.since) < TAKE_OVER_PATIENCE_MS
    // Whoever serves the session is at work on it, so this one waits there, or was dropped on purpose.
    const isAtWork = Math.abs(at - (work.get(each.lane) ?? Number.NEGATIVE_INFINITY)) < TAKE_OVER_MS
    if (patient && (isAtWork || !isKnown)) {
      each.dueAt = at + TAKE_OVER_MS
      held.push(each)
      return
    }
    forget(each)
    if (isAtWork || !isKnown) reporter.drop('event/left-to-others')
    else host.onUnclaimed(each.event, each.relay)
  }

  const forget = (each: Held): void => {
    chars -= each.chars
  }

  return {
    hold(event, relay) {
      if (closed) return
      const entry: Held = {
        event,
        relay,
        lane: laneKey(addresseeOf(event), event.pubkey),
        chars: event.content.length + 400,
        since: now(),
        dueAt: now() + TAKE_OVER_MS,
      }
      held.push(entry)
      chars += entry.chars
      while (held.length > STANDBY_EVENTS || chars > STANDBY_CHARS) {
        const dropped = held.shift()
        if (dropped === undefined) break
        forget(dropped)
        reporter.drop('event/left-to-others')
      }
      arm()
    },
    noticeWork: (lane) => work.set(lane, now()),
    release() {
      const ours = held.filter(({ event }) => host.isOurs(event))
      if (ours.length === 0) return
      held = held.filter(({ event }) => !host.isOurs(event))
      // Looked for among the claims first: most of them were answered by the one that went.
      for (const each of ours.reverse()) {
        each.dueAt = now()
        held.unshift(each)
      }
      clock.clearTimer(timer)
      timer = undefined
      arm()
    },
    close() {
      closed = true
      clock.clearTimer(timer)
      held = []
    },
    get waiting() {
      return held.length
    },
  }
}

/** Whom an event says it is for. */
export function addresseeOf({ tags }: SignedEvent): string {
  return tags.find(([name]) => name === 'p')?.[1] ?? ''
}
