/**
 * What all connections of one relay share: the check of events, the fan-out, the short memory.
 * Never sees a socket; a connection is a function that takes text.
 */

import {
  AUTH_KIND,
  type Clock,
  type Crypto,
  encodeEvent,
  err,
  ok,
  parseRelayUrl,
  parseSignedEvent,
  type RandomBytes,
  type RelayUrl,
  type Result,
  type SignedEvent,
} from '@nip46/core'
import { matchesFilter, type RelayFilter, tagValues } from './filter.ts'
import { AUTH_WINDOW_SECONDS, type RelayLimits } from './limits.ts'
import { createRecentIds, type RecentIds } from './recent-ids.ts'
import type { Retention } from './retention.ts'
import { type Counters, createCounters, type DropCode } from './stats.ts'
import { createSubscriptionIndex, type SubscriptionIndex } from './subscription-index.ts'

/** What the relay verifies with. */
export type RelayCrypto = Pick<Crypto, 'eventId' | 'verify'>

export interface OpenSubscription {
  readonly id: string
  readonly filters: readonly RelayFilter[]
  readonly send: (text: string) => void
}

export interface HubOptions {
  readonly crypto: RelayCrypto
  readonly limits: RelayLimits
  readonly clock: Clock
  readonly randomBytes: RandomBytes
  readonly kinds: ReadonlySet<number>
  /** Absent: nobody needs to authenticate. `urls` are the spellings of this relay an AUTH event may name. */
  readonly auth:
    | { readonly allows: (pubkey: string) => boolean; readonly urls: () => readonly RelayUrl[] }
    | undefined
  readonly retention: Retention | undefined
  /** Refuse an event nobody listens for, with `mute:`. */
  readonly mute: boolean
}

export interface Hub extends HubOptions {
  readonly counters: Counters
  readonly recent: RecentIds
  readonly subscriptions: SubscriptionIndex<OpenSubscription>
}

/** A refusal: the counter it goes to, and the text for the peer. */
export interface Refusal {
  readonly code: DropCode
  readonly reason: string
}

export function createHub(options: HubOptions): Hub {
  return {
    ...options,
    counters: createCounters(),
    recent: createRecentIds(options.limits.recentIds),
    subscriptions: createSubscriptionIndex(),
  }
}

/** Cheapest checks first; the signature is looked at last. */
export function checkEvent(hub: Hub, value: unknown): Result<SignedEvent, Refusal> {
  const parsed = parseSignedEvent(value)
  if (!parsed.ok) {
    return parsed.error === 'event/shape'
      ? refuse('event-shape', 'invalid: not an event')
      : refuse('event-too-large', 'invalid: the event is too large')
  }
  const event = parsed.value
  if (event.kind === AUTH_KIND) return refuse('event-kind', 'invalid: kind 22242 goes into an AUTH message')
  if (!hub.kinds.has(event.kind)) {
    return refuse('event-kind', `blocked: this relay carries only kind ${[...hub.kinds].join(', ')}`)
  }
  const age = nowSeconds(hub) - event.created_at
  if (age > hub.limits.pastSeconds) {
    return refuse('event-time', `invalid: created_at is more than ${hub.limits.pastSeconds} s in the past`)
  }
  if (-age > hub.limits.futureSeconds) {
    return refuse(
      'event-time',
      `invalid: created_at is more than ${hub.limits.futureSeconds} s in the future`,
    )
  }
  if (hub.recent.has(event.id)) return refuse('event-duplicate', 'duplicate: already have this event')
  return checkSignature(hub, event)
}

/** Whether an AUTH event proves a key to this relay, on this connection, now (NIP-42). */
export function checkAuth(hub: Hub, value: unknown, challenge: string): Result<SignedEvent, Refusal> {
  const parsed = parseSignedEvent(value)
  if (!parsed.ok || parsed.value.kind !== AUTH_KIND)
    return refuse('auth-invalid', 'invalid: not an event of kind 22242')
  const event = parsed.value
  if (Math.abs(nowSeconds(hub) - event.created_at) > AUTH_WINDOW_SECONDS) {
    return refuse('auth-invalid', `invalid: created_at is more than ${AUTH_WINDOW_SECONDS} s from now`)
  }
  const tagged = (name: string): string | undefined => event.tags.find((tag) => tag[0] === name)?.[1]
  if (tagged('challenge') !== challenge)
    return refuse('auth-invalid', 'invalid: not the challenge of this connection')
  const named = tagged('relay')
  if (named === undefined || !hub.auth?.urls().some((url) => sameRelay(url, named))) {
    return refuse('auth-invalid', 'invalid: the relay tag names another relay')
  }
  return checkSignature(hub, event)
}

/**
 * Sends a checked event to whoever listens, and keeps it if events are kept.
 * An event that reached nobody is not remembered, so that sending it again is not in vain.
 */
export function spreadEvent(hub: Hub, event: SignedEvent): Result<void, Refusal> {
  const tagged = tagValues(event)
  const listeners = hub.subscriptions
    .candidates(event)
    .filter(({ filters }) => filters.some((filter) => matchesFilter(filter, event, tagged)))
  if (hub.mute && listeners.length === 0 && hub.retention === undefined) {
    return refuse('event-mute', 'mute: no one was listening for this event, it was ignored')
  }
  if (listeners.length > 0 || hub.retention !== undefined) hub.recent.add(event.id)
  hub.retention?.keep(event, hub.clock.now())
  const json = encodeEvent(event)
  for (const { id, send } of listeners) {
    hub.counters.delivered += 1
    send(eventFrame(id, json))
  }
  hub.counters.accepted += 1
  return ok(undefined)
}

export function eventFrame(subscriptionId: string, json: string): string {
  return `["EVENT",${JSON.stringify(subscriptionId)},${json}]`
}

function checkSignature(hub: Hub, event: SignedEvent): Result<SignedEvent, Refusal> {
  if (hub.crypto.eventId(event) !== event.id)
    return refuse('event-id', 'invalid: the id is not the hash of the event')
  if (!hub.crypto.verify(event)) return refuse('event-signature', 'invalid: the signature is wrong')
  return ok(event)
}

/** Compared in the one spelling core gives a relay URL. */
function sameRelay(ours: RelayUrl, named: string): boolean {
  const parsed = parseRelayUrl(named, { allowInsecure: true })
  return parsed.ok && parsed.value === ours
}

function refuse(code: DropCode, reason: string): { readonly ok: false; readonly error: Refusal } {
  return err({ code, reason })
}

function nowSeconds(hub: Hub): number {
  return Math.floor(hub.clock.now() / 1_000)
}
