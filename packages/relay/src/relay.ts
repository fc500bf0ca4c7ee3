/**
 * The relay on the network: an HTTP server, WebSockets, time-outs, and one session for each connection.
 * Never lets what a client sends reach the host as an exception, and never waits for a client without a bound.
 */

import { randomBytes as hostRandomBytes } from 'node:crypto'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { CARRIER_KIND, type Clock, type RelayUrl, UsageError } from '@nip46/core'
import { type WebSocket, WebSocketServer } from 'ws'
import { type AdmissionRefusal, createAdmission } from './admission.ts'
import { createHub } from './hub.ts'
import { completeLimits } from './limits.ts'
import { describeRelay, greetVisitor, type RelayFacts } from './relay-info.ts'
import { checkOptions, ownUrls, parseOwnUrl, type RelayOptions } from './relay-options.ts'
import { createRetention } from './retention.ts'
import { createSession, type Session } from './session.ts'
import { countDrop, type DropCode, type RelayStats } from './stats.ts'

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

interface Connection {
  readonly socket: WebSocket
  readonly session: Session
  lastHeard: number
  lastMessage: number
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
    randomBytes: options.randomBytes ?? ((length) => hostRandomBytes(length)),
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
  const drop = (code: DropCode): void => countDrop(hub.counters, code)

  const connections = new Set<Connection>()
  const admission = createAdmission(limits.connections, limits.connectionsPerAddress)
  const forwarded = createAdmission(limits.connections, limits.connectionsPerAddress)
  /** TCP sockets of our own server, and the timer that ends each unless it becomes a WebSocket. */
  const sockets = new Map<Duplex, unknown>()
  const releases: (() => void)[] = []
  let own: Server | undefined
  let sweepTimer: unknown
  let closing: Promise<void> | undefined

  // `closeTimeout` is an option of ws that its types do not know yet.
  const wsOptions = {
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    autoPong: false,
    maxPayload: limits.frameBytes,
    maxFragments: limits.fragments,
    maxBufferedChunks: limits.bufferedChunks,
    closeTimeout: limits.closeMs,
  }
  const webSockets = new WebSocketServer(wsOptions)
  // Node says it with every other answer; whoever connects learns from it whether its own clock is wrong.
  webSockets.on('headers', (headers) => headers.push(`Date: ${new Date(clock.now()).toUTCString()}`))

  // -- WebSockets ------------------------------------------------------------------------------

  const openConnection = (socket: WebSocket): void => {
    const dropConnection = (code: DropCode): void => {
      if (!connections.has(connection)) return
      drop(code)
      forget()
      socket.terminate()
    }
    const forget = (): void => {
      connections.delete(connection)
      connection.session.end()
    }
    const session = createSession(hub, {
      send(text) {
        if (socket.readyState !== socket.OPEN) return
        socket.send(text)
        if (socket.bufferedAmount > limits.outgoingBytes) dropConnection('slow-reader')
      },
      close(code, reason) {
        connections.delete(connection)
        socket.close(code, reason)
      },
      waiting: () => socket.bufferedAmount,
    })
    const now = clock.now()
    const connection: Connection = { socket, session, lastHeard: now, lastMessage: now }
    connections.add(connection)
    hub.counters.connected += 1

    socket.on('message', (data, isBinary) => {
      const bytes = data as Buffer
      connection.lastHeard = clock.now()
      connection.lastMessage = connection.lastHeard
      try {
        if (isBinary) session.receiveBinary(bytes.length)
        else session.receive(bytes.toString('utf8'), bytes.length)
      } catch (error) {
        // Only a fault of ours, or of the crypto given to us, comes here. It costs this connection, not the host.
        dropConnection('internal')
        options.onError?.(error)
      }
    })
    socket.on('ping', (data) => {
      connection.lastHeard = clock.now()
      if (!session.receiveControl() || socket.readyState !== socket.OPEN) return
      socket.pong(data)
      if (socket.bufferedAmount > limits.outgoingBytes) dropConnection('slow-reader')
    })
    socket.on('pong', () => {
      connection.lastHeard = clock.now()
      session.receiveControl()
    })
    socket.on('error', (error) => {
      const code = (error as NodeJS.ErrnoException).code ?? ''
      drop(
        code === 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH'
          ? 'frame-bytes'
          : code.startsWith('WS_ERR')
            ? 'protocol'
            : 'socket-error',
      )
      // ws answers with the right close code by itself.
      forget()
    })
    socket.on('close', forget)
  }

  const onUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    if (!socket.writable) {
      // Refused a moment ago, and its request arrived all the same.
      socket.destroy()
      return
    }
    const ours = sockets.has(socket)
    if (pathOf(request) !== path) {
      // On a server of the host, another path is another's.
      if (ours) refuseSocket(socket, '404 Not Found')
      return
    }
    if (!ours) socket.on('error', () => drop('socket-error'))
    const entered = enterUpgrade(request, ours)
    if (typeof entered === 'string') {
      drop(entered)
      refuseSocket(socket, STATUS[entered])
      return
    }
    socket.once('close', entered)
    webSockets.handleUpgrade(request, socket, head, (webSocket) => {
      if (ours) {
        clock.clearTimer(sockets.get(socket))
        sockets.set(socket, undefined)
      }
      openConnection(webSocket)
    })
  }

  /** A socket of our own server was counted when it was accepted; what a proxy says of it was not. */
  const enterUpgrade = (
    request: IncomingMessage,
    ours: boolean,
  ): (() => void) | AdmissionRefusal | 'internal' => {
    const { addressOf } = options
    if (addressOf === undefined) return ours ? () => {} : admission.enter(request.socket.remoteAddress)
    try {
      return (ours ? forwarded : admission).enter(addressOf(request))
    } catch (error) {
      // The host's code, over what a stranger wrote.
      options.onError?.(error)
      return 'internal'
    }
  }

  // -- the own server --------------------------------------------------------------------------

  const onTcpConnection = (socket: Socket): void => {
    socket.on('error', () => drop('socket-error'))
    const entered = admission.enter(options.addressOf === undefined ? socket.remoteAddress : undefined)
    if (typeof entered === 'string') {
      drop(entered)
      refuseSocket(socket, STATUS[entered])
      return
    }
    const timer = clock.setTimer(() => {
      drop('handshake')
      socket.destroy()
    }, limits.handshakeMs)
    sockets.set(socket, timer)
    socket.once('close', () => {
      clock.clearTimer(sockets.get(socket))
      sockets.delete(socket)
      entered()
    })
  }

  const handleRequest = (request: IncomingMessage, response: ServerResponse): void => {
    request.resume()
    const answer = (status: number, type: string, body: string): void => {
      response.writeHead(status, {
        'Content-Type': type,
        'Content-Length': Buffer.byteLength(body),
        Connection: 'close',
        'Access-Control-Allow-Origin': '*',
        'Access-Control-Allow-Headers': '*',
        'Access-Control-Allow-Methods': 'GET, HEAD, OPTIONS',
        'X-Content-Type-Options': 'nosniff',
      })
      response.end(request.method === 'HEAD' ? '' : body)
    }
    const { method } = request
    if (pathOf(request) !== path) answer(404, TEXT, 'Not found\n')
    else if (method === 'OPTIONS') answer(200, TEXT, '')
    else if (method !== 'GET' && method !== 'HEAD') answer(405, TEXT, 'Only GET\n')
    else if (request.headers.accept?.includes(NOSTR_JSON)) answer(200, NOSTR_JSON, describeRelay(facts))
    else answer(200, TEXT, greetVisitor(facts))
  }

  // -- time ------------------------------------------------------------------------------------

  const sweep = (): void => {
    sweepTimer = clock.setTimer(sweep, limits.pingMs)
    const now = clock.now()
    retention?.prune(now)
    for (const connection of connections) {
      const { socket, session } = connection
      if (now - connection.lastHeard >= limits.silentMs) {
        endConnection(connection, 'silent')
        socket.terminate()
      } else if (session.subscriptions === 0 && now - connection.lastMessage >= limits.unusedMs) {
        endConnection(connection, 'unused')
        socket.close(1000, 'no subscription and no message')
      } else if (socket.readyState === socket.OPEN) {
        socket.ping()
      }
    }
  }

  const endConnection = (connection: Connection, code: DropCode): void => {
    drop(code)
    connections.delete(connection)
    connection.session.end()
  }

  const open = (): void => {
    if (state === 'closed') throw new UsageError('this relay is closed: create another')
    if (state === 'new') sweepTimer = clock.setTimer(sweep, limits.pingMs)
    state = 'open'
  }

  const attachTo = (server: Server): void => {
    server.on('upgrade', onUpgrade)
    releases.push(() => server.off('upgrade', onUpgrade))
  }

  const createOwnServer = (): Server => {
    // Not imported: that would also load Node's HTTP client of another kind, for a name that it exports.
    const server = process.getBuiltinModule('node:http').createServer(handleRequest)
    server.on('connection', onTcpConnection)
    server.on('clientError', (_error, socket) => {
      drop('protocol')
      refuseSocket(socket, '400 Bad Request')
    })
    attachTo(server)
    return server
  }

  const shut = async (): Promise<void> => {
    state = 'closed'
    clock.clearTimer(sweepTimer)
    for (const release of releases.splice(0)) release()
    const server = own
    const gone =
      server === undefined ? Promise.resolve() : new Promise<void>((resolve) => server.close(() => resolve()))
    const leaving = [...connections].map(({ socket, session }) => {
      session.end()
      socket.close(1001, 'the relay closes')
      return socket
    })
    connections.clear()
    // Sockets that are no WebSocket yet have nothing to say goodbye to.
    for (const [socket, timer] of sockets) if (timer !== undefined) socket.destroy()
    const left = leaving.map(
      (socket) => new Promise<void>((resolve) => socket.once('close', () => resolve())),
    )
    await within(limits.closeMs, Promise.all(left))
    for (const socket of leaving) socket.terminate()
    for (const socket of sockets.keys()) socket.destroy()
    await within(limits.closeMs, gone)
  }

  return {
    async listen() {
      open()
      if (own !== undefined) throw new UsageError('this relay listens already')
      const server = createOwnServer()
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
        drop('socket-error')
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
      attachTo(server)
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

const STATUS = {
  connections: '503 Service Unavailable',
  'connections-per-address': '429 Too Many Requests',
  internal: '500 Internal Server Error',
} as const
const TEXT = 'text/plain; charset=utf-8'
const NOSTR_JSON = 'application/nostr+json'

/** The host's time. Its timers keep no process alive: the listening socket does. */
const hostClock: Clock = {
  now: () => Date.now(),
  setTimer: (run, afterMs) => setTimeout(run, afterMs).unref(),
  clearTimer: (handle) => clearTimeout(handle as NodeJS.Timeout | undefined),
}

function pathOf(request: IncomingMessage): string {
  return (request.url ?? '/').split(/[?#]/, 1)[0] ?? '/'
}

/** An HTTP answer on a bare socket, and the end of it: whether the peer reads it is the peer's affair. */
function refuseSocket(socket: Duplex, status: string): void {
  if (!socket.writable) {
    socket.destroy()
    return
  }
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`, () => socket.destroy())
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
