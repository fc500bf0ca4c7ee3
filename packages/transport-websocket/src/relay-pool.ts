/**
 * Any number of relays as one `Transport`: a link to each, opened when wanted and closed when not.
 * Never verifies or deduplicates events (their ids are only a relay's claim), and never rejects.
 */

import {
  bytesToHex,
  type Clock,
  err,
  isForbiddenAddress,
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
import { signedFrame } from './frame.ts'
import { callHost, hostClock, hostRandomBytes } from './host.ts'
import { linkSubscription } from './link-subscription.ts'
import { createRelayLink, type RelayFact, type RelayLink } from './relay-link.ts'
import type { WebSocketConstructor } from './socket.ts'

/** Relays a pool talks to at the same time: the longest unused idle one makes room for another. */
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
  readonly random?: RandomBytes
  /**
   * Whether `host`, which is or resolved to the address `ip`, may be dialled. Default: no loopback, private or other special address,
   * except that a URL which itself names a loopback host (`ws://localhost`, `ws://127.0.0.1`) may lead to loopback.
   *
   * On Node it is asked with every address at every dial. Elsewhere, and with a `WebSocket` of yours, it is asked only with addresses
   * that stand in URLs: standard sockets resolve names by themselves.
   */
  readonly allowAddress?: (host: string, ip: string) => boolean
  /** What happens to the relays, for health and counters: see {@link RelayFact}. `createPoolHealth` adds it up. */
  readonly onFact?: (relay: RelayUrl, fact: RelayFact, detail: string) => void
}

/** One WebSocket for each relay, shared by all sessions that are given the pool. Whoever made it closes it. */
export interface RelayPool extends Transport {
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
  const {
    clock = hostClock,
    random: randomBytes = hostRandomBytes,
    WebSocket,
    allowAddress,
    onFact,
  } = options

  /** The longest unused first. */
  const links = new Map<RelayUrl, RelayLink>()
  let isClosed = false
  let closing: Promise<unknown> | undefined

  const tell = (relay: RelayUrl, fact: RelayFact, detail = ''): void => {
    // A link that was refused at once is nobody's news.
    if (fact === 'closed' && !links.delete(relay)) return
    callHost(() => onFact?.(relay, fact, detail))
  }

  /** A link that refuses everything if there is no room for one, or no pool any more. */
  const linkTo = (relay: RelayUrl): RelayLink => {
    const known = links.get(relay)
    const link =
      known ??
      createRelayLink({
        relay,
        openSocket: WebSocket === undefined ? openSocket : (url) => new WebSocket(url),
        clock,
        randomBytes,
        allowAddress:
          allowAddress === undefined
            ? addressRule(relay)
            : (host, ip) => callHost(() => allowAddress(host, ip)) === true,
        tell: (fact, detail) => tell(relay, fact, detail),
      })
    links.delete(relay)
    const idle = links.size < POOL_LINKS ? undefined : [...links.values()].find((one) => one.size() === 0)
    void idle?.close()
    if (isClosed) void link.close()
    else if (links.size >= POOL_LINKS) void link.close('too-many-relays')
    else links.set(relay, link)
    return link
  }

  const publish = (
    relays: readonly RelayUrl[],
    event: SignedEvent,
    { authenticate, timeoutMs = PUBLISH_MS, signal }: PublishOptions = {},
  ): Promise<Result<{ readonly relay: RelayUrl }, readonly RelayRefusal[]>> =>
    new Promise((resolve) => {
      const frame = signedFrame('EVENT', event)
      /** By relay. One that is never asked keeps this. */
      const reasons = new Map(relays.map((relay) => [relay, 'aborted']))
      /** Relays whose word is awaited, and how to give them up. */
      const waiting = new Map<RelayUrl, () => string | undefined>()

      const finishIfDone = (): void => {
        if (waiting.size > 0) return
        clock.clearTimer(timer)
        signal?.removeEventListener('abort', onAbort)
        // After a success this changes nothing: a promise settles once.
        resolve(err([...reasons].map(([relay, reason]) => ({ relay, reason }))))
      }
      /** Gives up every relay that has not answered. Default: with what is known of each. */
      const stop = (reason?: string): void => {
        for (const [relay, cancel] of waiting) {
          const last = cancel()
          reasons.set(relay, reason ?? last ?? 'timeout')
        }
        waiting.clear()
        finishIfDone()
      }
      const onAbort = (): void => stop('aborted')
      const timer = clock.setTimer(() => stop(), timeoutMs <= TIMER_MAX_MS ? timeoutMs : PUBLISH_MS)

      signal?.addEventListener('abort', onAbort)
      for (const relay of signal?.aborted === true ? [] : reasons.keys()) {
        const cancel = linkTo(relay).add({
          kind: 'event',
          id: event.id,
          chars: frame.length,
          authenticate,
          frame: () => frame,
          onLive() {
            waiting.delete(relay)
            // The other relays still get the event; only nobody waits for their word.
            signal?.removeEventListener('abort', onAbort)
            resolve(ok({ relay }))
            finishIfDone()
            // Last: whoever hears it may close the pool, which fails the others.
            tell(relay, 'accepted')
          },
          onDown(reason, final) {
            if (!final) return
            waiting.delete(relay)
            reasons.set(relay, reason || 'refused')
            tell(relay, 'refused', reason)
            finishIfDone()
          },
        })
        waiting.set(relay, cancel)
      }
      finishIfDone()
    })

  const subscribe = (request: SubscribeRequest): Subscription => {
    if (request.filters.length === 0) throw new UsageError('a subscription needs at least one filter')
    const ends = [...new Set(request.relays)].map((relay) =>
      linkTo(relay).add(linkSubscription(relay, bytesToHex(randomBytes(8)), clock, request)),
    )
    return {
      close() {
        for (const end of ends) end()
      },
    }
  }

  return {
    publish,
    subscribe,
    wake() {
      for (const link of links.values()) link.wake()
    },
    async close() {
      isClosed = true
      closing ??= Promise.all([...links.values()].map((link) => link.close()))
      await closing
    },
  }
}

// -- helpers -------------------------------------------------------------------------------------

function addressRule(relay: RelayUrl): (host: string, ip: string) => boolean {
  const host = relayHost(relay)
  const allowLoopback = isForbiddenAddress(host) && !isForbiddenAddress(host, { allowLoopback: true })
  return (_, ip) => !isForbiddenAddress(ip, { allowLoopback })
}
