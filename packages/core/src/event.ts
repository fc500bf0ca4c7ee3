/**
 * Nostr events as data: shapes, the structural check, the NIP-01 serialisation.
 * Never hashes, signs or verifies; that is the crypto port's work.
 */

import { isObject, isTextList } from './json.ts'
import { CARRIER_TAGS, EVENT_CHARS_IN, KIND_MAX } from './limits.ts'
import { err, ok, type Result, type Seconds } from './value.ts'

/** Kind of the event that carries one request or response (NIP-46). */
export const CARRIER_KIND = 24133
/** Kind of a relay authentication event (NIP-42). */
export const AUTH_KIND = 22242

export type Tag = readonly string[]

/** What can be asked to be signed. */
export interface EventTemplate {
  readonly kind: number
  readonly content: string
  readonly tags: readonly Tag[]
  readonly created_at: Seconds
}

/** A template and its author: what an event id is computed of. */
export interface UnsignedEvent extends EventTemplate {
  /** 64 lowercase hex characters. */
  readonly pubkey: string
}

/** An event as relays take it (NIP-01). The type alone says nothing about whether id and signature are right. */
export interface SignedEvent extends UnsignedEvent {
  /** sha256 of {@link serializeEvent}, 64 lowercase hex characters. */
  readonly id: string
  /** BIP-340 signature over the id, 128 lowercase hex characters. */
  readonly sig: string
}

/** Whether it is a text of 64 lower-case hex characters, as ids and pubkeys are. */
export function isHex64(value: unknown): value is string {
  return isHex(value, 64)
}

/** Whether it is a text of so many lower-case hex characters. */
export function isHex(value: unknown, digits: number): value is string {
  return typeof value === 'string' && value.length === digits && !/[^0-9a-f]/.test(value)
}

/** Whether it is a whole number from 0, small enough to be exact. */
export function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

/** Whether a string has no lone surrogate, that is, can be written as UTF-8. */
export function isWellFormed(text: string): boolean {
  return !/\p{Surrogate}/u.test(text)
}

/** The exact text whose sha256 is the event id (NIP-01). */
export function serializeEvent(event: UnsignedEvent): string {
  return JSON.stringify([0, event.pubkey, event.created_at, event.kind, event.tags, event.content])
}

/**
 * The structural check of an event from outside, before anything costly. Picks the seven members into a
 * fresh object, so that nothing else a peer sent (extra members, a `__proto__`) travels on.
 *
 * Errors: `event/shape`, and `event/too-large` past {@link EVENT_CHARS_IN} characters or `maxTags` tags.
 */
export function parseSignedEvent(
  value: unknown,
  maxTags: number = CARRIER_TAGS,
): Result<SignedEvent, 'event/shape' | 'event/too-large'> {
  const { id, pubkey, created_at, kind, tags, content, sig } = isObject(value) ? value : {}
  const named = isHex64(id) && isHex64(pubkey) && isHex(sig, 128)
  if (!named || !isCount(created_at) || !isCount(kind) || kind > KIND_MAX) return err('event/shape')
  if (typeof content !== 'string' || !Array.isArray(tags)) return err('event/shape')
  if (tags.length > maxTags) return err('event/too-large')
  let chars = content.length
  const copy: string[][] = []
  for (const tag of tags) {
    if (!isTextList(tag)) return err('event/shape')
    for (const item of tag) chars += item.length
    copy.push([...tag])
  }
  if (chars > EVENT_CHARS_IN) return err('event/too-large')
  return ok({ id, pubkey, created_at, kind, tags: copy, content, sig })
}

/** A signed event with exactly the seven members of NIP-01, in its order, as JSON. */
export function encodeEvent(event: SignedEvent): string {
  const { id, pubkey, created_at, kind, tags, content, sig } = event
  return JSON.stringify({ id, pubkey, created_at, kind, tags, content, sig })
}
