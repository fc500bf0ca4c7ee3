/**
 * What the relay says about itself over plain HTTP (NIP-11).
 * Never says anything about who uses it.
 */

import { limits as protocol } from '@nip46/core'
import type { RelayLimits } from './limits.ts'

/** What the owner may say. All optional, all public. */
export interface RelayInfo {
  readonly name?: string
  readonly description?: string
  /** The owner's public key, 64 lowercase hex characters. */
  readonly pubkey?: string
  /** A URI such as `mailto:owner@example.com`. */
  readonly contact?: string
}

export interface RelayFacts {
  readonly info: RelayInfo
  readonly limits: RelayLimits
  readonly kinds: readonly number[]
  readonly authRequired: boolean
  readonly retention: { readonly seconds: number; readonly events: number } | undefined
}

/** The NIP-11 document, as JSON. */
export function describeRelay(facts: RelayFacts): string {
  const { info, limits, kinds, authRequired, retention } = facts
  return JSON.stringify({
    name: info.name ?? 'NIP-46 relay',
    description: info.description ?? `A small relay for kind ${kinds.join(', ')}.`,
    pubkey: info.pubkey,
    contact: info.contact,
    supported_nips: authRequired ? [1, 11, 42, 46] : [1, 11, 46],
    software: 'https://www.npmjs.com/package/@nip46/relay',
    limitation: {
      max_message_length: limits.frameBytes,
      max_subscriptions: limits.subscriptions,
      max_subid_length: limits.subscriptionIdChars,
      max_limit: retention?.events ?? 0,
      max_event_tags: protocol.CARRIER_TAGS,
      max_content_length: protocol.EVENT_CHARS_IN,
      min_pow_difficulty: 0,
      auth_required: authRequired,
      payment_required: false,
      restricted_writes: true,
      created_at_lower_limit: limits.pastSeconds,
      created_at_upper_limit: limits.futureSeconds,
    },
    retention: [
      retention === undefined
        ? { kinds, time: 0 }
        : { kinds, time: retention.seconds, count: retention.events },
    ],
  })
}

/** What a browser shows. */
export function greetVisitor(facts: RelayFacts): string {
  return `${facts.info.name ?? 'NIP-46 relay'}\n\nThis is a Nostr relay for kind ${facts.kinds.join(', ')}. Use a Nostr client.\n`
}
