/**
 * How each relay of a session is doing, as far as the session's events tell.
 * Never decides anything: it counts.
 */

import type { Millis, RelayUrl, RequestId } from '@nip46/core'
import { remember } from './bounded-map.ts'
import { HEALTH_RELAYS } from './limits.ts'
import type { SessionEvent } from './session-event.ts'

/**
 * One relay as this session has found it so far: what its requests met with. How the connection itself is doing, the transport
 * knows; see `createPoolHealth` of `@nip46/transport-websocket`.
 */
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

/** Counts for one session. */
export interface RelayHealthBook {
  /** Bound: `onEvent: health.hear`. */
  readonly hear: (event: SessionEvent) => void
  /** Of these relays, in this order. */
  readonly read: (relays: readonly RelayUrl[]) => readonly RelayHealth[]
}

/**
 * Counts how the relays of one session are doing, from the first event on. `now` is in milliseconds of Unix time; the
 * host's if left out.
 *
 * ```ts
 * const health = createRelayHealth()
 * const session = await connect(uri, { crypto, transport, onEvent: health.hear })
 * console.log(health.read(session.relays))
 * ```
 */
export function createRelayHealth(now: () => Millis = Date.now): RelayHealthBook {
  const book = new Map<RelayUrl, RelayHealth>()
  const sentAt = new Map<RequestId, Millis>()
  const began = now()

  const get = (relay: RelayUrl): RelayHealth =>
    book.get(relay) ?? { relay, live: false, since: began, drops: 0, accepted: 0, refused: 0 }

  const set = (relay: RelayUrl, news: Partial<RelayHealth>): void =>
    remember(book, relay, Object.freeze({ ...get(relay), ...news }), HEALTH_RELAYS)

  return {
    hear(event) {
      if (event.type === 'relay') {
        const { relay, live, reason } = event
        const before = get(relay)
        const drops = before.live && !live ? before.drops + 1 : before.drops
        set(relay, { live, reason, drops, since: before.live === live ? before.since : now() })
      } else if (event.type === 'ended') {
        for (const { relay, live } of [...book.values()]) if (live) set(relay, { live: false, since: now() })
      } else if (event.type === 'refused') {
        set(event.relay, { refused: get(event.relay).refused + 1 })
      } else if (event.type === 'request' && event.stage === 'sent') {
        remember(sentAt, event.id, now(), HEALTH_RELAYS)
      } else if (event.type === 'request' && event.stage === 'accepted') {
        const { id, relay } = event
        const sent = sentAt.get(id)
        sentAt.delete(id)
        const roundTripMs = sent === undefined ? undefined : Math.max(0, now() - sent)
        set(relay, { accepted: get(relay).accepted + 1, ...(roundTripMs !== undefined && { roundTripMs }) })
      }
    },
    read: (relays) => relays.map(get),
  }
}
