/**
 * What a session is given: ports, callbacks, limits in time; and their defaults.
 * Never reads the environment.
 */

import {
  type AbortSignalLike,
  type ClientMetadata,
  type ClientProfile,
  type Clock,
  type Crypto,
  cleanMetadata,
  joinPermissions,
  parseRelayUrl,
  type RandomBytes,
  type RelayUrl,
  type Transport,
  UsageError,
} from '@nip46/core'
import { Nip46Error } from './error.ts'
import { hostClock, hostRandom } from './host.ts'
import { CONCURRENT_REQUESTS, CONCURRENT_REQUESTS_MAX, TIMEOUT_MS_MAX } from './limits.ts'
import type { PlaintextCache } from './plaintext-cache.ts'
import { readProfile } from './saved-session.ts'
import type { AuthUrl, SessionEvent } from './session-event.ts'
import type { SessionStore } from './session-store.ts'

/** What every session runs on, new or resumed. `crypto` and `transport` are needed, the rest has defaults. */
export interface SessionOptions {
  readonly crypto: Crypto
  /** Stays yours: close it after the last session that uses it. */
  readonly transport: Transport
  /** Secure random bytes. Default: `globalThis.crypto.getRandomValues`. */
  readonly random?: RandomBytes
  /** Default: the host's time and timers. */
  readonly clock?: Clock
  readonly timeouts?: Timeouts
  /**
   * The remote signer wants the user to visit a page. Show the origin and let the user open it; the request goes on by
   * itself. Nothing is ever opened here. Without this callback such a request waits for its (extended) time-out.
   */
  readonly onAuthUrl?: (auth: AuthUrl) => void
  readonly onEvent?: (event: SessionEvent) => void
  /**
   * Keeps the session by itself: saved once it is ready and when it moves to other relays, cleared on logout. A store
   * that fails is told of as the alert `store/failed`; the session goes on.
   */
  readonly store?: SessionStore
  /** Requests under way at the same time, 1 to `CONCURRENT_REQUESTS_MAX`; others wait for their turn. Default `CONCURRENT_REQUESTS`. */
  readonly concurrency?: number
  /**
   * Keeps plaintexts in memory so that the same text is not decrypted twice: one of `createPlaintextCache`. Sessions may
   * share it, each of its own user's texts; whichever ends wipes all of it. Default: none are kept.
   */
  readonly plaintextCache?: PlaintextCache
  /** Ends the login with `cancelled`. Once the session is there it has no effect. */
  readonly signal?: AbortSignalLike
  /** Take a signed event whose `created_at` differs from the one asked for. Default false. */
  readonly allowCreatedAtChange?: boolean
  /** Take an auth_url that leads to this machine in plain `http:`, for development. Default false: only `https:`. */
  readonly allowLoopbackAuthUrl?: boolean
  /** Take `ws://` relays from the URI, the offer or the saved session. A switch to one is always refused. Default false. */
  readonly allowInsecureRelays?: boolean
}

/** What a new connection is given beside {@link SessionOptions}. */
export interface LoginOptions extends SessionOptions {
  /** The client's secret key, 32 bytes, copied: one for each connection. Default: a fresh random one. */
  readonly clientKey?: Uint8Array
  /** The dialect of the remote signer, where it is not today's: single habits, or those of an era by `clientProfile`. */
  readonly profile?: Partial<ClientProfile>
  /** What to ask for, such as `['sign_event:1', 'nip44_encrypt']`. Suggestions: the user of the remote signer decides. */
  readonly perms?: readonly string[]
  /** What the remote signer shows its user about this app. */
  readonly metadata?: ClientMetadata
}

/** In milliseconds, each up to `TIMEOUT_MS_MAX`. */
export interface Timeouts {
  /** For the remote signer to answer `connect`. Default 65,000; an auth_url extends it to 300,000. */
  readonly connect?: number
  /** For a remote signer to take a nostrconnect:// offer. Default 300,000. */
  readonly offer?: number
  /** For one request. Default 60,000; an auth_url extends it to 300,000. */
  readonly request?: number
}

/** {@link SessionOptions} with the defaults filled in. */
export type Ports = SessionOptions &
  Required<Pick<SessionOptions, 'random' | 'clock' | 'timeouts' | 'concurrency'>>

/** Throws `UsageError` on what can never work. */
export function readOptions(options: SessionOptions): Ports {
  const { crypto, transport, random = hostRandom, clock = hostClock, timeouts = {} } = options
  if (crypto === undefined || transport === undefined) {
    misuse('crypto and transport are needed')
  }
  for (const ms of Object.values<number | undefined>({ ...timeouts })) checkTimeout(ms)
  const { concurrency = CONCURRENT_REQUESTS } = options
  checkRange('concurrency', concurrency, 1, CONCURRENT_REQUESTS_MAX)
  return { ...options, random, clock, timeouts, concurrency }
}

export interface Wishes {
  readonly profile: ClientProfile
  /** As NIP-46 writes them. */
  readonly perms: string
  readonly metadata: ClientMetadata | null
}

/** Throws `UsageError` on a profile that is none, and on unknown permissions. */
export function readWishes({ profile = {}, perms = [], metadata }: LoginOptions): Wishes {
  return {
    profile: readProfile(profile) ?? misuse('profile is made by clientProfile'),
    perms: joinPermissions(perms),
    metadata: metadata ? cleanMetadata(metadata) : null,
  }
}

/** Throws `uri/relay-insecure` if one of the relays that somebody kept may not be used. */
export function checkRelays(
  relays: readonly RelayUrl[],
  { allowInsecureRelays: allowInsecure }: Ports,
): void {
  if (relays.every((relay) => parseRelayUrl(relay, { allowInsecure }).ok)) return
  const message = 'a relay is not encrypted: see allowInsecureRelays'
  throw new Nip46Error({ code: 'uri/relay-insecure', message })
}

export function checkTimeout(ms: number | undefined): void {
  if (ms !== undefined) checkRange('a time-out in milliseconds', ms, 1, TIMEOUT_MS_MAX)
}

export function checkRange(name: string, value: number, min: number, max: number): void {
  if (typeof value === 'number' && value >= min && value <= max) return
  misuse(`${name} is a number from ${min} to ${max}`)
}

/** The caller did something that can never work. */
export function misuse(message: string): never {
  throw new UsageError(message)
}
