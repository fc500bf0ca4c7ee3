/**
 * A nostr-tools SimplePool as the `Transport` of `@nip46/core`, for apps that have one already.
 * Never owns the pool: it uses its connections beside whatever else does, and comes back by itself after a loss.
 */

import {
  type Authenticate,
  type Clock,
  err,
  type Filter,
  limits,
  ok,
  type PublishOptions,
  type RandomBytes,
  type RelayRefusal,
  type RelayUrl,
  type Result,
  type SignedEvent,
  type SubscribeRequest,
  type Subscription,
  type Transport,
  UsageError,
} from '@nip46/core'
import type { AbstractSimplePool } from 'nostr-tools/abstract-pool'
import type { AbstractRelay, Subscription as PoolSubscription } from 'nostr-tools/abstract-relay'
import type { VerifiedEvent } from 'nostr-tools/core'

/** How long a publish may take by default, in milliseconds. */
export const PUBLISH_MS = 10_000
/** Publishes at the same time; the next one is refused with `queue-full`. */
export const PUBLISHES = 1_024
/** Times one event is written to one relay for one publish. */
export const PUBLISH_SENDS = 4
/** How long an event waits for a subscription on the same relay to become live, in milliseconds. */
export const LIVE_WAIT_MS = 2_000
/** A REQ that got no EOSE for so long counts as live, in milliseconds. */
export const EOSE_WAIT_MS = 500
/** How long a relay may take to answer an AUTH, in milliseconds. */
export const AUTH_WAIT_MS = 5_000
/** The longest first wait before dialling again, and the longest of all, in milliseconds. */
export const BACKOFF_BASE_MS = 1_000
export const BACKOFF_CAP_MS = 30_000
/** How far before the newest event seen we ask again after a gap, in seconds. */
export const CATCH_UP_OVERLAP_SECONDS = 60
/** A subscription that lived so long has no failures behind it any more, in milliseconds. */
const STEADY_MS = 60_000
const TIMER_MAX_MS = 2_147_483_647
/** The reason given when the pool's `allowConnectingToRelay` says no. */
const NOT_ALLOWED = 'relay/not-allowed'

/** What the transport takes from its host. All may be left out. */
export interface NostrToolsTransportOptions {
  /** Default: the host's time and timers. */
  readonly clock?: Clock
  /** For jitter. Default: the host's secure random bytes. */
  readonly randomBytes?: RandomBytes
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
  const randomBytes = options.randomBytes ?? ((length) => crypto.getRandomValues(new Uint8Array(length)))
  const watches = new Set<Watch>()
  /** Ends each publish under way. */
  const publishes = new Set<(reason: string) => void>()
  /** Ends each pause under way. */
  const pauses = new Set<() => void>()
  /** Every relay that was dialled, with its connection once it is made. */
  const used = new Map<RelayUrl, AbstractRelay | undefined>()
  let closed = false

  const jitter = (failures: number): number => {
    const [byte = 0, next = 0] = randomBytes(2)
    return ((byte * 256 + next) / 65_536) * Math.min(BACKOFF_CAP_MS, BACKOFF_BASE_MS * 2 ** failures)
  }

  const pause = (ms: number): Promise<void> =>
    new Promise((resolve) => {
      const end = (): void => {
        clock.clearTimer(timer)
        pauses.delete(end)
        resolve()
      }
      const timer = clock.setTimer(end, ms)
      pauses.add(end)
    })

  const connect = async (relay: RelayUrl): Promise<AbstractRelay> => {
    if (!used.has(relay)) used.set(relay, undefined)
    const connection = await pool.ensureRelay(relay, { connectionTimeout: pool.maxWaitForConnection })
    used.set(relay, connection)
    return connection
  }

  /** Resolves with the reason if the relay or `by` refused. A relay that answers no AUTH has not refused. */
  const authenticate = (
    connection: AbstractRelay,
    relay: RelayUrl,
    by: Authenticate,
  ): Promise<string | undefined> =>
    new Promise((resolve) => {
      // The pool never settles its promise when signing fails or no OK comes.
      void pause(AUTH_WAIT_MS).then(() => resolve(undefined))
      const sign = async (template: { readonly tags: readonly string[][] }): Promise<VerifiedEvent> => {
        const challenge = template.tags.find(([name]) => name === 'challenge')?.[1] ?? ''
        const event = callHost(() => by(relay, challenge))
        if (event !== undefined) return copy(event) as VerifiedEvent
        resolve('auth-required: we do not authenticate to this relay')
        throw new Error('not authenticating to this relay')
      }
      connection.auth(sign).then(
        () => resolve(undefined),
        (error) => resolve(describe(error)),
      )
    })

  // -- subscribing ---------------------------------------------------------------------------------

  const watchRelay = (request: SubscribeRequest, relay: RelayUrl): Watch => {
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

    const watch: Watch = {
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

  // -- publishing ----------------------------------------------------------------------------------

  /** One event on one relay. Says through `note` what the relay said last, in case time runs out. */
  const publishTo = async (
    relay: RelayUrl,
    event: SignedEvent,
    by: Authenticate | undefined,
    note: (reason: string) => void,
    isOver: () => boolean,
  ): Promise<string | undefined> => {
    if (pool.allowConnectingToRelay?.(relay, ['write', copy(event)]) === false) return NOT_ALLOWED
    let authTried = false
    let failedDials = 0
    let reason = 'unreachable'
    for (let sends = 0, slowdowns = 0; sends < PUBLISH_SENDS && !isOver(); ) {
      const starting = [...watches].filter((watch) => watch.relay === relay).map((watch) => watch.starting)
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
        await connection.publish(copy(event))
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

  const publish = (
    relays: readonly RelayUrl[],
    event: SignedEvent,
    { authenticate: by, timeoutMs = PUBLISH_MS, signal }: PublishOptions = {},
  ): Promise<Result<{ readonly relay: RelayUrl }, readonly RelayRefusal[]>> => {
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
    subscribe(request: SubscribeRequest): Subscription {
      if (request.filters.length === 0) throw new UsageError('a subscription needs at least one filter')
      const unique = [...new Set(request.relays)]
      if (!closed) {
        const own = unique.map((relay) => watchRelay(request, relay))
        return {
          close() {
            for (const watch of own) watch.end()
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
    /** Closes those connections that nothing else in the pool subscribes on; the pool itself stays usable. */
    async close() {
      if (closed) return
      closed = true
      for (const watch of [...watches]) watch.end()
      for (const stop of [...publishes]) stop('closed')
      for (const end of [...pauses]) end()
      for (const [relay, connection] of used) {
        if (connection === undefined || connection.openSubs.size === 0) pool.close([relay])
      }
      used.clear()
    },
  }
}

// -- helpers -------------------------------------------------------------------------------------

/** One relay of one subscription. */
interface Watch {
  readonly relay: RelayUrl
  /** Resolves when it is live or was refused; undefined when it is not on its way. */
  starting: Promise<void> | undefined
  end(): void
}

const hostClock: Clock = {
  now: () => Date.now(),
  setTimer: (run, afterMs) => setTimeout(run, afterMs),
  clearTimer: (handle) => clearTimeout(handle as ReturnType<typeof setTimeout>),
}

/** Runs a callback of the host. If it throws, the transport goes on and the error surfaces as uncaught. */
function callHost<T>(run: () => T): T | undefined {
  try {
    return run()
  } catch (error) {
    queueMicrotask(() => {
      throw error
    })
    return undefined
  }
}

/** Prefixes of a CLOSED that will not change by asking again. */
const FINAL: ReadonlySet<string> = new Set([
  'auth-required',
  'blocked',
  'invalid',
  'mute',
  'pow',
  'restricted',
  'unsupported',
])

function prefixOf(reason: string): string {
  return /^([a-z-]{1,32}):/.exec(reason)?.[1] ?? ''
}

/** nostr-tools rejects with errors and with strings. Control and direction characters of a relay are not passed on. */
function describe(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error)
  return cleaned(text === '' ? 'refused' : text)
}

function cleaned(text: string): string {
  return text.slice(0, limits.ERROR_CHARS).replace(/[\p{Cc}\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu, ' ')
}

/** The seven members of NIP-01 alone, in arrays that may be changed: nostr-tools writes whatever it is given. */
function copy(event: SignedEvent): SignedEvent & { tags: string[][] } {
  const { id, pubkey, created_at, kind, tags, content, sig } = event
  return { id, pubkey, created_at, kind, tags: tags.map((tag) => [...tag]), content, sig }
}

interface OwnFilter extends Filter {
  kinds: number[]
  '#p'?: string[]
  '#k'?: string[]
  authors?: string[]
}

function copyFilter(filter: Filter): OwnFilter {
  const { kinds, '#p': p, '#k': k, authors, ...rest } = filter
  return {
    kinds: [...kinds],
    ...(p === undefined ? {} : { '#p': [...p] }),
    ...(k === undefined ? {} : { '#k': [...k] }),
    ...(authors === undefined ? {} : { authors: [...authors] }),
    ...rest,
  }
}
