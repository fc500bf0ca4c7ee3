/**
 * A relay, made of its parts: how it starts, keeps time, and stops.
 * Never lets what a client sends reach the host as an exception, and never waits for a client without a bound.
 */

import { randomBytes as hostRandomBytes } from 'node:crypto'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { CARRIER_KIND, type Clock, type RelayUrl, UsageError } from '@nip46/core'
import { createConnections } from './connections.ts'
import { createEntrance } from './entrance.ts'
import { createHub } from './hub.ts'
import { completeLimits } from './limits.ts'
import { answerRequest, type RelayFacts } from './relay-info.ts'
import { checkOptions, ownUrls, parseOwnUrl, type RelayOptions } from './relay-options.ts'
import { createRetention } from './retention.ts'
import { countDrop, type RelayStats } from './stats.ts'

/** A relay, on a port of its own or attached to a server of yours. */
export interface RelayServer {
  /** Starts. Rejects if the address cannot be had. */
  listen(): Promise<{ readonly url: RelayUrl; readonly port: number }>
  /**
   * Takes WebSocket upgrades of this relay's path on a server of yours; everything else of it stays yours.
   * With `auth`, needs `auth.urls`.
   */
  attach(server: Server): void
  /** Answers one HTTP request as the relay would: NIP-11 or a short text. For a server that is attached. */
  handleRequest(request: IncomingMessage, response: ServerResponse): void
  /** Ends every connection and stops listening; resolves within `limits.closeMs` and a little. Calling again is fine. */
  close(): Promise<void>
  stats(): RelayStats
}

/**
 * A small relay for NIP-46 traffic.
 *
 * ```ts
 * const relay = createRelay({ crypto: nobleCrypto() })
 * const { url } = await relay.listen() // ws://127.0.0.1:<port>/
 * await relay.close()
 * ```
 *
 * Throws `UsageError` for options that can never work.
 */
export function createRelay(options: RelayOptions): RelayServer {
  const limits = completeLimits(options.limits)
  const clock = options.clock ?? hostClock
  const host = options.host ?? '127.0.0.1'
  const path = options.path ?? '/'
  const kinds = options.kinds ?? [CARRIER_KIND]
  checkOptions(options, path, kinds)

  let state: 'new' | 'open' | 'closed' = 'new'
  let listened: readonly RelayUrl[] = []
  const named = options.auth?.urls?.map(parseOwnUrl)
  const allowed = options.auth?.allow === undefined ? undefined : new Set(options.auth.allow)
  const retention = options.retention === undefined ? undefined : createRetention(options.retention)
  const hub = createHub({
    crypto: options.crypto,
    limits,
    clock,
    randomBytes: options.random ?? ((length) => hostRandomBytes(length)),
    kinds: new Set(kinds),
    auth:
      options.auth === undefined
        ? undefined
        : { allows: (pubkey) => allowed?.has(pubkey) ?? true, urls: () => named ?? listened },
    retention,
    mute: options.mute ?? false,
  })
  const facts: RelayFacts = {
    info: options.info ?? {},
    limits,
    kinds,
    authRequired: options.auth !== undefined,
    retention: options.retention && {
      seconds: options.retention.seconds,
      events: options.retention.events ?? 2_000,
    },
  }
  const connections = createConnections(hub, options.onError)
  const entrance = createEntrance(hub, {
    path,
    onOpen: connections.open,
    addressOf: options.addressOf,
    onError: options.onError,
  })
  let own: Server | undefined
  let sweepTimer: unknown
  let closing: Promise<void> | undefined

  const handleRequest = (request: IncomingMessage, response: ServerResponse): void =>
    answerRequest(request, response, path, facts)

  const sweep = (): void => {
    sweepTimer = clock.setTimer(sweep, limits.pingMs)
    retention?.prune(clock.now())
    connections.sweep()
  }

  const open = (): void => {
    if (state === 'closed') throw new UsageError('this relay is closed: create another')
    if (state === 'new') sweepTimer = clock.setTimer(sweep, limits.pingMs)
    state = 'open'
  }

  const shut = async (): Promise<void> => {
    state = 'closed'
    clock.clearTimer(sweepTimer)
    const server = own
    const gone =
      server === undefined ? Promise.resolve() : new Promise<void>((resolve) => server.close(() => resolve()))
    const left = connections.close()
    entrance.close()
    await within(limits.closeMs, left)
    connections.terminate()
    entrance.destroy()
    await within(limits.closeMs, gone)
  }

  return {
    async listen() {
      open()
      if (own !== undefined) throw new UsageError('this relay listens already')
      const server = entrance.createServer(handleRequest)
      own = server
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject)
        server.listen({ host, port: options.port ?? 0 }, () => {
          server.off('error', reject)
          resolve()
        })
      }).catch((error: unknown) => {
        own = undefined
        throw error
      })
      // After this, such as when the process runs out of file descriptors: a lost client, not a lost host.
      server.on('error', (error) => {
        countDrop(hub.counters, 'socket-error')
        options.onError?.(error)
      })
      const address = server.address()
      const port = typeof address === 'object' && address !== null ? address.port : 0
      listened = ownUrls(host, port, path)
      return { url: listened[0] as RelayUrl, port }
    },

    attach(server) {
      if (options.auth !== undefined && named === undefined) {
        throw new UsageError('an attached relay does not know its URL: give auth.urls')
      }
      open()
      entrance.attach(server)
    },

    handleRequest,

    close() {
      closing ??= shut()
      return closing
    },

    stats: () => ({
      connections: connections.size,
      connected: hub.counters.connected,
      subscriptions: hub.subscriptions.size,
      received: hub.counters.received,
      accepted: hub.counters.accepted,
      delivered: hub.counters.delivered,
      stored: retention?.size ?? 0,
      storedBytes: retention?.bytes ?? 0,
      dropped: Object.fromEntries(hub.counters.dropped),
    }),
  }
}

/** The host's time. Its timers keep no process alive: the listening socket does. */
const hostClock: Clock = {
  now: () => Date.now(),
  setTimer: (run, afterMs) => setTimeout(run, afterMs).unref(),
  clearTimer: (handle) => clearTimeout(handle as NodeJS.Timeout | undefined),
}

/** Waits for something to end, and no longer than this. In the host's time, whatever clock the relay was given. */
async function within(ms: number, ended: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms)
  })
  await Promise.race([ended, late])
  clearTimeout(timer)
}
