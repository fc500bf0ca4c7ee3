/**
 * A nostr-tools SimplePool as the `Transport` of `@nip46/core`, for apps that have one already.
 * Never owns the pool: it uses its connections beside whatever else does, and comes back by itself after a loss.
 */

import {
  type Clock,
  type RandomBytes,
  type SubscribeRequest,
  type Subscription,
  type Transport,
  UsageError,
} from '@nip46/core'
import type { AbstractSimplePool } from 'nostr-tools/abstract-pool'
import { callHost, hostClock } from './host.ts'
import { createPoolConnections } from './pool-connections.ts'
import { createPublishing } from './publishing.ts'
import { type RelayWatch, watchRelay } from './relay-watch.ts'

/** What the transport takes from its host. All may be left out. */
export interface NostrToolsTransportOptions {
  /** Default: the host's time and timers. */
  readonly clock?: Clock
  /** For jitter. Default: the host's secure random bytes. */
  readonly random?: RandomBytes
}

/**
 * The pool must not reconnect by itself (`enableReconnect`): it would ask again from the newest date any event
 * claimed, even one in the future, and wait ten seconds first. Create it with `enablePing: true` if half-open
 * connections matter to you, and on Node below 22 give nostr-tools a WebSocket (`useWebSocketImplementation`).
 *
 * ```ts
 * const transport = createNostrToolsTransport(new SimplePool({ enablePing: true }))
 * ```
 *
 * What nostr-tools does not let us do: one connection authenticates one key only (NIP-42); frames have no size limit;
 * addresses cannot be checked when a name is resolved; events with a wrong signature, or that match no filter, are
 * dropped here already. Without `guardWebSocket`, one binary frame of a relay ends a Node process.
 * `@nip46/transport-websocket` has none of these limits.
 */
export function createNostrToolsTransport(
  pool: AbstractSimplePool,
  options: NostrToolsTransportOptions = {},
): Transport {
  if (pool.enableReconnect) {
    throw new UsageError(
      'give the transport a SimplePool without enableReconnect: it subscribes again by itself',
    )
  }
  const clock = options.clock ?? hostClock
  const randomBytes = options.random ?? ((length) => crypto.getRandomValues(new Uint8Array(length)))
  const connections = createPoolConnections(pool, clock, randomBytes)
  const watches = new Set<RelayWatch>()
  const publishing = createPublishing({
    pool,
    clock,
    connections,
    starting: (relay) => [...watches].filter((each) => each.relay === relay).map(({ starting }) => starting),
  })
  let closed = false

  return {
    publish: publishing.publish,
    subscribe(request: SubscribeRequest): Subscription {
      if (request.filters.length === 0) throw new UsageError('a subscription needs at least one filter')
      const unique = [...new Set(request.relays)]
      if (!closed) {
        const own = unique.map((relay) => watchRelay({ pool, clock, connections, watches }, request, relay))
        return {
          close() {
            for (const each of own) each.end()
          },
        }
      }
      let ended = false
      queueMicrotask(() => {
        if (ended) return
        for (const relay of unique) callHost(() => request.onDown?.(relay, 'closed', true))
      })
      return {
        close() {
          ended = true
        },
      }
    },
    async close() {
      if (closed) return
      closed = true
      for (const each of [...watches]) each.end()
      publishing.close()
      connections.close()
    },
  }
}
