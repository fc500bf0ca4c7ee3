/**
 * What a relay is made of, whether that can work, and the URLs under which it is dialled.
 * Never starts anything.
 */

import type { IncomingMessage } from 'node:http'
import {
  AUTH_KIND,
  type Clock,
  isHex64,
  parseRelayUrl,
  type RandomBytes,
  type RelayUrl,
  UsageError,
} from '@nip46/core'
import type { RelayCrypto } from './hub.ts'
import type { RelayLimits } from './limits.ts'
import type { RelayInfo } from './relay-info.ts'
import type { RetentionOptions } from './retention.ts'

/** Who may use a relay that asks for authentication (NIP-42). */
export interface RelayAuthOptions {
  /** Public keys that may use the relay, 64 lowercase hex characters each. Default: any key that is proved. */
  readonly allow?: readonly string[]
  /**
   * The URLs under which clients dial this relay. Default: the address it listens on, and `localhost` for a
   * loopback address. Needed behind a proxy, and to listen on other addresses.
   */
  readonly urls?: readonly string[]
}

/** What a relay is made of. Only `crypto` is needed. */
export interface RelayOptions {
  /** Checks ids and signatures, such as `nobleCrypto()` of `@nip46/crypto/noble`. */
  readonly crypto: RelayCrypto
  /** Default `127.0.0.1`: this machine only. */
  readonly host?: string
  /** Default 0: any free port. */
  readonly port?: number
  /** The one path that is the relay. Default `/`. */
  readonly path?: string
  /** Kinds of events that are accepted. Default: 24133 alone. */
  readonly kinds?: readonly number[]
  /** Serve only those who authenticate (NIP-42). Default: everybody. */
  readonly auth?: RelayAuthOptions
  /** Keep events for a while, for a `since` after a gap. Default: nothing is kept. */
  readonly retention?: RetentionOptions
  /** Answer an event nobody listens for with OK false `mute:`. Default false. */
  readonly mute?: boolean
  readonly limits?: Partial<RelayLimits>
  readonly info?: RelayInfo
  /**
   * Who a request is from, for `connectionsPerAddress`, when a proxy of yours stands in front. Default: the
   * address of the socket.
   */
  readonly addressOf?: (request: IncomingMessage) => string | undefined
  readonly clock?: Clock
  /** For challenges. Default: the host's secure source. */
  readonly random?: RandomBytes
  /** Told of faults of the relay itself and of its listening socket, never of what clients do. */
  readonly onError?: (error: unknown) => void
}

/** Throws `UsageError` for options that can never work. */
export function checkOptions(options: RelayOptions, path: string, kinds: readonly number[]): void {
  if (!path.startsWith('/') || /[?#]/.test(path))
    throw new UsageError('path must start with / and hold no ? or #')
  if (kinds.length === 0 || !kinds.every((kind) => Number.isInteger(kind) && kind >= 0 && kind <= 65_535)) {
    throw new UsageError('kinds must be a list of whole numbers from 0 to 65535')
  }
  if (kinds.includes(AUTH_KIND))
    throw new UsageError('kind 22242 is never relayed (NIP-42): leave it out of kinds')
  const { auth } = options
  if (auth === undefined) return
  if (auth.allow?.every(isHex64) === false) {
    throw new UsageError('auth.allow must hold public keys of 64 lowercase hex characters')
  }
  if (auth.urls === undefined && options.host !== undefined && !isLoopback(options.host)) {
    throw new UsageError(
      'with auth on a public address, give auth.urls: the URLs under which clients dial this relay',
    )
  }
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host)
}

/** Throws `UsageError` for what is none. */
export function parseOwnUrl(text: string): RelayUrl {
  const url = parseRelayUrl(text, { allowInsecure: true })
  if (!url.ok) throw new UsageError(`auth.urls: ${text} is no ws:// or wss:// URL`)
  return url.value
}

/** The first is the one to hand out. An address that means "any" is dialled as loopback. */
export function ownUrls(host: string, port: number, path: string): readonly RelayUrl[] {
  const dialled = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host
  const names = isLoopback(dialled) ? [dialled, '127.0.0.1', '::1', 'localhost'] : [dialled]
  return [...new Set(names)].map((name) =>
    parseOwnUrl(`ws://${name.includes(':') ? `[${name}]` : name}:${port}${path}`),
  )
}
