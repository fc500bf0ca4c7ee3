/**
 * The REQ side of one relay link: what is asked for, whether it is live, and asking again after a gap.
 * Never verifies or remembers an event; never gives up on a relay unless the relay said so for good.
 */

import type { Authenticate, Clock, Filter, RelayUrl, Seconds, SubscribeRequest } from '@nip46/core'
import { slowdownMs } from './backoff.ts'
import { closeFrame, reasonPrefix, requestFrame } from './frame.ts'
import { callHost } from './host.ts'
import type { AuthOutcome } from './relay-auth.ts'

/** A REQ that got no EOSE for so long counts as live: some relays never send one. In milliseconds. */
export const EOSE_WAIT_MS = 500
/** How far before the newest event seen we ask again after a gap, in seconds: clocks differ. */
export const CATCH_UP_OVERLAP_SECONDS = 60
/** Subscriptions of one link; the next one is refused with `too-many-subscriptions`. */
export const LINK_SUBSCRIPTIONS = 1_024
/** A subscription that lived so long has no failures behind it any more, in milliseconds. */
const STEADY_MS = 60_000

/** What a link's subscriptions ask of the link. */
export interface SubscriptionsPort {
  readonly relay: RelayUrl
  readonly clock: Clock
  /** A number in [0, 1). */
  readonly random: () => number
  /** A new subscription id for the wire. */
  readonly newId: () => string
  readonly isOpen: () => boolean
  readonly send: (frame: string) => void
  /** On the present connection; `done` is not called once that is gone. */
  readonly authenticate: (by: Authenticate, done: (outcome: AuthOutcome) => void) => void
  /** A subscription became live, ended, or gave up. */
  readonly onChange: () => void
}

/** A `SubscribeRequest` for the one relay of the link. */
export type LinkSubscribeRequest = Omit<SubscribeRequest, 'relays'>

export interface LinkSubscriptions {
  /** The function returned ends it. */
  add(request: LinkSubscribeRequest): () => void
  /** The connection is open: everything is asked for (again). */
  opened(): void
  /** The connection is gone, or was never made. */
  lost(reason: string): void
  /** This relay can never be reached: everything is over. */
  giveUp(reason: string): void
  /** Each returns false if no subscription has this id. */
  event(id: string, event: object): boolean
  eose(id: string): boolean
  closed(id: string, reason: string): boolean
  /** Forgets everything without telling anybody, and says CLOSE where the connection is open. */
  end(): void
  /** Subscriptions that want a connection. */
  wanted(): number
  live(): number
  /** Whether a REQ is on its way to be live, so that a publish had better wait. */
  starting(): boolean
}

interface Entry {
  readonly id: string
  readonly request: LinkSubscribeRequest
  phase: 'down' | 'requested' | 'live' | 'authenticating' | 'waiting' | 'over'
  /** Of `requested`: the wait for EOSE. Of `waiting`: until the next REQ. Of `live`: until it counts as steady. */
  timer: unknown
  /** Asked for at least once before, so that filters move on. */
  asked: boolean
  /** The greatest `created_at` seen, never later than its arrival. */
  lastSeen: Seconds
  authTried: boolean
  /** The relay refuses `limit: 0`. */
  withoutLimitZero: boolean
  failures: number
  /** The host knows that it is down. */
  toldDown: boolean
}

export function createLinkSubscriptions(port: SubscriptionsPort): LinkSubscriptions {
  const { relay, clock } = port
  const entries = new Map<string, Entry>()

  const seconds = (): Seconds => Math.floor(clock.now() / 1_000)

  const enter = (entry: Entry, phase: Entry['phase']): void => {
    clock.clearTimer(entry.timer)
    entry.timer = undefined
    entry.phase = phase
  }

  const ask = (entry: Entry): void => {
    enter(entry, 'requested')
    const { filters } = entry.request
    port.send(requestFrame(entry.id, withoutLimitZero(entry, entry.asked ? moveOn(entry, filters) : filters)))
    entry.asked = true
    entry.timer = clock.setTimer(() => becomeLive(entry), EOSE_WAIT_MS)
  }

  /** After a gap: from the newest event seen, less an overlap. Never back, and never into the future. */
  const moveOn = (entry: Entry, filters: readonly Filter[]): readonly Filter[] => {
    const from = Math.min(entry.lastSeen, seconds()) - CATCH_UP_OVERLAP_SECONDS
    return filters.map((filter) =>
      filter.since === undefined ? filter : { ...filter, since: Math.max(filter.since, from) },
    )
  }

  const becomeLive = (entry: Entry): void => {
    enter(entry, 'live')
    entry.toldDown = false
    entry.timer = clock.setTimer(() => {
      entry.failures = 0
    }, STEADY_MS)
    callHost(() => entry.request.onLive?.(relay))
    port.onChange()
  }

  const down = (entry: Entry, reason: string, final: boolean): void => {
    if (final) {
      enter(entry, 'over')
      entries.delete(entry.id)
    }
    const known = entry.toldDown
    entry.toldDown = true
    if (final || !known) callHost(() => entry.request.onDown?.(relay, reason, final))
  }

  const refused = (entry: Entry, reason: string): void => {
    switch (reasonPrefix(reason)) {
      case 'auth-required': {
        const by = entry.request.authenticate
        if (by === undefined || entry.authTried) {
          down(entry, reason, true)
          break
        }
        entry.authTried = true
        enter(entry, 'authenticating')
        port.authenticate(by, (outcome) => {
          if (entry.phase !== 'authenticating') return
          if (outcome.type === 'refused') down(entry, outcome.reason, true)
          else ask(entry)
          port.onChange()
        })
        break
      }
      case 'invalid':
      case 'unsupported':
        // Some relays refuse `limit: 0`; the other filters then have to do.
        if (entry.withoutLimitZero || !entry.request.filters.some((filter) => filter.limit === 0)) {
          down(entry, reason, true)
          break
        }
        entry.withoutLimitZero = true
        ask(entry)
        break
      case 'blocked':
      case 'restricted':
      case 'mute':
      case 'pow':
        down(entry, reason, true)
        break
      default:
        // `rate-limited:`, `error:`, and whatever a relay says when it restarts.
        enter(entry, 'waiting')
        entry.timer = clock.setTimer(() => ask(entry), slowdownMs(entry.failures, port.random()))
        entry.failures += 1
        down(entry, reason, false)
    }
  }

  const remove = (entry: Entry): void => {
    const onWire = entry.phase === 'requested' || entry.phase === 'live'
    enter(entry, 'over')
    entries.delete(entry.id)
    if (onWire && port.isOpen()) port.send(closeFrame(entry.id))
  }

  return {
    add(request) {
      const entry: Entry = {
        id: port.newId(),
        request,
        phase: 'down',
        timer: undefined,
        asked: false,
        lastSeen: 0,
        authTried: false,
        withoutLimitZero: false,
        failures: 0,
        toldDown: false,
      }
      if (entries.size >= LINK_SUBSCRIPTIONS) {
        entry.timer = clock.setTimer(() => down(entry, 'too-many-subscriptions', true), 0)
        return () => enter(entry, 'over')
      }
      entries.set(entry.id, entry)
      if (port.isOpen()) ask(entry)
      return () => {
        if (entry.phase === 'over') return
        remove(entry)
        port.onChange()
      }
    },
    opened() {
      for (const entry of entries.values()) ask(entry)
    },
    lost(reason) {
      for (const entry of [...entries.values()]) {
        if (entry.phase === 'over') continue
        enter(entry, 'down')
        entry.authTried = false
        down(entry, reason, false)
      }
    },
    giveUp(reason) {
      for (const entry of [...entries.values()]) {
        if (entry.phase !== 'over') down(entry, reason, true)
      }
    },
    event(id, event) {
      const entry = entries.get(id)
      if (entry === undefined) return false
      const { created_at } = event as { readonly created_at?: unknown }
      if (Number.isSafeInteger(created_at)) {
        entry.lastSeen = Math.max(entry.lastSeen, Math.min(created_at as number, seconds()))
      }
      callHost(() => entry.request.onEvent(event, relay))
      return true
    },
    eose(id) {
      const entry = entries.get(id)
      if (entry?.phase === 'requested') becomeLive(entry)
      return entry !== undefined
    },
    closed(id, reason) {
      const entry = entries.get(id)
      if (entry === undefined) return false
      if (entry.phase !== 'requested' && entry.phase !== 'live') return true
      refused(entry, reason)
      port.onChange()
      return true
    },
    end() {
      for (const entry of [...entries.values()]) remove(entry)
    },
    wanted: () => entries.size,
    live() {
      let count = 0
      for (const { phase } of entries.values()) if (phase === 'live') count += 1
      return count
    },
    starting() {
      for (const { phase } of entries.values()) {
        if (phase === 'requested' || phase === 'authenticating') return true
      }
      return false
    },
  }
}

/** The filters without those of `limit: 0`; if nothing remains, with the least the relay may take instead. */
function withoutLimitZero(entry: Entry, filters: readonly Filter[]): readonly Filter[] {
  if (!entry.withoutLimitZero) return filters
  const kept = filters.filter(({ limit }) => limit !== 0)
  return kept.length > 0 ? kept : filters.map((filter) => ({ ...filter, limit: 1 }))
}
