/**
 * Keeps the subscriptions that the sessions and offers want: on each relay the keys that somebody there may write to.
 * Never without `#p`, never with `limit: 0` alone, and never closes one before its successor delivers.
 */

import {
  CARRIER_KIND,
  type Clock,
  type Filter,
  limits,
  type Pubkey,
  type RelayUrl,
  type Subscription,
  type Transport,
} from '@nip46/core'
import { FILTERS_PER_SUBSCRIPTION, KEYS_PER_FILTER, LIVE_PATIENCE_MS, RESUBSCRIBE_MS } from './limits.ts'
import type { Reporter } from './reporter.ts'

export interface Listening {
  readonly relays: readonly RelayUrl[]
  readonly to: Pubkey
}

export interface Subscriptions {
  /** What one owner (a session, an offer) wants from now on; undefined for nothing. Takes effect in this turn. */
  want(owner: string, listening: Listening | undefined): void
  /** Resolves once one of these relays delivers for this key, or after `limits.LIVE_PATIENCE_MS`. */
  whenLive(listening: Listening): Promise<void>
  /** Resolves once any relay delivers, after the same time, or at once if nothing is wanted. */
  whenAnyLive(): Promise<void>
  /** Asks this relay anew for everything, the last minutes included. */
  again(relay: RelayUrl): void
  /** It was asked anew, and has not sent all yet that it kept. */
  isReplaying(relay: RelayUrl): boolean
  /** Likewise, or it was asked for the first time. */
  isCatchingUp(relay: RelayUrl): boolean
  live(): readonly RelayUrl[]
  down(): readonly RelayUrl[]
  close(): void
}

export interface SubscriptionHost {
  readonly transport: Transport
  readonly clock: Clock
  readonly now: () => number
  readonly reporter: Reporter
  readonly onEvent: (event: unknown, relay: RelayUrl) => void
  readonly authenticate: (relay: RelayUrl, challenge: string, key: Pubkey) => ReturnType<Authenticator>
}

type Authenticator = NonNullable<Parameters<Transport['subscribe']>[0]['authenticate']>

const KEYS_PER_SUBSCRIPTION = KEYS_PER_FILTER * FILTERS_PER_SUBSCRIPTION

/** One REQ on one relay. */
interface Group {
  readonly relay: RelayUrl
  readonly keys: Set<Pubkey>
  current: Subscription | undefined
  /** The one before, until the current one delivers. */
  previous: Subscription | undefined
  live: boolean
  /** Keys came since the last REQ. Keys that went stay in it until others come: they cost nothing. */
  stale: boolean
  retry: unknown
}

interface Relay {
  /** How many owners want each key. */
  readonly wanted: Map<Pubkey, number>
  readonly groups: Group[]
  state: 'new' | 'live' | 'down'
}

interface Waiter {
  readonly isOver: () => boolean
  readonly done: () => void
}

export function createSubscriptions(host: SubscriptionHost): Subscriptions {
  const { transport, clock, now, reporter } = host
  const owners = new Map<string, Listening>()
  const relays = new Map<RelayUrl, Relay>()
  const dirty = new Set<RelayUrl>()
  const waiters = new Set<Waiter>()
  let closed = false

  const relayAt = (url: RelayUrl): Relay => {
    const known = relays.get(url)
    if (known !== undefined) return known
    const fresh: Relay = { wanted: new Map(), groups: [], state: 'new' }
    relays.set(url, fresh)
    return fresh
  }

  const count = ({ relays: urls, to }: Listening, change: 1 | -1): void => {
    for (const url of urls) {
      const { wanted } = relayAt(url)
      const owned = (wanted.get(to) ?? 0) + change
      if (owned > 0) wanted.set(to, owned)
      else wanted.delete(to)
      dirty.add(url)
    }
  }

  const flush = (): void => {
    if (closed) return
    for (const url of dirty) settle(url, relayAt(url))
    dirty.clear()
  }

  /** Puts every wanted key into a group, keeping those that have one where they are. */
  const settle = (url: RelayUrl, relay: Relay): void => {
    const placed = new Set<Pubkey>()
    for (const group of relay.groups) {
      for (const key of group.keys) {
        if (relay.wanted.has(key)) placed.add(key)
        else group.keys.delete(key)
      }
    }
    for (const key of relay.wanted.keys()) {
      if (placed.has(key)) continue
      let group = relay.groups.find(({ keys }) => keys.size < KEYS_PER_SUBSCRIPTION)
      if (group === undefined) {
        group = {
          relay: url,
          keys: new Set(),
          current: undefined,
          previous: undefined,
          live: false,
          stale: true,
          retry: undefined,
        }
        relay.groups.push(group)
      }
      group.keys.add(key)
      group.stale = true
    }
    for (const group of [...relay.groups]) {
      if (group.keys.size === 0) {
        drop(group)
        relay.groups.splice(relay.groups.indexOf(group), 1)
      } else if (group.stale) request(group)
    }
    if (relay.groups.length === 0) relays.delete(url)
  }

  const request = (group: Group): void => {
    clock.clearTimer(group.retry)
    group.stale = false
    // A successor that never delivered has no right to outlive this one.
    if (group.previous !== undefined) group.current?.close()
    else group.previous = group.current
    group.live = false
    const keys = [...group.keys]
    const subscription = transport.subscribe({
      relays: [group.relay],
      filters: filtersOf(keys, Math.floor(now() / 1_000) - limits.FRESHNESS_SECONDS),
      onEvent: host.onEvent,
      onLive: (relay) => {
        if (closed || group.current !== subscription) return
        group.live = true
        group.previous?.close()
        group.previous = undefined
        changeState(relay, 'live', '', false)
        for (const waiter of waiters) if (waiter.isOver()) waiter.done()
      },
      onDown: (relay, reason, final) => {
        if (closed || group.current !== subscription) return
        group.live = false
        changeState(relay, 'down', reason, final)
        if (final)
          group.retry = clock.setTimer(() => !closed && group.keys.size > 0 && request(group), RESUBSCRIBE_MS)
      },
      authenticate: (relay, challenge) => {
        const [key] = group.keys
        return key === undefined ? undefined : host.authenticate(relay, challenge, key)
      },
    })
    group.current = subscription
  }

  const drop = (group: Group): void => {
    clock.clearTimer(group.retry)
    group.current?.close()
    group.previous?.close()
    group.current = undefined
    group.previous = undefined
    group.live = false
  }

  const changeState = (url: RelayUrl, state: 'live' | 'down', reason: string, final: boolean): void => {
    const relay = relays.get(url)
    if (relay === undefined) return
    if (state === 'live') {
      if (relay.state !== 'live') reporter.tell({ type: 'relay-live', relay: url })
      reporter.heal('no-relay')
    } else if (relay.state !== 'down' || final) {
      reporter.tell({ type: 'relay-down', relay: url, reason, final })
    }
    relay.state = state
    if (state === 'down' && [...relays.values()].every((each) => each.state === 'down'))
      reporter.ail('no-relay', reason)
  }

  const isLive = ({ relays: urls, to }: Listening): boolean =>
    urls.some((url) => relays.get(url)?.groups.some(({ live, keys }) => live && keys.has(to)) === true)

  const wait = (isOver: () => boolean): Promise<void> => {
    flush()
    if (closed || isOver()) return Promise.resolve()
    return new Promise((resolve) => {
      const done = (): void => {
        waiters.delete(waiter)
        clock.clearTimer(timer)
        resolve()
      }
      const waiter = { isOver, done }
      waiters.add(waiter)
      const timer = clock.setTimer(done, LIVE_PATIENCE_MS)
    })
  }

  const inState = (state: Relay['state']): readonly RelayUrl[] =>
    [...relays].flatMap(([url, relay]) => (relay.state === state ? [url] : []))

  return {
    want(owner, listening) {
      const before = owners.get(owner)
      if (
        before === listening ||
        (before !== undefined && listening !== undefined && same(before, listening))
      )
        return
      if (dirty.size === 0) queueMicrotask(flush)
      if (listening === undefined) owners.delete(owner)
      else owners.set(owner, listening)
      // The new ones first, so that a key both name keeps its place.
      if (listening !== undefined) count(listening, 1)
      if (before !== undefined) count(before, -1)
    },
    whenLive: (listening) => wait(() => isLive(listening)),
    whenAnyLive: () =>
      wait(
        () => owners.size === 0 || [...relays.values()].some(({ groups }) => groups.some(({ live }) => live)),
      ),
    again(url) {
      if (closed) return
      for (const group of relays.get(url)?.groups ?? []) if (group.live) request(group)
    },
    isReplaying: (url) => relays.get(url)?.groups.some(({ previous }) => previous !== undefined) === true,
    isCatchingUp: (url) => relays.get(url)?.groups.some(({ live }) => !live) === true,
    live: () => inState('live'),
    down: () => inState('down'),
    close() {
      closed = true
      for (const { groups } of relays.values()) for (const group of groups) drop(group)
      relays.clear()
      owners.clear()
      for (const waiter of waiters) waiter.done()
    },
  }
}

function filtersOf(keys: readonly Pubkey[], since: number): readonly Filter[] {
  const filters: Filter[] = []
  for (let at = 0; at < keys.length; at += KEYS_PER_FILTER) {
    filters.push({ kinds: [CARRIER_KIND], '#p': keys.slice(at, at + KEYS_PER_FILTER), since })
  }
  return filters
}

function same(a: Listening, b: Listening): boolean {
  return (
    a.to === b.to &&
    a.relays.length === b.relays.length &&
    a.relays.every((relay, i) => relay === b.relays[i])
  )
}
