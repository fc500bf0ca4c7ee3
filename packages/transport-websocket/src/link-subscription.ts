/**
 * A subscription as one link wants it: what to ask for, and for what after a gap.
 * Never verifies or remembers an event.
 */

import type { Clock, Filter, RelayUrl, Seconds, SubscribeRequest } from '@nip46/core'
import { requestFrame } from './frame.ts'
import type { LinkWant } from './link-wants.ts'

/** How far before the newest event seen we ask again after a gap, in seconds: clocks differ. */
export const CATCH_UP_OVERLAP_SECONDS = 60

export function linkSubscription(
  relay: RelayUrl,
  id: string,
  clock: Clock,
  { filters, authenticate, onEvent, onLive, onDown }: SubscribeRequest,
): LinkWant {
  /** Without those of `limit: 0` once the relay refused them. */
  let asked: readonly Filter[] = filters
  /** The greatest `created_at` seen, never later than its arrival. */
  let lastSeen: Seconds = 0
  /** The host knows that it is down. */
  let toldDown = false

  const seconds = (): Seconds => Math.floor(clock.now() / 1_000)

  return {
    kind: 'subscription',
    id,
    chars: 0,
    authenticate,
    frame() {
      // After a gap: from the newest event seen, less an overlap. Never back, and never into the future.
      const from = Math.min(lastSeen, seconds()) - CATCH_UP_OVERLAP_SECONDS
      return requestFrame(
        id,
        asked.map((filter) =>
          filter.since === undefined ? filter : { ...filter, since: Math.max(filter.since, from) },
        ),
      )
    },
    onLive() {
      toldDown = false
      onLive?.(relay)
    },
    onDown(reason, final) {
      const isNews = final || !toldDown
      toldDown = true
      if (isNews) onDown?.(relay, reason, final)
    },
    onEvent(event) {
      const { created_at } = event as { readonly created_at?: unknown }
      if (Number.isSafeInteger(created_at))
        lastSeen = Math.max(lastSeen, Math.min(created_at as number, seconds()))
      onEvent(event, relay)
    },
    /**
     * Some relays refuse `limit: 0`: the other filters then have to do, and if there are none, the same with the least that the
     * relay may take instead.
     */
    relax() {
      const kept = asked.filter(({ limit }) => limit !== 0)
      if (kept.length === asked.length) return false
      asked = kept.length > 0 ? kept : asked.map((filter) => ({ ...filter, limit: 1 }))
      return true
    },
  }
}
