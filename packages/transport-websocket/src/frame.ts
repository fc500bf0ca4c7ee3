/**
 * NIP-01 frames: what a relay may send us, as a union or as the code under which it is dropped, and the frames we send.
 * Never throws, never looks inside an event, and never keeps more of a text than its limit.
 */

import { encodeEvent, err, type Filter, ok, type Result, type SignedEvent } from '@nip46/core'
import { AUTH_CHALLENGE_CHARS, ERROR_CHARS } from '@nip46/core/limits'

/** Characters of a subscription id that we read (NIP-01). */
export const SUBSCRIPTION_ID_CHARS = 64

const VERBS = ['EVENT', 'EOSE', 'CLOSED', 'OK', 'NOTICE', 'AUTH']

/** What a relay says, parsed (NIP-01 and NIP-42). Texts are bounded and cleaned by `plainText`. */
export type RelayFrame =
  | { readonly type: 'event'; readonly subscription: string; readonly event: object }
  | { readonly type: 'eose'; readonly subscription: string }
  | { readonly type: 'closed'; readonly subscription: string; readonly reason: string }
  | { readonly type: 'ok'; readonly id: string; readonly accepted: boolean; readonly reason: string }
  | { readonly type: 'notice'; readonly text: string }
  | { readonly type: 'auth'; readonly challenge: string }

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
export function parseRelayFrame(text: string): Result<RelayFrame, FrameProblem> {
  // A frame begins with its verb: whatever nests from the start is not worth parsing.
  if (/^\s*\[\s*[[{]/.test(text)) return err('frame/shape')
  let frame: unknown
  try {
    frame = JSON.parse(text)
  } catch {
    return err('frame/json')
  }
  if (!Array.isArray(frame)) return err('frame/shape')
  const [verb, first, second, third] = frame as readonly unknown[]
  if (typeof verb !== 'string') return err('frame/shape')
  if (!VERBS.includes(verb)) return err('frame/unknown')
  if (typeof first !== 'string') return err('frame/shape')

  if (verb === 'NOTICE') return ok({ type: 'notice', text: plainText(first) })
  if (verb === 'AUTH') {
    if (first === '' || first.length > AUTH_CHALLENGE_CHARS) return err('frame/auth-challenge')
    return ok({ type: 'auth', challenge: first })
  }
  if (verb === 'OK') {
    if (typeof second !== 'boolean' || !isReason(third)) return err('frame/shape')
    return ok({ type: 'ok', id: first, accepted: second, reason: plainText(third) })
  }
  if (first.length > SUBSCRIPTION_ID_CHARS) return err('frame/shape')
  if (verb === 'EOSE') return ok({ type: 'eose', subscription: first })
  if (verb === 'CLOSED') {
    if (!isReason(second)) return err('frame/shape')
    return ok({ type: 'closed', subscription: first, reason: plainText(second) })
  }
  if (typeof second !== 'object' || second === null || Array.isArray(second)) return err('event/shape')
  return ok({ type: 'event', subscription: first, event: second })
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

/** The machine-readable prefix of an OK or CLOSED text, such as `auth-required`; empty when there is none. */
export function reasonPrefix(reason: string): string {
  return /^([a-z-]{1,32}):/.exec(reason)?.[1] ?? ''
}

/**
 * A text of a relay as it may be shown: at most `limits.ERROR_CHARS` characters, and without the control and direction
 * characters with which it could write over a terminal or turn a sentence around.
 */
export function plainText(text: string | undefined): string {
  return (text ?? '').slice(0, ERROR_CHARS).replace(/[\p{Cc}\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu, ' ')
}

// -- helpers -------------------------------------------------------------------------------------

function isReason(value: unknown): value is string | undefined {
  return value === undefined || typeof value === 'string'
}
