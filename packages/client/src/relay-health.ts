/**
 * How each relay of a session is doing, as far as this session can tell.
 * Never decides anything: it counts.
 */

import type { Millis, RelayUrl } from '@nip46/core'
import { HEALTH_RELAYS } from './limits.ts'

/** One relay as this session has found it so far. */
export interface RelayHealth {
  readonly relay: RelayUrl
  /** It delivers now. */
  readonly live: boolean
  /** Since when it does, or does not; Unix time in milliseconds. */
  readonly since: Millis
  /** Why it does not, in its own words or the transport's. */
  readonly reason?: string
  /** Times it was lost after it had been live. */
  readonly drops: number
  /** Requests it was the first to take. */
  readonly accepted: number
  /** Requests it refused. */
  readonly refused: number
  /** From sending the last request that it was the first to take until it said so, in milliseconds. */
  readonly roundTripMs?: number
}

export interface HealthBook {
  live(relay: RelayUrl, live: boolean, reason?: string): void
  accepted(relay: RelayUrl, roundTripMs: number): void
  refused(relay: RelayUrl): void
  /** Of these relays, in this order. */
  read(relays: readonly RelayUrl[]): readonly RelayHealth[]
}

export function createHealthBook(now: () => Millis): HealthBook {
  const book = new Map<RelayUrl, RelayHealth>()
  const began = now()

  const get = (relay: RelayUrl): RelayHealth =>
    book.get(relay) ?? { relay, live: false, since: began, drops: 0, accepted: 0, refused: 0 }

  const set = (health: RelayHealth): void => {
    book.delete(health.relay)
    book.set(health.relay, Object.freeze(health))
    const [oldest] = book.keys()
    if (book.size > HEALTH_RELAYS && oldest !== undefined) book.delete(oldest)
  }

  return {
    live(relay, live, reason) {
      const { reason: _, ...before } = get(relay)
      const drops = before.live && !live ? before.drops + 1 : before.drops
      const since = before.live === live && book.has(relay) ? before.since : now()
      set({ ...before, live, since, drops, ...(reason !== undefined && { reason }) })
    },
    accepted(relay, roundTripMs) {
      const before = get(relay)
      set({ ...before, accepted: before.accepted + 1, roundTripMs })
    },
    refused(relay) {
      const before = get(relay)
      set({ ...before, refused: before.refused + 1 })
    },
    read: (relays) => relays.map(get),
  }
}
