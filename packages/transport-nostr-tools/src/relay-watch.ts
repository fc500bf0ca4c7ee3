/**
 * One relay of one subscription: asked again after every loss, from where the last answer ended.
 * Never tells of an event or an end that belongs to a REQ before the current one.
 */

import type { Clock, RelayUrl, SubscribeRequest } from '@nip46/core'
import type { AbstractSimplePool } from 'nostr-tools/abstract-pool'
import type { AbstractRelay, Subscription as PoolSubscription } from 'nostr-tools/abstract-relay'
import { callHost } from './host.ts'
import { BACKOFF_BASE_MS, CATCH_UP_OVERLAP_SECONDS, EOSE_WAIT_MS, STEADY_MS } from './limits.ts'
import { copyFilter } from './own-copy.ts'
import type { PoolConnections } from './pool-connections.ts'
import { cleaned, describe, FINAL, NOT_ALLOWED, prefixOf } from './reason.ts'

export interface RelayWatch {
  readonly relay: RelayUrl
  /** Resolves when it is live or was refused; undefined when it is not on its way. */
  starting: Promise<void> | undefined
  end(): void
}

export interface RelayWatchHost {
  readonly pool: AbstractSimplePool
  readonly clock: Clock
  readonly connections: PoolConnections
  /** Those that have not ended; it is among them from the first moment. */
  readonly watches: Set<RelayWatch>
}

export function watchRelay(host: RelayWatchHost, request: SubscribeRequest, relay: RelayUrl): RelayWatch {
  const { pool, clock, watches } = host
  const { connect, authenticate, pause, jitter } = host.connections
  let subscription: PoolSubscription | undefined
  let ended = false
  let asked = false
  let authTried = false
  let withoutLimitZero = false
  let toldDown = false
  let lastSeen = 0
  let failures = 0
  let liveSince = Number.POSITIVE_INFINITY
  /** Counts REQs and their ends: the pool still reports EOSE, by its timer, for one that was closed. */
  let attempt = 0
  let settle = (): void => undefined

  const down = (reason: string, final: boolean): void => {
    settle()
    watch.starting = undefined
    if (clock.now() - liveSince >= STEADY_MS) failures = 0
    liveSince = Number.POSITIVE_INFINITY
    if (final) watch.end()
    const known = toldDown
    toldDown = true
    if (final || !known) callHost(() => request.onDown?.(relay, reason, final))
  }

  const again = async (atLeastMs: number): Promise<void> => {
    failures += 1
    await pause(atLeastMs + jitter(failures - 1))
    if (!ended) await open()
  }

  const filters = (): { kinds: number[]; since?: number; limit?: number }[] => {
    const from = Math.min(lastSeen, Math.floor(clock.now() / 1_000)) - CATCH_UP_OVERLAP_SECONDS
    const moved = request.filters.map((filter) => ({
      ...copyFilter(filter),
      ...(asked && filter.since !== undefined ? { since: Math.max(filter.since, from) } : {}),
    }))
    if (!withoutLimitZero) return moved
    const kept = moved.filter(({ limit }) => limit !== 0)
    return kept.length > 0 ? kept : moved.map((filter) => ({ ...filter, limit: 1 }))
  }

  const lost = (connection: AbstractRelay, reason: string): boolean =>
    !connection.connected || reason.startsWith('relay connection ')

  const refused = async (connection: AbstractRelay, reason: string): Promise<void> => {
    attempt += 1
    subscription = undefined
    if (lost(connection, reason)) {
      authTried = false
      down(`unreachable: ${reason}`, false)
      await again(0)
      return
    }
    const prefix = prefixOf(reason)
    const hasLimitZero = request.filters.some(({ limit }) => limit === 0)
    if (prefix === 'auth-required' && request.authenticate !== undefined && !authTried) {
      authTried = true
      const refusal = await authenticate(connection, relay, request.authenticate)
      if (ended) return
      if (refusal === undefined) await open()
      else down(refusal, true)
    } else if ((prefix === 'invalid' || prefix === 'unsupported') && hasLimitZero && !withoutLimitZero) {
      withoutLimitZero = true
      await open()
    } else if (FINAL.has(prefix)) {
      down(reason, true)
    } else {
      down(reason, false)
      await again(BACKOFF_BASE_MS)
    }
  }

  const open = async (): Promise<void> => {
    watch.starting ??= new Promise((resolve) => {
      settle = resolve
    })
    if (pool.allowConnectingToRelay?.(relay, ['read', filters()]) === false) {
      await pause(0)
      if (!ended) down(NOT_ALLOWED, true)
      return
    }
    let connection: AbstractRelay
    try {
      connection = await connect(relay)
    } catch (error) {
      if (ended) return
      down(`unreachable: ${describe(error)}`, false)
      await again(0)
      return
    }
    if (ended) return
    attempt += 1
    const mine = attempt
    const isPast = (): boolean => ended || mine !== attempt
    subscription = connection.subscribe(filters(), {
      eoseTimeout: EOSE_WAIT_MS,
      onevent: (event) => {
        if (isPast()) return
        lastSeen = Math.max(lastSeen, Math.min(event.created_at, Math.floor(clock.now() / 1_000)))
        callHost(() => request.onEvent(event, relay))
      },
      oneose: () => {
        if (isPast()) return
        settle()
        watch.starting = undefined
        toldDown = false
        liveSince = clock.now()
        callHost(() => request.onLive?.(relay))
      },
      onclose: (reason) => {
        if (!isPast()) void refused(connection, cleaned(String(reason)))
      },
    })
    asked = true
  }

  const watch: RelayWatch = {
    relay,
    starting: undefined,
    end() {
      if (ended) return
      ended = true
      settle()
      watches.delete(watch)
      subscription?.close()
    },
  }
  watches.add(watch)
  void open()
  return watch
}
