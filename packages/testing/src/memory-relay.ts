/**
 * Any number of relays in one process, as a Transport: deliveries in microtasks or on a given clock, faults by
 * a seeded generator, relays that go down, refuse, hang, swallow or demand AUTH on command.
 * Never opens a socket, and never verifies an event unless given a crypto.
 */

import {
  AUTH_KIND,
  type Authenticate,
  type Clock,
  type Crypto,
  type Filter,
  parseSignedEvent,
  type RelayRefusal,
  type RelayUrl,
  type Result,
  type SignedEvent,
  type SubscribeRequest,
  type Subscription,
  type Transport,
} from '@nip46/core'
import { systemClock } from './fake-clock.ts'
import { seededRandom } from './seeded-random.ts'

/** What can go wrong with one event on its way. Probabilities from 0 to 1, all 0 by default. */
export interface Faults {
  /** A published event never arrives: no OK, no delivery. */
  readonly losePublish?: number
  /** The event arrives and is delivered, and its OK is lost. */
  readonly loseOk?: number
  /** One delivery to one subscription is lost. */
  readonly drop?: number
  /** One delivery happens twice, the second after up to {@link Faults.maxDelayMs}. */
  readonly double?: number
  /** One delivery is late by 1 ms to {@link Faults.maxDelayMs}. */
  readonly delay?: number
  /** One delivery waits until the next one to its subscription has overtaken it, or {@link Faults.maxDelayMs}. */
  readonly reorder?: number
  /** Longest extra delay, in milliseconds. Default 2,000. */
  readonly maxDelayMs?: number
}

export interface MemoryRelayOptions {
  /** Default: the host's. With a fake clock, whatever is not immediate waits for it to advance. */
  readonly clock?: Clock
  /** Of the generator that decides the faults. Default 1. */
  readonly seed?: number | string
  readonly faults?: Faults
  /** One way, in milliseconds. Default 0: in a microtask, never inside the call that caused it. */
  readonly latencyMs?: number
  /** From `up(url)` until subscriptions are back, in milliseconds. Default 0. */
  readonly reconnectMs?: number
  /** Keep events for `since`, the newest `events` of each relay for `seconds`. Default: nothing is kept. */
  readonly retention?: { readonly events: number; readonly seconds: number }
  /** If given, relays refuse events with a wrong id or signature, as good relays do. */
  readonly crypto?: Pick<Crypto, 'eventId' | 'verify'>
  /** Sees each event a relay takes in. */
  readonly onPublish?: (event: SignedEvent, relay: RelayUrl) => void
}

export interface MemoryRelayStats {
  /** Events that relays took in, once for each relay. */
  readonly accepted: number
  readonly refused: number
  readonly delivered: number
  readonly dropped: number
  readonly doubled: number
  readonly delayed: number
  readonly reordered: number
  readonly lostPublishes: number
  readonly lostOks: number
}

export interface MemoryRelay extends Transport {
  /** A transport of its own over the same relays, for one party: closing it leaves the others alone. */
  connect(): Transport
  /** Connections drop and no new one succeeds until {@link MemoryRelay.up}. */
  down(url: string): void
  /** Ends `down`, `refuse`, `hang` and `swallow`. Subscriptions come back and catch up. */
  up(url: string): void
  /** Every EVENT is answered with OK false and this text. Subscriptions live on. */
  refuse(url: string, reason: string): void
  /** Connections stay open; nothing is answered or delivered. */
  hang(url: string): void
  /** Every EVENT is answered with OK true and delivered to nobody. */
  swallow(url: string): void
  /** REQ and EVENT are refused until the caller's `authenticate` has answered `challenge`. */
  demandAuth(url: string, challenge?: string): void
  /** Hands any value to every subscription on the relay, past its filters, as a lying relay would. */
  inject(url: string, value: unknown): void
  /** Replaces the faults of all relays, for all later events. */
  setFaults(faults: Faults): void
  stats(): MemoryRelayStats
  /** Open subscriptions of all transports: zero after a clean close. */
  readonly subscriptions: number
}

/** Filters with a `since` are sent again after a gap with one this much before the gap began, in seconds. */
export const CATCH_UP_OVERLAP_SECONDS = 30

/** As a real transport: a relay that does not answer a REQ counts as live after this long, in milliseconds. */
const EOSE_PATIENCE_MS = 500
const PUBLISH_TIMEOUT_MS = 10_000
const MAX_DELAY_MS = 2_000

type Mode =
  | { readonly type: 'well' | 'down' | 'hang' | 'swallow' }
  | { readonly type: 'refuse'; readonly reason: string }

interface RelayState {
  mode: Mode
  challenge: string | undefined
  stored: SignedEvent[]
  readonly links: Set<Link>
}

/** One subscription on one relay. */
interface Link {
  readonly relay: RelayState
  /** As the subscriber wrote it. */
  readonly url: RelayUrl
  readonly request: SubscribeRequest
  /** Raised when the connection drops: what was under way is lost with it. */
  connection: number
  live: boolean
  closed: boolean
  /** When it was last known to deliver, in seconds. */
  lostAt: number | undefined
  held: (() => void)[]
}

type Counters = { -readonly [Name in keyof MemoryRelayStats]: number }

/**
 * Relays in memory. Every URL exists and is well until told otherwise. The object is itself a transport, and
 * makes more with `connect()`.
 *
 * ```ts
 * const clock = createFakeClock()
 * const relays = createMemoryRelay({ clock, seed: 7, faults: { drop: 0.2, delay: 0.5 } })
 * relays.down('wss://one.example')
 * await clock.run(5_000)
 * ```
 */
export function createMemoryRelay(options: MemoryRelayOptions = {}): MemoryRelay {
  const clock = options.clock ?? systemClock
  const random = seededRandom(options.seed ?? 1)
  const latencyMs = options.latencyMs ?? 0
  const relays = new Map<string, RelayState>()
  const timers = new Set<unknown>()
  const transports = new Set<Transport>()
  let faults = options.faults ?? {}
  const counters: Counters = {
    accepted: 0,
    refused: 0,
    delivered: 0,
    dropped: 0,
    doubled: 0,
    delayed: 0,
    reordered: 0,
    lostPublishes: 0,
    lostOks: 0,
  }

  const relayAt = (url: string): RelayState => {
    const key = url.replace(/\/$/, '')
    const known = relays.get(key)
    if (known !== undefined) return known
    const fresh: RelayState = {
      mode: { type: 'well' },
      challenge: undefined,
      stored: [],
      links: new Set(),
    }
    relays.set(key, fresh)
    return fresh
  }

  const later = (ms: number, run: () => void): void => {
    if (ms <= 0) {
      queueMicrotask(run)
      return
    }
    const handle = clock.setTimer(() => {
      timers.delete(handle)
      run()
    }, ms)
    timers.add(handle)
  }

  const nowSeconds = (): number => Math.floor(clock.now() / 1_000)
  const happens = (probability: number | undefined): boolean => random.chance(probability ?? 0)
  const someDelay = (): number => 1 + random.below(Math.max(1, faults.maxDelayMs ?? MAX_DELAY_MS))

  // -- deliveries ------------------------------------------------------------------------------

  const deliver = (link: Link, value: unknown, afterMs: number): void => {
    const text = JSON.stringify(value)
    const connection = link.connection
    later(afterMs, () => {
      if (link.closed) return
      if (link.connection !== connection || link.relay.mode.type === 'down') {
        counters.dropped += 1
        return
      }
      counters.delivered += 1
      link.request.onEvent(JSON.parse(text), link.url)
      const overtaken = link.held
      link.held = []
      for (const release of overtaken) release()
    })
  }

  const deliverWithFaults = (link: Link, event: SignedEvent): void => {
    // Every draw is made every time, so that one fault's probability does not shift the others' dice.
    const [drop, double, delay, reorder] = [
      happens(faults.drop),
      happens(faults.double),
      happens(faults.delay),
      happens(faults.reorder),
    ]
    const [extraMs, secondMs] = [someDelay(), someDelay()]
    if (drop) {
      counters.dropped += 1
      return
    }
    if (double) {
      counters.doubled += 1
      deliver(link, event, latencyMs + secondMs)
    }
    if (delay) {
      counters.delayed += 1
      deliver(link, event, latencyMs + extraMs)
      return
    }
    if (!reorder) {
      deliver(link, event, latencyMs)
      return
    }
    counters.reordered += 1
    let held = true
    const release = (): void => {
      if (!held) return
      held = false
      deliver(link, event, 0)
    }
    link.held.push(release)
    later(latencyMs + extraMs, release)
  }

  const fanOut = (relay: RelayState, event: SignedEvent): void => {
    for (const link of relay.links) {
      if (link.live && link.request.filters.some((filter) => matches(filter, event)))
        deliverWithFaults(link, event)
    }
  }

  const keep = (relay: RelayState, event: SignedEvent): void => {
    const retention = options.retention
    if (retention === undefined) return
    relay.stored.push(event)
    prune(relay)
  }

  const prune = (relay: RelayState): void => {
    const { retention } = options
    if (retention === undefined) return
    const oldest = nowSeconds() - retention.seconds
    relay.stored = relay.stored.filter((event) => event.created_at >= oldest).slice(-retention.events)
  }

  // -- subscriptions ---------------------------------------------------------------------------

  const open = (link: Link): void => {
    const { relay, url, request } = link
    const connection = link.connection
    const current = (): boolean => !link.closed && link.connection === connection
    later(latencyMs, () => {
      if (!current()) return
      if (relay.mode.type === 'down') {
        request.onDown?.(url, 'unreachable', false)
        return
      }
      if (relay.mode.type === 'hang') {
        later(EOSE_PATIENCE_MS, () => {
          if (current() && relay.mode.type === 'hang') request.onLive?.(url)
        })
        return
      }
      if (relay.challenge !== undefined && !authenticates(request.authenticate, url, relay.challenge)) {
        link.closed = true
        relay.links.delete(link)
        request.onDown?.(url, 'auth-required: this relay serves known keys only', true)
        return
      }
      goLive(link)
    })
  }

  const goLive = (link: Link): void => {
    const { relay, url, request } = link
    const connection = link.connection
    prune(relay)
    for (const event of snapshot(relay.stored, request.filters, link.lostAt)) deliver(link, event, latencyMs)
    link.live = true
    link.lostAt = undefined
    later(latencyMs, () => {
      if (!link.closed && link.connection === connection && link.live) request.onLive?.(url)
    })
  }

  const disconnect = (link: Link): void => {
    link.connection += 1
    if (link.live) link.lostAt = nowSeconds()
    link.live = false
    counters.dropped += link.held.length
    link.held = []
    const connection = link.connection
    later(0, () => {
      if (!link.closed && link.connection === connection) {
        link.request.onDown?.(link.url, 'unreachable', false)
      }
    })
  }

  // -- publishing ------------------------------------------------------------------------------

  /** What one relay says to one event, or undefined if it says nothing. */
  const takeIn = (url: RelayUrl, event: SignedEvent, authenticate?: Authenticate): string | undefined => {
    const relay = relayAt(url)
    if (relay.mode.type === 'down') return 'unreachable'
    if (relay.mode.type === 'hang') return undefined
    const [lost, okLost] = [happens(faults.losePublish), happens(faults.loseOk)]
    if (lost) {
      counters.lostPublishes += 1
      return undefined
    }
    const refusal = refusalOf(relay, url, event, authenticate)
    if (refusal !== undefined) {
      counters.refused += 1
      return refusal
    }
    counters.accepted += 1
    options.onPublish?.(event, url)
    const known = relay.stored.some((stored) => stored.id === event.id)
    if (relay.mode.type !== 'swallow' && !known) {
      keep(relay, event)
      fanOut(relay, event)
    }
    if (!okLost) return ''
    counters.lostOks += 1
    return undefined
  }

  const refusalOf = (
    relay: RelayState,
    url: RelayUrl,
    event: SignedEvent,
    authenticate: Authenticate | undefined,
  ): string | undefined => {
    if (relay.mode.type === 'refuse') return relay.mode.reason
    if (relay.challenge !== undefined && !authenticates(authenticate, url, relay.challenge)) {
      return 'auth-required: this relay takes events of known keys only'
    }
    const parsed = parseSignedEvent(event)
    if (!parsed.ok) return 'invalid: not an event'
    const { crypto } = options
    if (crypto === undefined) return undefined
    if (crypto.eventId(parsed.value) !== parsed.value.id) return 'invalid: wrong id'
    return crypto.verify(parsed.value) ? undefined : 'invalid: wrong signature'
  }

  // -- transports ------------------------------------------------------------------------------

  const createTransport = (): Transport => {
    const links = new Set<Link>()
    const endings = new Set<(reason: string) => void>()
    let closed = false

    const publish: Transport['publish'] = (urls, event, publishOptions = {}) =>
      new Promise((resolve) => {
        const wanted = [...new Set(urls)]
        const refusals = new Map<RelayUrl, string>()
        const copy = JSON.parse(JSON.stringify(event)) as SignedEvent
        let settled = false
        const settle = (result: PublishResult): void => {
          if (settled) return
          settled = true
          clock.clearTimer(timer)
          endings.delete(end)
          publishOptions.signal?.removeEventListener('abort', onAbort)
          resolve(result)
        }
        const fail = (reason: string): void => {
          settle({
            ok: false,
            error: wanted.map((relay) => ({ relay, reason: refusals.get(relay) ?? reason })),
          })
        }
        const end = (reason: string): void => fail(reason)
        const onAbort = (): void => fail('aborted')
        const timer = clock.setTimer(() => fail('timeout'), publishOptions.timeoutMs ?? PUBLISH_TIMEOUT_MS)
        endings.add(end)
        publishOptions.signal?.addEventListener('abort', onAbort, { once: true })
        if (closed) fail('closed')
        else if (publishOptions.signal?.aborted === true) fail('aborted')
        else if (wanted.length === 0) fail('')
        if (settled) return
        for (const url of wanted) {
          later(latencyMs, () => {
            // An aborted or timed out publish is not recalled: what was sent is on its way.
            const answer = takeIn(url, copy, publishOptions.authenticate)
            if (answer === undefined) return
            later(latencyMs, () => {
              if (answer === '') settle({ ok: true, value: { relay: url } })
              else refusals.set(url, answer)
              if (refusals.size === wanted.length) fail('')
            })
          })
        }
      })

    const subscribe = (request: SubscribeRequest): Subscription => {
      const own: Link[] = []
      for (const url of new Set(request.relays)) {
        const relay = relayAt(url)
        const link: Link = {
          relay,
          url,
          request,
          connection: 0,
          live: false,
          closed,
          lostAt: undefined,
          held: [],
        }
        if (closed) {
          later(0, () => request.onDown?.(url, 'closed', true))
          continue
        }
        own.push(link)
        links.add(link)
        relay.links.add(link)
        open(link)
      }
      return {
        close() {
          for (const link of own) closeLink(link)
        },
      }
    }

    const closeLink = (link: Link): void => {
      link.closed = true
      link.held = []
      link.relay.links.delete(link)
      links.delete(link)
    }

    const transport: Transport = {
      publish,
      subscribe,
      close() {
        closed = true
        for (const link of links) closeLink(link)
        for (const end of endings) end('closed')
        transports.delete(transport)
        return Promise.resolve()
      },
    }
    transports.add(transport)
    return transport
  }

  const own = createTransport()

  const setMode = (url: string, mode: Mode): void => {
    const relay = relayAt(url)
    const before = relay.mode
    relay.mode = mode
    if (mode.type === 'down') {
      if (before.type !== 'down') for (const link of relay.links) disconnect(link)
      return
    }
    if (mode.type === 'hang') {
      for (const link of relay.links) {
        if (link.live) link.lostAt = nowSeconds()
        link.live = false
      }
      return
    }
    if (before.type !== 'down' && before.type !== 'hang') return
    for (const link of relay.links) {
      if (link.live) continue
      link.connection += 1
      const { connection } = link
      later(options.reconnectMs ?? 0, () => {
        if (!link.closed && link.connection === connection) open(link)
      })
    }
  }

  return {
    publish: own.publish,
    subscribe: own.subscribe,
    async close() {
      for (const transport of transports) await transport.close()
      for (const handle of timers) clock.clearTimer(handle)
      timers.clear()
    },
    connect: createTransport,
    down: (url) => setMode(url, { type: 'down' }),
    up: (url) => setMode(url, { type: 'well' }),
    refuse: (url, reason) => setMode(url, { type: 'refuse', reason }),
    hang: (url) => setMode(url, { type: 'hang' }),
    swallow: (url) => setMode(url, { type: 'swallow' }),
    demandAuth(url, challenge = 'challenge') {
      relayAt(url).challenge = challenge
    },
    inject(url, value) {
      for (const link of relayAt(url).links) deliver(link, value, latencyMs)
    },
    setFaults(next) {
      faults = next
    },
    stats: () => ({ ...counters }),
    get subscriptions() {
      let count = 0
      for (const relay of relays.values()) count += relay.links.size
      return count
    },
  }
}

type PublishResult = Result<{ readonly relay: RelayUrl }, readonly RelayRefusal[]>

/** Whether an event passes one filter (NIP-01): every condition given must hold. */
function matches(filter: Filter, event: SignedEvent, since: number | undefined = filter.since): boolean {
  if (!filter.kinds.includes(event.kind)) return false
  if (!names(event, 'p', filter['#p']) || !names(event, 'k', filter['#k'])) return false
  if (filter.authors !== undefined && !filter.authors.includes(event.pubkey)) return false
  return since === undefined || event.created_at >= since
}

function names(event: SignedEvent, tag: string, values: readonly string[] | undefined): boolean {
  return (
    values === undefined || event.tags.some(([name, value = '']) => name === tag && values.includes(value))
  )
}

/** What a relay answers a REQ with: newest first, each filter's `limit` heeded, each event once. */
function snapshot(
  stored: readonly SignedEvent[],
  filters: readonly Filter[],
  lostAt: number | undefined,
): readonly SignedEvent[] {
  const newestFirst = stored.toSorted((a, b) => b.created_at - a.created_at || (a.id < b.id ? -1 : 1))
  const found = new Set<SignedEvent>()
  for (const filter of filters) {
    const since =
      filter.since === undefined || lostAt === undefined
        ? filter.since
        : Math.max(filter.since, lostAt - CATCH_UP_OVERLAP_SECONDS)
    const matching = newestFirst.filter((event) => matches(filter, event, since))
    for (const event of matching.slice(0, filter.limit ?? matching.length)) found.add(event)
  }
  return [...found]
}

/** Whether the caller answers a challenge with an event for this relay (NIP-42). Its signature is not looked at. */
function authenticates(authenticate: Authenticate | undefined, relay: RelayUrl, challenge: string): boolean {
  const event = authenticate?.(relay, challenge)
  if (event === undefined || event.kind !== AUTH_KIND) return false
  const has = (name: string, value: string): boolean =>
    event.tags.some((tag) => tag[0] === name && tag[1] === value)
  return has('relay', relay) && has('challenge', challenge)
}
