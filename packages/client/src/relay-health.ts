/**
 * How each relay of a session is doing, as far as this session can tell.
 * Never decides anything: it counts.
 */

import type { Millis, RelayUrl } from '@nip46/core'
import { remember } from './bounded-map.ts'
import { HEALTH_RELAYS } from './limits.ts'

/** One relay as this session has found it so far. */
export interface RelayHealth {
  readonly relay: RelayUrl
  /** It delivers now. */
  readonly live: boolean
  /** Since when it does, or does not; Unix time in milliseconds. */
  readonly since: Millis
  /** Why it does not, in its own words or the transport's. */
  readonly reason?: string | undefined
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
  read(relay: RelayUrl): RelayHealth
}

export function createHealthBook(now: () => Millis): HealthBook {
  const book = new Map<RelayUrl, RelayHealth>()
  const began = now()

  const read = (relay: RelayUrl): RelayHealth =>
    book.get(relay) ?? { relay, live: false, since: began, drops: 0, accepted: 0, refused: 0 }

  const write = (relay: RelayUrl, news: Partial<RelayHealth>): void =>
    remember(book, relay, Object.freeze({ ...read(relay), ...news }), HEALTH_RELAYS)

  return {
    live(relay, live, reason) {
      const { live: before, drops } = read(relay)
      const turn = live !== before && { since: now(), drops: drops + Number(before) }
      write(relay, { live, reason, ...turn })
    },
    accepted: (relay, roundTripMs) => write(relay, { accepted: read(relay).accepted + 1, roundTripMs }),
    refused: (relay) => write(relay, { refused: read(relay).refused + 1 }),
    read,
  }
}
