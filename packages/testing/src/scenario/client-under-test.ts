/**
 * The few things a client of NIP-46 is asked to do here, whoever wrote it, and how one call of it ended.
 * Never says what is right: that is in the scenarios.
 */

import type { EventTemplate } from '@nip46/core'

/**
 * One client in one process or in this one. Every method may reject with anything or never settle: that is what is found
 * out. Nothing may be added to what an app of this library would write.
 */
export interface ClientUnderTest {
  /** Logs in with a bunker:// URI; resolves when requests can be made. */
  connect(uri: string): Promise<void>
  /** Shows a nostrconnect:// URI over these relays and returns it. */
  offer(relays: readonly string[]): Promise<string>
  /** Resolves when a remote signer has taken the offer and requests can be made. */
  taken(): Promise<void>
  getPublicKey(): Promise<unknown>
  signEvent(template: EventTemplate): Promise<unknown>
  nip44Encrypt(peer: string, text: string): Promise<unknown>
  nip44Decrypt(peer: string, text: string): Promise<unknown>
  nip04Encrypt(peer: string, text: string): Promise<unknown>
  nip04Decrypt(peer: string, text: string): Promise<unknown>
  ping(): Promise<unknown>
  /** Asks the remote signer where it wants to be reached. Rejects with {@link NotOffered} where a library has no such method. */
  switchRelays(): Promise<unknown>
  /** The pages (auth_url) the app was told of so far. */
  pages(): Promise<readonly string[]>
  /** Ends it as the library's documentation says. */
  close(): Promise<void>
}

export type ClientDeed = keyof ClientUnderTest

export const CLIENT_DEEDS: readonly ClientDeed[] = [
  'connect',
  'offer',
  'taken',
  'getPublicKey',
  'signEvent',
  'nip44Encrypt',
  'nip44Decrypt',
  'nip04Encrypt',
  'nip04Decrypt',
  'ping',
  'switchRelays',
  'pages',
  'close',
]

/** A client, and what only its host knows of it. */
export interface HostedClient extends ClientUnderTest {
  /** Why its process ended, in its own words; undefined while it lives or if it has none of its own. */
  readonly ended: () => string | undefined
  /** Closes it and waits for its process to end by itself. Missing where the client has no process of its own. */
  readonly drain?: (limitMs: number) => Promise<Drained>
  /** Ends it, whatever it does. */
  stop(): Promise<void>
}

/** What became of a process after the client in it was told to close. */
export interface Drained {
  /** Milliseconds that `close()` took; undefined if it did not resolve. */
  readonly closedMs: number | undefined
  /** Milliseconds from then until nothing held the event loop any more; undefined if that took longer than the limit. */
  readonly emptyMs: number | undefined
  /** What Node says held the event loop shortly after `close()`, as `Timeout` or `TCPSocketWrap`. */
  readonly heldBy: readonly string[]
  /** What `close()` rejected with. */
  readonly rejected: string | undefined
}

/** How one call ended, `ms` after it began. `error` is what it rejected with, as text. */
export type Settled<T> =
  | { readonly type: 'value'; readonly value: T; readonly ms: number }
  | { readonly type: 'error'; readonly error: string; readonly ms: number }
  | { readonly type: 'hang'; readonly ms: number }

/** A library has no such method: what depends on it does not apply to it. */
export class NotOffered extends Error {
  override readonly name = 'NotOffered'
  constructor() {
    super(NOT_OFFERED)
  }
}

/** What {@link describeRejection} says of {@link NotOffered}, also from another process. */
export const NOT_OFFERED = 'the library has no such method'

/** What a library in another process rejected with, in the words that process found for it. */
export class RejectedElsewhere extends Error {
  override readonly name = 'RejectedElsewhere'
}

/** Characters of a rejection that are kept. */
export const REJECTION_CHARS = 300

/** What something rejected with, in words: not everybody rejects with an `Error`. */
export function describeRejection(cause: unknown): string {
  const text = readRejection(cause).replaceAll(/\s+/g, ' ').trim()
  return text.length > REJECTION_CHARS ? `${text.slice(0, REJECTION_CHARS)}…` : text
}

function readRejection(cause: unknown): string {
  if (cause instanceof RejectedElsewhere || cause instanceof NotOffered) return cause.message
  if (cause instanceof AggregateError) {
    return `${cause.name}: ${cause.errors.map((one) => readRejection(one)).join('; ')}`
  }
  if (cause instanceof Error) return `${cause.name}: ${cause.message}`
  if (typeof cause === 'string') return `the text "${cause}"`
  if (cause === undefined) return 'undefined'
  return `an object: ${JSON.stringify(cause)}`
}
