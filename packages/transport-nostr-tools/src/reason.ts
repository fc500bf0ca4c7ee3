/**
 * Why a relay refused, in its words: read, and cleaned before anybody sees them.
 * Never passes on what would change how the text around it is shown.
 */

import { limits } from '@nip46/core'

/** The reason given when the pool's `allowConnectingToRelay` says no. */
export const NOT_ALLOWED = 'relay/not-allowed'

/** Prefixes of a CLOSED that will not change by asking again. */
export const FINAL: ReadonlySet<string> = new Set([
  'auth-required',
  'blocked',
  'invalid',
  'mute',
  'pow',
  'restricted',
  'unsupported',
])

/** The word before the colon; empty if there is none. */
export function prefixOf(reason: string): string {
  return /^([a-z-]{1,32}):/.exec(reason)?.[1] ?? ''
}

/** nostr-tools rejects with errors and with strings. Control and direction characters of a relay are not passed on. */
export function describe(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error)
  return cleaned(text === '' ? 'refused' : text)
}

export function cleaned(text: string): string {
  return text.slice(0, limits.ERROR_CHARS).replace(/[\p{Cc}\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu, ' ')
}
