/**
 * Any number of relays as one `Transport`: a link to each, opened when wanted and closed when not.
 * Never verifies or deduplicates events (their ids are only a relay's claim), and never rejects.
 */

import {
  type Clock,
  err,
  isForbiddenAddress,
  type Millis,
  ok,
  type PublishOptions,
  type RandomBytes,
  type RelayRefusal,
  type RelayUrl,
  type Result,
  relayHost,
  type SignedEvent,
  type SubscribeRequest,
  type Subscription,
  type Transport,
  UsageError,
} from '@nip46/core'
import { openSocket } from '#socket'
import { type FrameDrop, signedFrame } from './frame.ts'
import { callHost, hostClock, hostRandomBytes } from './host.ts'
import { createRelayLink, type RelayHealth, type RelayLink } from './relay-link.ts'
import type { WebSocketConstructor } from './socket.ts'
import { openSocketWith } from './socket-global.ts'

/** Relays a pool talks to at the same time, by default. */
export const POOL_LINKS = 256
/** How long a publish may take by default, in milliseconds. */
export const PUBLISH_MS = 10_000
/** The longest time a timer of a host can be set to, in milliseconds. */
const TIMER_MAX_MS = 2_147_483_647

/** What a pool takes from its host, and how far it goes. All may be left out. */
export interface RelayPoolOptions {
  /** A standard WebSocket constructor. Default: the `ws` package on Node, the global WebSocket elsewhere. */
  readonly WebSocket?: WebSocketConstructor
  /** Default: the host's time and timers. */
  readonly clock?: Clock
  /** For subscription ids and jitter. Default: the host's secure random bytes. */
  readonly randomBytes?: RandomBytes
  /** Relays at the same time: the longest unused idle one makes room. Default {@link POOL_LINKS}. */
  readonly maxRelays?: number
  /**
   * Dial loopback, private and other special addresses too. Default false: such an address is dialled only if it is
   * loopback and the URL itself names a loopback host (`ws://localhost`, `ws://127.0.0.1`).
   */
  readonly allowPrivate?: boolean
  /**
   * Decides instead of {@link RelayPoolOptions.allowPrivate}: whether `host`, which is or resolved to the address
   * `ip`, may be dialled. On Node it is asked with every address at every dial. Elsewhere, and with a `WebSocket` of
   * yours, it is asked only with addresses that stand in URLs: standard sockets resolve names by themselves.
   */
  readonly allowAddress?: (host: string, ip: string) => boolean
  /** A frame of a relay was dropped: for counters. */
  readonly onDrop?: (relay: RelayUrl, code: FrameDrop) => void
  /**
   * A connection was made, and the relay said what time it is (the `Date` of its handshake): Unix milliseconds, to the second, a claim
   * of the relay's. Only on Node, without a `WebSocket` of yours, and of relays that say it.
   */
  readonly onDate?: (relay: RelayUrl, date: Millis) => void
}

export interface RelayPool extends Transport {
  /** How each relay in use is doing. */
  health(): readonly RelayHealth[]
  /** The network is back or the machine woke up: dial every lost relay now, and see whether the others live. */
  wake(): void
}

/**
 * A pool of relay links.
 *
 * ```ts
 * const pool = createRelayPool()
 * const subscription = pool.subscribe({ relays, filters, onEvent })
 * const published = await pool.publish(relays, event)
 * if (!published.ok) for (const { relay, reason } of published.error) report(relay, reason)
 * await pool.close()
 * ```
 *
 * Reasons of a refusal are the relay's own text, or one of ours: `timeout`, `aborted`, `closed`, `queue-full`,
 * `too-many-relays`, `relay/forbidden-address`, and texts that begin with `unreachable`.
 */
export function createRelayPool(options: RelayPoolOptions = {}): RelayPool {
  const { clock = hostClock, randomBytes = hostRandomBytes, maxRelays = POOL_LINKS, onDrop, onDate } = options
  if (!Number.isSafeInteger(maxRelays) || maxRelays < 1) {
    throw new UsageError('maxRelays is a whole number of relays, from 1')
  }
  const open = options.WebSocket === undefined ? openSocket : openSocketWith(options.WebSocket)

  /** The longest unused first. */
  const links = new Map<RelayUrl, RelayLink>()
  let closing: Promise<void> | undefined

  /** Why {@link linkTo} gave none. */
  const withoutLink = (): string => (closing === undefined ? 'too-many-relays' : 'closed')

  const linkTo = (relay: RelayUrl): RelayLink | undefined => {
    if (closing !== undefined) return undefined
    const known = links.get(relay)
    if (known !== undefined) {
      links.delete(relay)
      links.set(relay, known)
      return known
    }
    if (links.size >= maxRelays) {
      const idle = [...links.values()].find((link) => !link.busy())
      if (idle === undefined) return undefined
      links.delete(idle.relay)
      void idle.close()
    }
    const link = createRelayLink({
      relay,
      openSocket: open,
      clock,
      randomBytes,
      allowAddress: addressRule(relay, options),
      onDrop: (code) => onDrop?.(relay, code),
      onDate: (date) => onDate?.(relay, date),
      onIdle() {
        if (links.get(relay) === link) links.delete(relay)
      },
    })
    links.set(relay, link)
    return link
  }

  const publish = (
    relays: readonly RelayUrl[],
    event: SignedEvent,
    { authenticate, timeoutMs = PUBLISH_MS, signal }: PublishOptions = {},
  ): Promise<Result<{ readonly relay: RelayUrl }, readonly RelayRefusal[]>> => {
    const unique = [...new Set(relays)]
    return new Promise((resolve) => {
      const frame = signedFrame('EVENT', event)
      const reasons = new Map<RelayUrl, string>()
      /** Relays whose word is awaited, and how to give them up. */
      const waiting = new Map<RelayUrl, () => string | undefined>()

      const finishIfDone = (): void => {
        if (waiting.size > 0) return
        clock.clearTimer(timer)
        signal?.removeEventListener('abort', onAbort)
        // After a success this changes nothing: a promise settles once. A relay that was never asked has no reason.
        resolve(err(unique.map((relay) => ({ relay, reason: reasons.get(relay) ?? 'aborted' }))))
      }
      /** Gives up every relay that has not answered. */
      const stop = (reason: string): void => {
        for (const [relay, cancel] of waiting) {
          const last = cancel()
          reasons.set(relay, reason === 'timeout' ? (last ?? reason) : reason)
        }
        waiting.clear()
        finishIfDone()
      }
      const onAbort = (): void => stop('aborted')
      const time = Number.isNaN(timeoutMs) ? PUBLISH_MS : Math.min(Math.max(0, timeoutMs), TIMER_MAX_MS)
      const timer = clock.setTimer(() => stop('timeout'), time)

      signal?.addEventListener('abort', onAbort, { once: true })
      for (const relay of signal?.aborted === true ? [] : unique) {
        const cancel = linkTo(relay)?.publish({
          id: event.id,
          frame,
          authenticate,
          onSettled(refusal) {
            waiting.delete(relay)
            if (refusal === undefined) {
              // The other relays still get the event; only nobody waits for their word.
              signal?.removeEventListener('abort', onAbort)
              resolve(ok({ relay }))
            } else {
              reasons.set(relay, refusal)
            }
            finishIfDone()
          },
        })
        if (cancel === undefined) reasons.set(relay, withoutLink())
        else waiting.set(relay, cancel)
      }
      finishIfDone()
    })
  }

  const subscribe = (request: SubscribeRequest): Subscription => {
    if (request.filters.length === 0) throw new UsageError('a subscription needs at least one filter')
    const { relays, ...rest } = request
    const closers = [...new Set(relays)].map((relay) => {
      const link = linkTo(relay)
      if (link !== undefined) return link.subscribe(rest)
      const reason = withoutLink()
      const timer = clock.setTimer(() => callHost(() => request.onDown?.(relay, reason, true)), 0)
      return () => clock.clearTimer(timer)
    })
    return {
      close() {
        for (const close of closers) close()
      },
    }
  }

  return {
    publish,
    subscribe,
    health: () => [...links.values()].map((link) => link.health()),
    wake() {
      for (const link of links.values()) link.wake()
    },
    close() {
      closing ??= Promise.all([...links.values()].map((link) => link.close())).then(() => links.clear())
      return closing
    },
  }
}

// -- helpers -------------------------------------------------------------------------------------

function addressRule(relay: RelayUrl, options: RelayPoolOptions): (host: string, ip: string) => boolean {
  if (options.allowAddress !== undefined) {
    const { allowAddress } = options
    return (host, ip) => callHost(() => allowAddress(host, ip)) === true
  }
  if (options.allowPrivate === true) return () => true
  const host = relayHost(relay)
  const allowLoopback = isForbiddenAddress(host) && !isForbiddenAddress(host, { allowLoopback: true })
  return (_, ip) => !isForbiddenAddress(ip, { allowLoopback })
}
