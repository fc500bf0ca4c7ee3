/**
 * The small values everything else is written in: branded strings, times, results.
 * Never touches a clock, a key or the network.
 */

/** 64 lowercase hex characters that are the x coordinate of a curve point. Made by {@link parsePubkey} (pubkey.ts), never by a cast. */
export type Pubkey = string & { readonly __pubkey: unique symbol }

/** A normalised `wss://` (or allowed `ws://`) URL. Made by `parseRelayUrl` (relay-url.ts), never by a cast. */
export type RelayUrl = string & { readonly __relay: unique symbol }

/** Unix time in milliseconds, from the caller. Never decreases from one step to the next. */
export type Millis = number

/** Unix time in whole seconds, as events carry it. */
export type Seconds = number

/** The `id` inside a request or response (not an event id). Chosen outside: core has no dice. */
export type RequestId = string

/** How a carrier's content is encrypted. */
export type Scheme = 'nip44' | 'nip04'

/** A value, or the peer's fault as a value. A caller's mistake throws {@link UsageError} instead. */
export type Result<T, E> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly error: E }

/** A {@link Result} that went well. */
export function ok<T>(value: T): { readonly ok: true; readonly value: T } {
  return { ok: true, value }
}

/** A {@link Result} that went wrong. */
export function err<E>(error: E): { readonly ok: false; readonly error: E } {
  return { ok: false, error }
}

/** The caller of this library did something that can never work. The message says what would. */
export class UsageError extends TypeError {
  override readonly name = 'UsageError'
}
