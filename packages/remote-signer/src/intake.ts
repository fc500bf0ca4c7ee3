/**
 * From whatever a relay sent to decrypted messages: queued for each relay, opened in batches, told from copies.
 * Never lets one relay push out another's events, and never remembers an id whose signature was not verified.
 */

import {
  type Clock,
  type Crypto,
  type KeyHandle,
  type Millis,
  type Opened,
  openBatch,
  parseSignedEvent,
  type RelayUrl,
  type Scheme,
  type SignedEvent,
} from '@nip46/core'
import { createRelayBudgets } from './budget.ts'
import { deferBy } from './host.ts'
import { INTAKE_BATCH, INTAKE_CHARS_PER_RELAY, INTAKE_PER_RELAY, INTAKE_STRANGERS } from './limits.ts'
import type { Reporter } from './reporter.ts'

export interface Intake {
  push(event: unknown, relay: RelayUrl): void
  /** Something of a client was dropped for want of room: its relay is to be asked for it again. */
  owe(relay: RelayUrl): void
  /** One that was left to others, or looked for in the store, and is not any more. */
  takeOver(event: SignedEvent, relay: RelayUrl): void
  close(): void
  readonly waiting: number
}

export interface IntakeHost {
  readonly crypto: Crypto
  readonly clock: Clock
  readonly now: () => Millis
  readonly reporter: Reporter
  readonly key: (pubkey: string) => KeyHandle | undefined
  readonly scheme: (from: string, to: string) => Scheme | 'either'
  /** Whether this claims to come from the client of a session. */
  readonly serves: (pubkey: string) => boolean
  readonly seen: (eventId: string) => boolean
  /** Another process serves it: true if the event was left to that one. */
  readonly leave: (event: SignedEvent, relay: RelayUrl) => boolean
  /** Its relay is still sending what it kept: true if the event is handed on once it is known whether it is news. */
  readonly recall: (event: SignedEvent, relay: RelayUrl) => boolean
  readonly onOpened: (opened: Opened, relay: RelayUrl) => void
  /** This relay was asked again for what it sent before: what is known of it is nobody's repetition. */
  readonly isReplaying: (relay: RelayUrl) => boolean
  /** There was no room for events of clients, and now there is. */
  readonly onOwed: (relay: RelayUrl) => void
  /** A verified event came again. */
  readonly onSeen: (eventId: string, relay: RelayUrl) => void
}

interface Queue {
  /** Events that claim to be of clients, served first; forged ones use up their relay's budget only. */
  readonly known: Entry[]
  readonly others: Entry[]
  chars: number
}

interface Entry {
  readonly event: SignedEvent
  readonly chars: number
}

export function createIntake(host: IntakeHost): Intake {
  const { clock, reporter } = host
  const budgetOf = createRelayBudgets()
  const defer = deferBy(clock)
  const queues = new Map<RelayUrl, Queue>()
  const owed = new Set<RelayUrl>()
  let scheduled = false
  let timer: unknown
  let closed = false

  const drain = (): void => {
    scheduled = false
    if (closed) return
    const share = Math.max(1, Math.floor(INTAKE_BATCH / queues.size))
    let room = INTAKE_BATCH
    for (const [relay, queue] of [...queues]) {
      if (room <= 0) break
      const entries = take(queue, Math.min(share, room))
      room -= entries.length
      queues.delete(relay)
      // To the end of the line, behind the relays that had no turn.
      if (queue.known.length + queue.others.length > 0) queues.set(relay, queue)
      openAll(entries, relay)
    }
    for (const relay of owed) {
      if (queues.has(relay)) continue
      owed.delete(relay)
      host.onOwed(relay)
    }
    if (queues.size === 0) return
    // Let the host read from its sockets and run its timers in between.
    scheduled = true
    timer = clock.setTimer(drain, 0)
  }

  const openAll = (entries: readonly Entry[], relay: RelayUrl): void => {
    const now = host.now()
    const budget = budgetOf(relay)
    const copies: string[] = []
    const results = openBatch(
      entries.map(({ event }) => event),
      {
        crypto: host.crypto,
        key: host.key,
        scheme: host.scheme,
        now: Math.floor(now / 1_000),
        seen: (eventId) => {
          const isCopy = host.seen(eventId)
          if (isCopy) copies.push(eventId)
          return isCopy
        },
        allow: (event) =>
          budget.failures.has(now) && (host.serves(event.pubkey) || budget.strangers.take(now)),
      },
    )
    let copy = 0
    for (const result of results) {
      if (result.ok) {
        reporter.counts.opened += 1
        // The same event twice in one batch: the first one made it seen.
        if (host.seen(result.value.eventId)) host.onSeen(result.value.eventId, relay)
        else host.onOpened(result.value, relay)
        continue
      }
      if (result.error === 'event/seen') {
        host.onSeen(copies[copy++] ?? '', relay)
        continue
      }
      // A wrong id costs one hash; only signatures are dear.
      if (result.error === 'event/sig') budget.failures.charge(now)
      reporter.drop(result.error)
    }
  }

  const isFull = (relay: RelayUrl): boolean => {
    const queue = queues.get(relay)
    return queue !== undefined && queue.known.length + queue.others.length >= INTAKE_PER_RELAY
  }

  const enter = (event: SignedEvent, relay: RelayUrl): void => {
    let queue = queues.get(relay)
    if (queue === undefined) {
      queue = { known: [], others: [], chars: 0 }
      queues.set(relay, queue)
    }
    const entry = { event, chars: event.content.length + 400 }
    ;(host.serves(event.pubkey) ? queue.known : queue.others).push(entry)
    queue.chars += entry.chars
    while (
      queue.known.length + queue.others.length > INTAKE_PER_RELAY ||
      queue.chars > INTAKE_CHARS_PER_RELAY
    ) {
      const dropped = queue.others.shift() ?? oldest(queue.known)
      queue.chars -= dropped?.chars ?? 0
      if (dropped !== undefined && host.serves(dropped.event.pubkey)) owed.add(relay)
      reporter.drop('intake/full')
    }
    if (scheduled) return
    scheduled = true
    defer(drain)
  }

  return {
    push(value, relay) {
      if (closed) return
      reporter.counts.received += 1
      // In a flood most of it is not even looked at.
      if (isFull(relay) && !host.serves(authorOf(value))) {
        reporter.drop('intake/full')
        return
      }
      const parsed = parseSignedEvent(value)
      if (!parsed.ok) reporter.drop(parsed.error)
      else if (host.isReplaying(relay) && host.seen(parsed.value.id)) reporter.drop('event/seen')
      else if (!host.leave(parsed.value, relay) && !host.recall(parsed.value, relay))
        enter(parsed.value, relay)
    },
    owe(relay) {
      if (queues.has(relay)) owed.add(relay)
      else host.onOwed(relay)
    },
    takeOver(event, relay) {
      if (!closed) enter(event, relay)
    },
    close() {
      closed = true
      clock.clearTimer(timer)
      queues.clear()
    },
    get waiting() {
      let events = 0
      for (const { known, others } of queues.values()) events += known.length + others.length
      return events
    },
  }
}

/** Whom an event says it is by, before it is known to be one. */
function authorOf(value: unknown): string {
  const pubkey = typeof value === 'object' && value !== null && 'pubkey' in value ? value.pubkey : undefined
  return typeof pubkey === 'string' ? pubkey : ''
}

/** Takes one out: as a rule the first; but what a relay kept comes with the newest first, and then it is the last. */
function oldest(entries: Entry[]): Entry | undefined {
  const [first, last] = [entries[0], entries.at(-1)]
  const isLast = (last?.event.created_at ?? 0) < (first?.event.created_at ?? 0)
  return isLast ? entries.pop() : entries.shift()
}

/** In the order of arrival within each class. */
function take(queue: Queue, count: number): readonly Entry[] {
  const entries = queue.known.splice(0, count)
  // While clients wait, a flood of strangers costs them little.
  const room = entries.length === 0 ? count : Math.min(count - entries.length, INTAKE_STRANGERS)
  entries.push(...queue.others.splice(0, room))
  for (const { chars } of entries) queue.chars -= chars
  return entries
}
