/**
 * Every bound of the relay by name, with its default. Worst memory is roughly `connections` times
 * (`frameBytes` + `outgoingBytes` + `filterValues` x 300 bytes), and the retention beside it.
 * Never holds protocol limits of NIP-46 itself: those are core's.
 */

import { limits as protocol, UsageError } from '@nip46/core'

/** Every bound of a relay. Each can be set by the option `limits`. */
export interface RelayLimits {
  /** Sockets open at the same time; a further one is answered with 503. */
  readonly connections: number
  /** Of one address (IPv6: of one /64); a further one is answered with 429. */
  readonly connectionsPerAddress: number
  /** From the opening of a TCP connection until it is a WebSocket or its page is served, in milliseconds. */
  readonly handshakeMs: number
  /** Between two pings of a connection, in milliseconds. */
  readonly pingMs: number
  /** A connection from which nothing came for so long, not even a pong, is dropped. In milliseconds. */
  readonly silentMs: number
  /** A connection without a subscription is closed this long after its last message, in milliseconds. */
  readonly unusedMs: number
  /** `close()` of the relay, and the closing handshake of one connection, take no longer. In milliseconds. */
  readonly closeMs: number
  /** Bytes of one incoming message; a larger one closes the connection with 1009. */
  readonly frameBytes: number
  /** WebSocket fragments of one message; more close the connection with 1008. */
  readonly fragments: number
  /** TCP segments an unfinished frame may come in; more close the connection with 1008. */
  readonly bufferedChunks: number
  /** Bytes that wait for one slow reader; beyond, it is dropped. At least `frameBytes`. */
  readonly outgoingBytes: number
  /**
   * Messages and pings of one connection, sustained. One token for each {@link BYTES_PER_TOKEN} begun, and one for each
   * `STORED_CHECKS_PER_TOKEN` of a REQ.
   */
  readonly messagesPerSecond: number
  /** Messages of one connection at once. */
  readonly messageBurst: number
  /** Messages over the rate, in a minute, that are still answered `rate-limited:`; then 1008. */
  readonly rateRefusals: number
  /** Extra tokens for an event with a wrong id or signature: they cost the relay the most. */
  readonly forgeryTokens: number
  /** Open subscriptions of one connection. */
  readonly subscriptions: number
  /** Filters of one REQ. */
  readonly filters: number
  /** List entries in all filters of all subscriptions of one connection. */
  readonly filterValues: number
  /** Characters of one value in a tag filter. */
  readonly filterValueChars: number
  /** Characters of a subscription id (NIP-01). */
  readonly subscriptionIdChars: number
  /** Public keys one connection may authenticate. */
  readonly authPubkeys: number
  /** Event ids remembered in order to answer `duplicate:`. */
  readonly recentIds: number
  /** An event older than this is refused, in seconds. */
  readonly pastSeconds: number
  /** An event further in the future than this is refused, in seconds. */
  readonly futureSeconds: number
}

/** Bytes of a message that one token of the rate pays for. */
export const BYTES_PER_TOKEN = 16_384
/** Conditions of a REQ, times stored events to hold them against, that one more token pays for. */
export const STORED_CHECKS_PER_TOKEN = 10_000
/** An AUTH event further from now than this is refused, in seconds (NIP-42: about 10 minutes). */
export const AUTH_WINDOW_SECONDS = 600

/** What holds unless `limits` of `createRelay` says otherwise. */
export const DEFAULT_LIMITS: RelayLimits = {
  connections: 1_024,
  connectionsPerAddress: 128,
  handshakeMs: 10_000,
  pingMs: 30_000,
  silentMs: 75_000,
  unusedMs: 600_000,
  closeMs: 1_000,
  frameBytes: 262_144,
  fragments: 128,
  bufferedChunks: 8_192,
  outgoingBytes: 1_048_576,
  messagesPerSecond: 50,
  messageBurst: 200,
  rateRefusals: 100,
  forgeryTokens: 20,
  subscriptions: 32,
  filters: 16,
  filterValues: 4_096,
  filterValueChars: 128,
  subscriptionIdChars: 64,
  authPubkeys: 16,
  recentIds: 20_000,
  pastSeconds: protocol.FRESHNESS_SECONDS,
  futureSeconds: protocol.FRESHNESS_SECONDS,
}

/** The defaults with some replaced. Throws `UsageError` for a limit that is unknown or no whole number from 1. */
export function completeLimits(some: Partial<RelayLimits> = {}): RelayLimits {
  for (const [name, value] of Object.entries(some)) {
    if (!Object.hasOwn(DEFAULT_LIMITS, name)) throw new UsageError(`limits.${name} is no limit of the relay`)
    if (!Number.isSafeInteger(value) || value < 1) {
      throw new UsageError(`limits.${name} must be a whole number from 1`)
    }
  }
  const limits = { ...DEFAULT_LIMITS, ...some }
  if (limits.outgoingBytes < limits.frameBytes) {
    throw new UsageError('limits.outgoingBytes must be at least limits.frameBytes, or no large event passes')
  }
  return limits
}
