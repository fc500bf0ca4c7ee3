/**
 * From whatever a relay sent to decrypted messages: queued for each relay, opened in batches, told from copies.
 * Never lets one relay push out another's events, never remembers an id whose signature was not verified, and never
 * does more for what a relay invents than that relay's budget allows.
 */

import {
  type Clock,
  type Crypto,
  type KeyHandle,
  type Millis,
  type OpenContext,
  type Opened,
  parseSignedEvent,
  type RelayUrl,
  type Scheme,
  type SignedEvent,
} from '@nip46/core'
import { createRelayBudgets } from './budget.ts'
import { createFaultyEvents, type Outcome } from './faulty-events.ts'
import { deferBy } from './host.ts'
import { INTAKE_BATCH, INTAKE_CHARS_PER_RELAY, INTAKE_PER_RELAY, INTAKE_STRANGERS } from './limits.ts'
import type { Reporter } from './reporter.ts'

export interface Intake {
  push(event: unknown, relay: RelayUrl): void
  /** Something of a client was dropped for want of room: its relay is to be asked for it again. */
  owe(relay: RelayUrl): void
  /** One that was left to others, or looked for in the store since its relay sent what it kept, and is not any more. */
  takeOver(event: SignedEvent, relay: RelayUrl, isAskedFor: boolean): void
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
  /** It was seen, and came so often since that one more copy is not worth a look. */
  readonly isWornOut: (eventId: string) => boolean
  /** Another process serves it: true if the event was left to that one. */
  readonly leave: (event: SignedEvent, relay: RelayUrl) => boolean
  /** Its relay is still sending what it kept: true if the event is handed on once it is known whether it is news. */
  readonly recall: (event: SignedEvent, relay: RelayUrl) => boolean
  /** `isAskedFor`: its relay had been asked anew, and was sending what it kept. */
  readonly onOpened: (opened: Opened, relay: RelayUrl, isAskedFor: boolean) => void
  /** This relay was asked again for what it sent before: what is known of it is nobody's repetition. */
  readonly isReplaying: (relay: RelayUrl) => boolean
  /** There was no room for events of clients, and now there is. */
  readonly onOwed: (relay: RelayUrl) => void
  /** So many events that claimed to be of clients are not charged to their relay any more; negative: once more. */
  readonly onRefund: (relay: RelayUrl, events: number) => void
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
  /** It claims to be of a client, and took one of its relay's `claims` for that. */
  readonly charged: boolean
  readonly isAskedFor: boolean
}

export function createIntake(host: IntakeHost): Intake {
  const { clock, reporter } = host
  const budgetOf = createRelayBudgets()
  const defer = deferBy(clock)
  const queues = new Map<RelayUrl, Queue>()
  const owed = new Set<RelayUrl>()
  const faulty = createFaultyEvents(reporter)
  let scheduled = false
  let timer: unknown
  let closed = false

  const refundClaims = (relay: RelayUrl, events: number): void => {
    if (events === 0) return
    budgetOf(relay).claims.refund(events)
    host.onRefund(relay, events)
  }

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
    let copies: string[] = []
    let verified = 0
    const context: OpenContext = {
      crypto: host.crypto,
      key: host.key,
      scheme: host.scheme,
      now: Math.floor(now / 1_000),
      seen: (eventId) => {
        const isCopy = host.seen(eventId)
        if (isCopy) copies.push(eventId)
        return isCopy
      },
      allow(event) {
        if (!budget.failures.has(now)) return false
        if (!host.serves(event.pubkey) && !budget.strangers.take(now)) return false
        verified += 1
        return budget.failures.take(now)
      },
    }
    const outcomes = faulty.open(
      entries.map(({ event }) => event),
      context,
      () => {
        budget.failures.refund(verified)
        verified = 0
        copies = []
      },
    )
    let copy = 0
    let wrong = 0
    let lies = 0
    let claims = 0
    outcomes.forEach((outcome, i) => {
      const { event, charged, isAskedFor } = entries[i] as Entry
      claims += Number(charged)
      lies += Number(charged && isLie(outcome))
      if (!outcome.ok && outcome.error !== 'event/seen') {
        if (outcome.error === 'event/sig') wrong += 1
        reporter.drop(outcome.error)
        return
      }
      const eventId = outcome.ok ? outcome.value.eventId : (copies[copy++] ?? '')
      if (outcome.ok) reporter.counts.opened += 1
      const isHandled = faulty.guard(event, () => {
        // The same event twice in one batch: the first one made it seen.
        if (!outcome.ok || host.seen(eventId)) host.onSeen(eventId, relay)
        else host.onOpened(outcome.value, relay, isAskedFor)
      })
      if (!isHandled) reporter.drop('event/fault')
    })
    budget.failures.refund(verified - wrong)
    refundClaims(relay, claims - lies)
    if (claims > 0) budget.isLying = 2 * lies > claims
  }

  /** Why it is not worth its place in the queue. */
  const refusalOf = (event: SignedEvent, relay: RelayUrl): 'event/seen' | 'event/fault' | undefined => {
    if (host.isReplaying(relay) && host.seen(event.id)) return 'event/seen'
    return faulty.has(event) ? 'event/fault' : undefined
  }

  const isFull = (relay: RelayUrl): boolean => {
    const queue = queues.get(relay)
    return queue !== undefined && queue.known.length + queue.others.length >= INTAKE_PER_RELAY
  }

  const enter = (event: SignedEvent, relay: RelayUrl, charged: boolean, isAskedFor: boolean): void => {
    let queue = queues.get(relay)
    if (queue === undefined) {
      queue = { known: [], others: [], chars: 0 }
      queues.set(relay, queue)
    }
    const entry = { event, chars: event.content.length + 400, charged, isAskedFor }
    ;(host.serves(event.pubkey) ? queue.known : queue.others).push(entry)
    queue.chars += entry.chars
    const budget = budgetOf(relay)
    while (
      queue.known.length + queue.others.length > INTAKE_PER_RELAY ||
      queue.chars > INTAKE_CHARS_PER_RELAY
    ) {
      const dropped = queue.others.shift() ?? oldest(queue.known)
      queue.chars -= dropped?.chars ?? 0
      reporter.drop('intake/full')
      // Of a relay that lies, what there is no room for is most likely a lie.
      if (dropped === undefined || budget.isLying) continue
      refundClaims(relay, Number(dropped.charged))
      if (host.serves(dropped.event.pubkey)) owed.add(relay)
    }
    if (scheduled) return
    scheduled = true
    defer(drain)
  }

  return {
    push(value, relay) {
      if (closed) return
      reporter.counts.received += 1
      const isKnown = host.serves(textOf(value, 'pubkey'))
      // In a flood most of it is not even looked at.
      if (!isKnown && isFull(relay)) {
        reporter.drop('intake/full')
        return
      }
      const { claims, looks } = budgetOf(relay)
      if (!(isKnown ? claims : looks).take(host.now())) {
        reporter.drop('event/budget')
        return
      }
      if (isKnown && host.isWornOut(textOf(value, 'id'))) {
        reporter.drop('event/seen')
        refundClaims(relay, 1)
        return
      }
      const parsed = parseSignedEvent(value)
      const refused = parsed.ok ? refusalOf(parsed.value, relay) : parsed.error
      if (refused !== undefined) reporter.drop(refused)
      else if (parsed.ok && !host.leave(parsed.value, relay) && !host.recall(parsed.value, relay)) {
        enter(parsed.value, relay, isKnown, host.isReplaying(relay))
        return
      }
      if (isKnown && refused !== 'event/shape') refundClaims(relay, 1)
    },
    owe(relay) {
      if (queues.has(relay)) owed.add(relay)
      else host.onOwed(relay)
    },
    takeOver(event, relay, isAskedFor) {
      if (closed) return
      const isKnown = host.serves(event.pubkey)
      if (isKnown && !budgetOf(relay).claims.take(host.now())) {
        reporter.drop('event/budget')
        return
      }
      if (isKnown) host.onRefund(relay, -1)
      enter(event, relay, isKnown, isAskedFor)
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

/** What no relay sends that checks what it is sent; or it cannot be known, since this one sent too much of that. */
function isLie(outcome: Outcome): boolean {
  if (outcome.ok) return false
  const { error } = outcome
  return error === 'event/id' || error === 'event/sig' || error === 'event/kind' || error === 'event/budget'
}

/** What an event says of itself, before it is known to be one. */
function textOf(value: unknown, name: 'id' | 'pubkey'): string {
  const text =
    typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined
  return typeof text === 'string' ? text : ''
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
