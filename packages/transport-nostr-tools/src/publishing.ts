/**
 * Publishing: one event to all its relays at once, each asked a few times, until one takes it or the time is up.
 * Never rejects, and never sends before a subscription that is on its way there had its chance to become live.
 */

import {
  type Authenticate,
  type Clock,
  err,
  ok,
  type RelayUrl,
  type SignedEvent,
  type Transport,
} from '@nip46/core'
import type { AbstractSimplePool } from 'nostr-tools/abstract-pool'
import type { AbstractRelay } from 'nostr-tools/abstract-relay'
import {
  BACKOFF_BASE_MS,
  LIVE_WAIT_MS,
  PUBLISH_MS,
  PUBLISH_SENDS,
  PUBLISHES,
  TIMER_MAX_MS,
} from './limits.ts'
import { copyEvent } from './own-copy.ts'
import type { PoolConnections } from './pool-connections.ts'
import { describe, NOT_ALLOWED, prefixOf } from './reason.ts'

export interface Publishing {
  readonly publish: Transport['publish']
  /** Every publish under way is refused as `closed`, and so is every later one. */
  close(): void
}

export interface PublishingHost {
  readonly pool: AbstractSimplePool
  readonly clock: Clock
  readonly connections: PoolConnections
  /** Of the subscriptions that are on their way on this relay. */
  readonly starting: (relay: RelayUrl) => readonly (Promise<void> | undefined)[]
}

export function createPublishing(host: PublishingHost): Publishing {
  const { pool, clock } = host
  const { connect, authenticate, pause, jitter } = host.connections
  /** Ends each publish under way. */
  const publishes = new Set<(reason: string) => void>()
  let closed = false

  /** One event on one relay. Says through `note` what the relay said last, in case time runs out. */
  const publishTo = async (
    relay: RelayUrl,
    event: SignedEvent,
    by: Authenticate | undefined,
    note: (reason: string) => void,
    isOver: () => boolean,
  ): Promise<string | undefined> => {
    if (pool.allowConnectingToRelay?.(relay, ['write', copyEvent(event)]) === false) return NOT_ALLOWED
    let authTried = false
    let failedDials = 0
    let reason = 'unreachable'
    for (let sends = 0, slowdowns = 0; sends < PUBLISH_SENDS && !isOver(); ) {
      const starting = host.starting(relay)
      if (starting.some((one) => one !== undefined)) {
        await Promise.race([Promise.all(starting), pause(LIVE_WAIT_MS)])
        if (isOver()) break
      }
      let connection: AbstractRelay
      try {
        connection = await connect(relay)
      } catch (error) {
        reason = `unreachable: ${describe(error)}`
        note(reason)
        failedDials += 1
        if (failedDials >= 2) break
        await pause(BACKOFF_BASE_MS)
        continue
      }
      if (isOver()) break
      try {
        sends += 1
        await connection.publish(copyEvent(event))
        return undefined
      } catch (error) {
        reason = describe(error)
      }
      const prefix = prefixOf(reason)
      if (prefix === 'duplicate') return undefined
      if (reason === 'publish timed out') return 'timeout'
      note(reason)
      if (prefix === 'auth-required' && by !== undefined && !authTried) {
        authTried = true
        const refusal = await authenticate(connection, relay, by)
        if (refusal !== undefined) return refusal
      } else if (prefix === 'rate-limited') {
        slowdowns += 1
        await pause(BACKOFF_BASE_MS + jitter(slowdowns - 1))
      } else if (reason.startsWith('relay connection ')) {
        reason = `unreachable: ${reason}`
        note(reason)
        authTried = false
        await pause(jitter(0))
      } else {
        break
      }
    }
    return reason
  }

  const publish: Transport['publish'] = (relays, event, options = {}) => {
    const { authenticate: by, timeoutMs = PUBLISH_MS, signal } = options
    const unique = [...new Set(relays)]
    const early = closed ? 'closed' : signal?.aborted === true ? 'aborted' : undefined
    const full = publishes.size >= PUBLISHES ? 'queue-full' : undefined
    const refusal = early ?? full
    if (refusal !== undefined)
      return Promise.resolve(err(unique.map((relay) => ({ relay, reason: refusal }))))

    return new Promise((resolve) => {
      const reasons = new Map<RelayUrl, string>()
      const waiting = new Set(unique)
      const finish = (): void => {
        clock.clearTimer(timer)
        publishes.delete(stop)
        signal?.removeEventListener('abort', onAbort)
        resolve(err(unique.map((relay) => ({ relay, reason: reasons.get(relay) ?? 'timeout' }))))
      }
      const stop = (reason: string): void => {
        if (reason !== 'timeout') for (const relay of waiting) reasons.set(relay, reason)
        waiting.clear()
        finish()
      }
      const onAbort = (): void => stop('aborted')
      const time = Number.isNaN(timeoutMs) ? PUBLISH_MS : Math.min(Math.max(0, timeoutMs), TIMER_MAX_MS)
      const timer = clock.setTimer(() => stop('timeout'), time)
      publishes.add(stop)
      signal?.addEventListener('abort', onAbort, { once: true })
      for (const relay of unique) {
        const note = (reason: string): void => {
          if (waiting.has(relay)) reasons.set(relay, reason)
        }
        void publishTo(relay, event, by, note, () => !waiting.has(relay)).then((reason) => {
          if (!waiting.delete(relay)) return
          if (reason !== undefined) {
            reasons.set(relay, reason)
          } else {
            // The other relays still get the event; only nobody waits for their word.
            signal?.removeEventListener('abort', onAbort)
            resolve(ok({ relay }))
          }
          if (waiting.size === 0) finish()
        })
      }
      if (waiting.size === 0) finish()
    })
  }

  return {
    publish,
    close() {
      closed = true
      for (const stop of [...publishes]) stop('closed')
    },
  }
}
