/**
 * The REQ side of one relay link: what is asked for, whether it is live, and asking again after a gap.
 * Never verifies or remembers an event; never gives up on a relay unless the relay said so for good.
 */

import type { Filter, Seconds, SubscribeRequest } from '@nip46/core'
import { closeFrame, type RelayFrame, reasonPrefix, requestFrame } from './frame.ts'
import { arm, callHost } from './host.ts'
import {
  authenticate,
  enter,
  type LinkPort,
  newWant,
  slowDown,
  type Want,
  type WantPhase,
} from './link-want.ts'

/** A REQ that got no EOSE for so long counts as live: some relays never send one. In milliseconds. */
export const EOSE_WAIT_MS = 500
/** How far before the newest event seen we ask again after a gap, in seconds: clocks differ. */
export const CATCH_UP_OVERLAP_SECONDS = 60
/** Subscriptions of one link; the next one is refused with `too-many-subscriptions`. */
export const LINK_SUBSCRIPTIONS = 1_024
/** A subscription that lived so long has no failures behind it any more, in milliseconds. */
const STEADY_MS = 60_000
/** Prefixes of refusals that no waiting mends. */
const FINAL = ['invalid', 'unsupported', 'blocked', 'restricted', 'mute', 'pow']

/** A `SubscribeRequest` for the one relay of the link. */
export type LinkSubscribeRequest = Omit<SubscribeRequest, 'relays'>

export interface LinkSubscriptions {
  /** The function returned ends it. */
  add(request: LinkSubscribeRequest): () => void
  /** The connection is open: everything is asked for (again). */
  opened(): void
  /** The connection is gone, or was never made; `final` if this relay can never be reached. */
  lost(reason: string, final: boolean): void
  /** False if no subscription has this id. */
  take(frame: Extract<RelayFrame, { readonly subscription: string }>): boolean
  /** Forgets everything without telling anybody, and says CLOSE where the connection is open. */
  end(): void
  /** Subscriptions that want a connection. */
  wanted(): number
  /** Of these, how many are in one of these phases. */
  count(...phases: readonly WantPhase[]): number
}

interface Entry extends Want {
  readonly id: string
  readonly request: LinkSubscribeRequest
  /** Without those of `limit: 0` once the relay refused them. */
  filters: readonly Filter[]
  /** The greatest `created_at` seen, never later than its arrival. */
  lastSeen: Seconds
  /** The host knows that it is down. */
  toldDown: boolean
}

export function createLinkSubscriptions(port: LinkPort): LinkSubscriptions {
  const { relay, clock } = port
  const entries = new Map<string, Entry>()

  const seconds = (): Seconds => Math.floor(clock.now() / 1_000)

  const ask = (entry: Entry): void => {
    enter(port, entry, 'sent', EOSE_WAIT_MS, () => becomeLive(entry))
    // After a gap: from the newest event seen, less an overlap. Never back, and never into the future.
    const from = Math.min(entry.lastSeen, seconds()) - CATCH_UP_OVERLAP_SECONDS
    const filters = entry.filters.map((filter) =>
      filter.since === undefined ? filter : { ...filter, since: Math.max(filter.since, from) },
    )
    port.send(requestFrame(entry.id, filters))
  }

  const becomeLive = (entry: Entry): void => {
    enter(port, entry, 'live', STEADY_MS, () => {
      entry.slowdowns = 0
    })
    entry.toldDown = false
    callHost(() => entry.request.onLive?.(relay))
    port.onChange()
  }

  const remove = (entry: Entry): void => {
    enter(port, entry, 'over')
    entries.delete(entry.id)
  }

  const down = (entry: Entry, reason: string, final: boolean): void => {
    if (final) remove(entry)
    const known = entry.toldDown
    entry.toldDown = true
    if (final || !known) callHost(() => entry.request.onDown?.(relay, reason, final))
  }

  const refused = (entry: Entry, reason: string): void => {
    const prefix = reasonPrefix(reason)
    const again = (): void => ask(entry)
    const giveUp = (word: string): void => {
      down(entry, word, true)
      port.onChange()
    }
    if (prefix === 'auth-required') {
      authenticate(port, entry, entry.request.authenticate, reason, again, giveUp)
    } else if ((prefix === 'invalid' || prefix === 'unsupported') && dropLimitZero(entry)) {
      again()
    } else if (FINAL.includes(prefix)) {
      giveUp(reason)
    } else {
      // `rate-limited:`, `error:`, and whatever a relay says when it restarts.
      slowDown(port, entry, again)
      down(entry, reason, false)
    }
  }

  const end = (entry: Entry): void => {
    const onWire = entry.phase === 'sent' || entry.phase === 'live'
    remove(entry)
    if (onWire && port.isOpen()) port.send(closeFrame(entry.id))
  }

  return {
    add(request) {
      const entry: Entry = {
        ...newWant('down'),
        id: port.newId(),
        request,
        filters: request.filters,
        lastSeen: 0,
        toldDown: false,
      }
      if (entries.size >= LINK_SUBSCRIPTIONS) {
        arm(clock, entry, 0, () => down(entry, 'too-many-subscriptions', true))
        return () => enter(port, entry, 'over')
      }
      entries.set(entry.id, entry)
      if (port.isOpen()) ask(entry)
      return () => {
        if (entry.phase === 'over') return
        end(entry)
        port.onChange()
      }
    },
    opened() {
      for (const entry of entries.values()) ask(entry)
    },
    lost(reason, final) {
      for (const entry of [...entries.values()]) {
        if (entry.phase === 'over') continue
        enter(port, entry, 'down')
        entry.authTried = false
        down(entry, reason, final)
      }
    },
    take(frame) {
      const entry = entries.get(frame.subscription)
      if (entry === undefined) return false
      if (frame.type === 'event') {
        const { created_at } = frame.event as { readonly created_at?: unknown }
        if (Number.isSafeInteger(created_at))
          entry.lastSeen = Math.max(entry.lastSeen, Math.min(created_at as number, seconds()))
        callHost(() => entry.request.onEvent(frame.event, relay))
      } else if (frame.type === 'eose') {
        if (entry.phase === 'sent') becomeLive(entry)
      } else if (entry.phase === 'sent' || entry.phase === 'live') {
        refused(entry, frame.reason)
        port.onChange()
      }
      return true
    },
    end() {
      for (const entry of [...entries.values()]) end(entry)
    },
    wanted: () => entries.size,
    count: (...phases) => [...entries.values()].filter(({ phase }) => phases.includes(phase)).length,
  }
}

/**
 * Some relays refuse `limit: 0`: the other filters then have to do, and if there are none, the same with the least that the
 * relay may take instead. False if there was no such filter.
 */
function dropLimitZero(entry: Entry): boolean {
  const kept = entry.filters.filter(({ limit }) => limit !== 0)
  if (kept.length === entry.filters.length) return false
  entry.filters = kept.length > 0 ? kept : entry.filters.map((filter) => ({ ...filter, limit: 1 }))
  return true
}
