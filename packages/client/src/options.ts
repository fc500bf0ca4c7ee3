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
  clientProfile,
  type Era,
  encodePermissions,
  type Permission,
  parseMetadata,
  parsePermission,
  type RandomBytes,
  type Transport,
  UsageError,
} from '@nip46/core'
import { callHost, hostClock, hostRandom } from './host.ts'
import {
  CONCURRENT_REQUESTS,
  CONCURRENT_REQUESTS_MAX,
  PLAINTEXT_CACHE_BYTES_MAX,
  TIMEOUT_MS_MAX,
} from './limits.ts'
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
   * Bytes of plaintexts (and their ciphertexts) kept in memory so that the same text is not decrypted twice, up to
   * `PLAINTEXT_CACHE_BYTES_MAX`; wiped when the session ends. Default 0: none are kept.
   */
  readonly plaintextCache?: number
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
  /** The dialect of the remote signer: an era's name, or a profile made with `clientProfile`. Default `E`, today's. */
  readonly profile?: Era | ClientProfile
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

/** {@link SessionOptions} with everything filled in. */
export interface Ports {
  readonly crypto: Crypto
  readonly transport: Transport
  readonly random: RandomBytes
  readonly clock: Clock
  readonly timeouts: Timeouts
  readonly onAuthUrl: (auth: AuthUrl) => void
  readonly onEvent: (event: SessionEvent) => void
  readonly store: SessionStore | undefined
  readonly concurrency: number
  readonly plaintextCache: number
  readonly signal: AbortSignalLike | undefined
  readonly allowCreatedAtChange: boolean
  readonly allowInsecure: boolean
  readonly allowLoopbackAuth: boolean
}

/** Throws `UsageError` on what can never work. */
export function readOptions(options: SessionOptions): Ports {
  const { crypto, transport, onAuthUrl, onEvent, timeouts = {} } = options
  if (crypto === undefined)
    throw new UsageError('crypto is needed: smallCrypto() or tinyCrypto() of @nip46/crypto')
  if (transport === undefined) {
    throw new UsageError('transport is needed: createRelayPool() of @nip46/transport-websocket')
  }
  for (const ms of [timeouts.connect, timeouts.offer, timeouts.request]) checkTimeout(ms)
  const { concurrency = CONCURRENT_REQUESTS, plaintextCache = 0 } = options
  checkCount('concurrency', concurrency, 1, CONCURRENT_REQUESTS_MAX)
  checkCount('plaintextCache', plaintextCache, 0, PLAINTEXT_CACHE_BYTES_MAX)
  const randomOf = options.random ?? hostRandom
  return {
    crypto,
    transport,
    random: (length) => checkRandom(randomOf(length), length),
    clock: options.clock ?? hostClock,
    timeouts,
    onAuthUrl: (auth) => void callHost(() => onAuthUrl?.(auth)),
    onEvent: (event) => void callHost(() => onEvent?.(event)),
    store: options.store,
    concurrency,
    plaintextCache,
    signal: options.signal,
    allowCreatedAtChange: options.allowCreatedAtChange === true,
    allowInsecure: options.allowInsecureRelays === true,
    allowLoopbackAuth: options.allowLoopbackAuthUrl === true,
  }
}

export interface Wishes {
  readonly profile: ClientProfile
  readonly permissions: readonly Permission[]
  /** The same, as NIP-46 writes them. */
  readonly perms: string
  readonly metadata: ClientMetadata | null
}

/** Throws `UsageError` on an unknown permission or metadata that cannot be sent. */
export function readWishes(options: LoginOptions): Wishes {
  const { profile = 'E', perms = [], metadata } = options
  const permissions = perms.map((entry) => {
    const permission = parsePermission(entry)
    if (permission === undefined) {
      throw new UsageError(
        `perms holds methods of NIP-46, or sign_event with a kind: not ${JSON.stringify(entry)}`,
      )
    }
    return permission
  })
  return {
    profile: typeof profile === 'string' ? profileOf(profile) : profile,
    permissions,
    perms: encodePermissions(permissions),
    metadata: metadata === undefined ? null : cleanMetadata(metadata),
  }
}

export function checkTimeout(ms: number | undefined): void {
  if (ms === undefined || (typeof ms === 'number' && ms > 0 && ms <= TIMEOUT_MS_MAX)) return
  throw new UsageError(`a time-out is a number of milliseconds from 1 to ${TIMEOUT_MS_MAX}`)
}

function checkCount(name: string, value: number, min: number, max: number): void {
  if (Number.isInteger(value) && value >= min && value <= max) return
  throw new UsageError(`${name} is a whole number from ${min} to ${max}`)
}

function profileOf(era: Era): ClientProfile {
  const profile = clientProfile(era)
  if (profile.era !== era)
    throw new UsageError('profile is an era (A0, A1, SEED, B, C, D, E) or a ClientProfile')
  return profile
}

function cleanMetadata(metadata: ClientMetadata): ClientMetadata {
  const clean = parseMetadata(JSON.stringify(metadata))
  if (clean === null)
    throw new UsageError('metadata holds a name, a url and an image, in a few hundred characters')
  return clean
}

function checkRandom(bytes: Uint8Array, length: number): Uint8Array {
  if (bytes instanceof Uint8Array && bytes.length === length) return bytes
  throw new UsageError('random(length) returns a Uint8Array of that many secure random bytes')
}
