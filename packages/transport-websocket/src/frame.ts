/**
 * NIP-01 frames: what a relay may send us, or the code under which it is dropped, and the frames we send.
 * Never throws, never looks inside an event, and never keeps more of a text than its limit.
 */

import { cleanText, encodeEvent, type Filter, type SignedEvent } from '@nip46/core'
import { AUTH_CHALLENGE_CHARS, ERROR_CHARS } from '@nip46/core/limits'

/** What a relay says, read (NIP-01 and NIP-42). Each verb has its own of these members, and the others say nothing. */
export interface RelayFrame {
  readonly verb: 'EVENT' | 'EOSE' | 'CLOSED' | 'OK' | 'NOTICE' | 'AUTH'
  /** The id of a subscription, or in an OK of an event; the text of a NOTICE or the challenge of an AUTH, as they came. */
  readonly subject: string
  /** Of an EVENT the event, an object; of an OK whether the relay has the event, a boolean. */
  readonly body: unknown
  /** Of an OK and a CLOSED, as one line within its limit; empty if the relay gave none. */
  readonly reason: string
}

/** Why a frame, taken alone, is dropped. */
export type FrameProblem =
  | 'frame/json'
  | 'frame/shape'
  | 'frame/unknown'
  | 'frame/auth-challenge'
  | 'event/shape'

/** Why a frame is dropped; the last two can only be told beside what was sent on the connection. */
export type FrameDrop = FrameProblem | 'frame/unknown-ok' | 'frame/unknown-subscription'

/**
 * One text message of a relay. The caller has bounded its length (`limits.FRAME_BYTES`).
 *
 * More elements than a verb needs are ignored, since relays add some. A missing reason is the empty text.
 */
export function parseRelayFrame(text: string): RelayFrame | FrameProblem {
  // A frame begins with its verb: whatever nests from the start is not worth parsing.
  if (/^\s*\[\s*[[{]/.test(text)) return 'frame/shape'
  let frame: unknown
  try {
    frame = JSON.parse(text)
  } catch {
    return 'frame/json'
  }
  const [verb, subject, body, third] = Array.isArray(frame) ? (frame as readonly unknown[]) : []
  const reason = verb === 'OK' ? third : verb === 'CLOSED' ? body : ''
  if (typeof verb !== 'string') return 'frame/shape'
  if (!/^(?:EVENT|EOSE|CLOSED|OK|NOTICE|AUTH)$/.test(verb)) return 'frame/unknown'
  if (typeof subject !== 'string' || (reason !== undefined && typeof reason !== 'string'))
    return 'frame/shape'
  if (verb === 'OK' && typeof body !== 'boolean') return 'frame/shape'
  if (verb === 'AUTH' && (subject === '' || subject.length > AUTH_CHALLENGE_CHARS))
    return 'frame/auth-challenge'
  if (verb === 'EVENT' && (typeof body !== 'object' || body === null || Array.isArray(body)))
    return 'event/shape'
  return { verb: verb as RelayFrame['verb'], subject, body, reason: plainText(reason) }
}

/** `["EVENT", event]`, or `["AUTH", event]` (NIP-42), with exactly the members of NIP-01. */
export function signedFrame(verb: 'EVENT' | 'AUTH', event: SignedEvent): string {
  return `["${verb}",${encodeEvent(event)}]`
}

/** `["REQ", id, ...filters]`. */
export function requestFrame(id: string, filters: readonly Filter[]): string {
  return JSON.stringify(['REQ', id, ...filters])
}

/** `["CLOSE", id]`. */
export function closeFrame(id: string): string {
  return JSON.stringify(['CLOSE', id])
}

/**
 * A text of a relay as it may be shown: one line of at most `limits.ERROR_CHARS` characters, without those with which it could write
 * over a terminal or turn a sentence around.
 */
export function plainText(text = ''): string {
  return text && cleanText(text.slice(0, ERROR_CHARS), ERROR_CHARS)
}
