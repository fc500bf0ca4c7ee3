/**
 * How a pool's link to each relay is doing, added up from what the pool tells (`onFact`).
 * Never acts on anything: it is for people who look, and for checks of health.
 */

import type { Clock, Millis, RelayUrl } from '@nip46/core'
import type { FrameDrop } from './frame.ts'
import { hostClock } from './host.ts'
import type { RelayFact } from './relay-link.ts'

/** Refusals of `created_at` within {@link SKEW_WINDOW_MS} that make `clockSkew` true. */
export const SKEW_REFUSALS = 3
export const SKEW_WINDOW_MS = 300_000

/**
 * How the link to one relay is doing. Texts are the relay's own: show them, never act on them. What the requests of one
 * session find of a relay is the `RelayHealth` of `@nip46/client`.
 */
export interface LinkHealth {
  readonly relay: RelayUrl
  readonly state: 'connecting' | 'open' | 'down'
  /** When it came into that state. */
  readonly since: Millis
  /** Losses and failed dials since it was last open. */
  readonly failures: number
  readonly lastFailure: string | undefined
  readonly lastNotice: string | undefined
  /** Frames dropped since there is a link to the relay, by code. */
  readonly drops: Readonly<Partial<Record<FrameDrop, number>>>
  /** The relay keeps refusing the time of our events: one of the two clocks is wrong. */
  readonly clockSkew: boolean
}

/** Made by {@link createPoolHealth}. */
export interface PoolHealth {
  /** Bound: `onFact: health.hear`. */
  readonly hear: (relay: RelayUrl, fact: RelayFact, detail: string) => void
  /** Of the relays that the pool has a link to; one of which nothing is wanted for half a minute is let go. */
  readonly read: () => readonly LinkHealth[]
}

interface Entry extends Omit<LinkHealth, 'clockSkew'> {
  /** When the relay refused the time of our events, the last few since it took one. */
  readonly refusedAt: readonly Millis[]
}

/**
 * ```ts
 * const health = createPoolHealth()
 * const pool = createRelayPool({ onFact: health.hear })
 * console.log(health.read()) // [] until something is published or subscribed to
 * ```
 */
export function createPoolHealth(clock: Pick<Clock, 'now'> = hostClock): PoolHealth {
  const book = new Map<RelayUrl, Entry>()

  const news = (entry: Entry, fact: RelayFact, detail: string): Partial<Entry> => {
    const now = clock.now()
    const { failures, drops, refusedAt } = entry
    if (fact === 'connecting') return { state: fact, since: now }
    if (fact === 'open') return { state: fact, since: now, failures: 0 }
    if (fact === 'down') return { state: fact, since: now, failures: failures + 1, lastFailure: detail }
    if (fact === 'accepted') return { refusedAt: [] }
    if (fact === 'notice') return { lastNotice: detail }
    if (fact === 'dropped') {
      const code = detail as FrameDrop
      return { drops: { ...drops, [code]: (drops[code] ?? 0) + 1 } }
    }
    return fact === 'refused' && /^invalid:.*(?:created_at|timestamp)/i.test(detail)
      ? { refusedAt: [...refusedAt, now].slice(-SKEW_REFUSALS) }
      : {}
  }

  return {
    hear(relay, fact, detail) {
      const fresh: Entry = {
        relay,
        state: 'connecting',
        since: clock.now(),
        failures: 0,
        lastFailure: undefined,
        lastNotice: undefined,
        drops: {},
        refusedAt: [],
      }
      const entry = book.get(relay) ?? fresh
      // Of nearly every event, and no news.
      if (fact === 'accepted' && entry.refusedAt.length === 0) return
      if (fact === 'closed') book.delete(relay)
      else if (fact === 'connecting' || book.has(relay))
        book.set(relay, { ...entry, ...news(entry, fact, detail) })
    },
    read: () =>
      [...book.values()].map(({ refusedAt, ...health }) => {
        // What was refused at a time that is yet to come was refused by a clock that has been set since.
        const now = clock.now()
        const recent = refusedAt.filter((at) => at > now - SKEW_WINDOW_MS && at <= now)
        return { ...health, clockSkew: recent.length >= SKEW_REFUSALS }
      }),
  }
}
