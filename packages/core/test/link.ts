/**
 * A small world of virtual time: a queue of what happens next, and relays that drop, double, delay and reorder, go down
 * and come back.
 * Never looks at the real clock, and never rolls dice but its own.
 */

import type { RelayRefusal } from '../src/port.ts'
import type { Millis, Pubkey, RelayUrl, Result, Scheme, Seconds } from '../src/value.ts'
import { dice } from './mutation.ts'

/** An event as the link carries it: in the clear, since no one in this world forges. */
export interface Carried {
  readonly id: string
  readonly from: Pubkey
  readonly to: Pubkey
  readonly scheme: Scheme
  readonly createdAt: Seconds
  readonly text: string
}

export interface Faults {
  /** Probability that an event, an OK or a delivery gets lost. */
  readonly drop: number
  /** Probability that a delivery comes once more. */
  readonly double: number
  /** Longest way from one end to a relay, in milliseconds; each way takes its own time. */
  readonly delayMs: number
  /** Relays keep events for those who subscribe later. */
  readonly keep: boolean
  /** Relays say `mute:` when nobody listens. */
  readonly mute: boolean
  /** Probability that a relay refuses an event. */
  readonly refuse: number
}

export type Published = Result<{ readonly relay: RelayUrl }, readonly RelayRefusal[]>

export interface Subscriber {
  readonly to: Pubkey
  readonly since: () => Seconds
  readonly live: (relay: RelayUrl) => void
  readonly down: (relay: RelayUrl) => void
  readonly event: (relay: RelayUrl, event: Carried) => void
}

export interface Chance {
  next(): number
  below(limit: number): number
  of(probability: number): boolean
  pick<const T extends readonly [unknown, ...unknown[]]>(items: T): T[number]
}

export interface World {
  readonly now: Millis
  readonly chance: Chance
  readonly losses: number
  after(ms: number, run: () => void): void
  /** Runs what is due, in order, until nothing is left or the time is reached. */
  run(until: Millis): void
  subscribe(relay: RelayUrl, subscriber: Subscriber): () => void
  publish(relays: readonly RelayUrl[], event: Carried, report: (outcome: Published) => void): void
  setUp(relay: RelayUrl, up: boolean): void
  /** From now on every relay is up, and nothing gets lost, late or refused. */
  heal(): void
}

/** How long a publish waits for the word of its relays. */
const PUBLISH_MS = 10_000
/** Events one run may take: more is a loop. */
const EVENTS = 50_000

interface Relay {
  up: boolean
  /** Changes with each loss of connections: what was on its way then is gone. */
  era: number
  readonly subscribers: Set<{ readonly subscriber: Subscriber; live: boolean }>
  readonly kept: Carried[]
}

export function chanceOf(seed: number): Chance {
  const next = dice(seed)
  const below = (limit: number) => Math.floor(next() * limit)
  return {
    next,
    below,
    of: (probability) => next() < probability,
    pick: (items) => items[below(items.length)] ?? items[0],
  }
}

export function createWorld(seed: number, start: Millis, given: Faults): World {
  let faults = given
  let healed = false
  const chance = chanceOf(seed)
  const queue: { readonly at: Millis; readonly order: number; readonly run: () => void }[] = []
  const relays = new Map<RelayUrl, Relay>()
  let now = start
  let order = 0
  let losses = 0

  const after = (ms: number, run: () => void) => {
    insert(queue, { at: now + Math.max(0, Math.round(ms)), order: order++, run })
  }
  const relayOf = (url: RelayUrl): Relay => {
    const known = relays.get(url)
    if (known !== undefined) return known
    const fresh: Relay = { up: true, era: 0, subscribers: new Set(), kept: [] }
    relays.set(url, fresh)
    return fresh
  }
  const drops = () => {
    const dropped = chance.of(faults.drop)
    if (dropped) losses++
    return dropped
  }
  const way = () => 1 + chance.next() ** 3 * faults.delayMs

  const deliver = (url: RelayUrl, entry: { readonly subscriber: Subscriber }, event: Carried) => {
    const relay = relayOf(url)
    for (let copies = chance.of(faults.double) ? 2 : 1; copies > 0; copies--) {
      if (drops()) continue
      const { era } = relay
      after(way(), () => {
        const still = relay.era === era && [...relay.subscribers].some((other) => other === entry)
        if (still) entry.subscriber.event(url, event)
      })
    }
  }

  /** Opens a subscription on a relay that is up: stored events first, then it is live. */
  const open = (url: RelayUrl, entry: { readonly subscriber: Subscriber; live: boolean }) => {
    const relay = relayOf(url)
    const { era } = relay
    after(way(), () => {
      if (relay.era !== era || !relay.up || !relay.subscribers.has(entry)) return
      const { subscriber } = entry
      for (const event of relay.kept) {
        if (event.to === subscriber.to && event.createdAt >= subscriber.since() && !drops()) {
          subscriber.event(url, event)
        }
      }
      if (!relay.subscribers.has(entry)) return
      entry.live = true
      subscriber.live(url)
    })
  }

  return {
    chance,
    after,
    get now() {
      return now
    },
    get losses() {
      return losses
    },
    run(until) {
      for (let events = 0; ; events++) {
        const next = queue[0]
        if (next === undefined || next.at > until) break
        if (events > EVENTS) throw new Error(`more than ${EVENTS} events: something goes round in circles`)
        takeFirst(queue)
        now = next.at
        next.run()
      }
      now = until
    },
    subscribe(url, subscriber) {
      const relay = relayOf(url)
      const entry = { subscriber, live: false }
      relay.subscribers.add(entry)
      if (relay.up) open(url, entry)
      return () => relay.subscribers.delete(entry)
    },
    publish(urls, event, report) {
      const refusals = new Map<RelayUrl, string>()
      let reported = false
      const settle = (outcome: Published) => {
        if (reported) return
        reported = true
        report(outcome)
      }
      const finish = () => {
        const all = urls.map((relay) => ({ relay, reason: refusals.get(relay) ?? 'timeout' }))
        settle({ ok: false, error: all })
      }
      const refuse = (url: RelayUrl, reason: string) => {
        refusals.set(url, reason)
        if (refusals.size === urls.length) finish()
      }
      after(PUBLISH_MS, finish)
      for (const url of urls) {
        const relay = relayOf(url)
        if (!relay.up) {
          after(way(), () => refuse(url, 'unreachable'))
          continue
        }
        if (drops()) continue
        after(way(), () => {
          if (!relay.up) return
          const listeners = [...relay.subscribers].filter(
            (entry) => entry.live && entry.subscriber.to === event.to,
          )
          const word = chance.of(faults.refuse)
            ? chance.pick(['blocked: not here', 'rate-limited: slow down'])
            : faults.mute && listeners.length === 0
              ? 'mute: nobody listens'
              : undefined
          if (word === undefined) {
            if (faults.keep) relay.kept.push(event)
            for (const entry of listeners) deliver(url, entry, event)
          }
          if (drops()) return
          after(way(), () =>
            word === undefined ? settle({ ok: true, value: { relay: url } }) : refuse(url, word),
          )
        })
      }
    },
    heal() {
      healed = true
      faults = { drop: 0, double: 0, delayMs: 300, keep: true, mute: false, refuse: 0 }
      for (const url of relays.keys()) this.setUp(url, true)
    },
    setUp(url, up) {
      if (healed && !up) return
      const relay = relayOf(url)
      if (relay.up === up) return
      relay.up = up
      relay.era++
      for (const entry of [...relay.subscribers]) {
        if (up) open(url, entry)
        else if (entry.live) {
          entry.live = false
          entry.subscriber.down(url)
        }
      }
    },
  }
}

interface Entry {
  readonly at: Millis
  readonly order: number
  readonly run: () => void
}

/** A binary heap, earliest first; equal times in the order they were set. */
function insert(heap: Entry[], entry: Entry): void {
  let at = heap.push(entry) - 1
  while (at > 0) {
    const parent = (at - 1) >> 1
    if (!isBefore(entry, heap[parent] as Entry)) break
    heap[at] = heap[parent] as Entry
    at = parent
  }
  heap[at] = entry
}

function takeFirst(heap: Entry[]): void {
  const last = heap.pop() as Entry
  if (heap.length === 0) return
  let at = 0
  for (;;) {
    let child = 2 * at + 1
    if (child >= heap.length) break
    if (child + 1 < heap.length && isBefore(heap[child + 1] as Entry, heap[child] as Entry)) child++
    if (!isBefore(heap[child] as Entry, last)) break
    heap[at] = heap[child] as Entry
    at = child
  }
  heap[at] = last
}

function isBefore(a: Entry, b: Entry): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order)
}
