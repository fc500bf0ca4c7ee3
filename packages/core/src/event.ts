/**
 * Nostr events as data: shapes, the structural check, the NIP-01 serialisation.
 * Never hashes, signs or verifies; that is the crypto port's work.
 */

import { isObject } from './json.ts'
import { CARRIER_TAGS, EVENT_CHARS_IN } from './limits.ts'
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

export interface UnsignedEvent extends EventTemplate {
  /** 64 lowercase hex characters. */
  readonly pubkey: string
}

export interface SignedEvent extends UnsignedEvent {
  /** sha256 of {@link serializeEvent}, 64 lowercase hex characters. */
  readonly id: string
  /** BIP-340 signature over the id, 128 lowercase hex characters. */
  readonly sig: string
}

const HEX64 = /^[0-9a-f]{64}$/
const HEX128 = /^[0-9a-f]{128}$/

/** Whether it is a text of 64 lower-case hex characters, as ids and pubkeys are. */
export function isHex64(value: unknown): value is string {
  return typeof value === 'string' && HEX64.test(value)
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
 * Errors: `event/shape`, and `event/too-large` past {@link EVENT_CHARS_IN} characters or {@link CARRIER_TAGS} tags.
 */
export function parseSignedEvent(value: unknown): Result<SignedEvent, 'event/shape' | 'event/too-large'> {
  if (!isObject(value)) return err('event/shape')
  const { id, pubkey, created_at, kind, tags, content, sig } = value
  if (!isHex64(id) || !isHex64(pubkey)) return err('event/shape')
  if (typeof sig !== 'string' || !HEX128.test(sig)) return err('event/shape')
  if (!Number.isSafeInteger(created_at) || (created_at as number) < 0) return err('event/shape')
  if (!Number.isSafeInteger(kind) || (kind as number) < 0 || (kind as number) > 65_535)
    return err('event/shape')
  if (typeof content !== 'string' || !Array.isArray(tags)) return err('event/shape')
  if (content.length > EVENT_CHARS_IN || tags.length > CARRIER_TAGS) return err('event/too-large')
  let chars = content.length
  const copied: string[][] = []
  for (const tag of tags) {
    if (!Array.isArray(tag)) return err('event/shape')
    const copy: string[] = []
    for (const item of tag) {
      if (typeof item !== 'string') return err('event/shape')
      chars += item.length
      if (chars > EVENT_CHARS_IN) return err('event/too-large')
      copy.push(item)
    }
    copied.push(copy)
  }
  return ok({
    id,
    pubkey,
    created_at: created_at as number,
    kind: kind as number,
    tags: copied,
    content,
    sig,
  })
}

/** A signed event with exactly the seven members of NIP-01, in its order, as JSON. */
export function encodeEvent(event: SignedEvent): string {
  const { id, pubkey, created_at, kind, tags, content, sig } = event
  return JSON.stringify({ id, pubkey, created_at, kind, tags, content, sig })
}
