/**
 * The way into a relay: TCP connections of its own server, and requests to become a WebSocket.
 * Never lets one in beyond the limits, and never waits for a handshake without a bound.
 */

import type { IncomingMessage, RequestListener, Server } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { type WebSocket, WebSocketServer } from 'ws'
import { type AdmissionRefusal, createAdmission } from './admission.ts'
import type { Hub } from './hub.ts'
import { pathOf } from './relay-info.ts'
import type { RelayOptions } from './relay-options.ts'
import { countDrop, type DropCode } from './stats.ts'

export interface EntranceOptions {
  /** Requests for another path are another's. */
  readonly path: string
  /** Takes a WebSocket whose handshake is done. */
  readonly onOpen: (socket: WebSocket) => void
  readonly addressOf: RelayOptions['addressOf']
  /** Is told what `addressOf` threw. */
  readonly onError: RelayOptions['onError']
}

export interface Entrance {
  /** Takes the WebSocket upgrades of a server until `close`. */
  attach(server: Server): void
  /** A server of our own, attached, whose connections have to become WebSockets in time. */
  createServer(handleRequest: RequestListener): Server
  /** Lets nobody in any more, and ends what is no WebSocket yet. */
  close(): void
  /** Ends every connection of our own server. */
  destroy(): void
}

export function createEntrance(hub: Hub, options: EntranceOptions): Entrance {
  const { limits, clock } = hub
  const { path, onOpen, addressOf, onError } = options
  const admission = createAdmission(limits.connections, limits.connectionsPerAddress)
  const forwarded = createAdmission(limits.connections, limits.connectionsPerAddress)
  /** TCP sockets of our own server, and the timer that ends each unless it becomes a WebSocket. */
  const sockets = new Map<Duplex, unknown>()
  const releases: (() => void)[] = []
  const drop = (code: DropCode): void => countDrop(hub.counters, code)

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
      onOpen(webSocket)
    })
  }

  /** A socket of our own server was counted when it was accepted; what a proxy says of it was not. */
  const enterUpgrade = (
    request: IncomingMessage,
    ours: boolean,
  ): (() => void) | AdmissionRefusal | 'internal' => {
    if (addressOf === undefined) return ours ? () => {} : admission.enter(request.socket.remoteAddress)
    try {
      return (ours ? forwarded : admission).enter(addressOf(request))
    } catch (error) {
      // The host's code, over what a stranger wrote.
      onError?.(error)
      return 'internal'
    }
  }

  const onTcpConnection = (socket: Socket): void => {
    socket.on('error', () => drop('socket-error'))
    const entered = admission.enter(addressOf === undefined ? socket.remoteAddress : undefined)
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

  const attach = (server: Server): void => {
    server.on('upgrade', onUpgrade)
    releases.push(() => server.off('upgrade', onUpgrade))
  }

  return {
    attach,

    createServer(handleRequest) {
      // Not imported: that would also load Node's HTTP client of another kind, for a name that it exports.
      const server = process.getBuiltinModule('node:http').createServer(handleRequest)
      server.on('connection', onTcpConnection)
      server.on('clientError', (_error, socket) => {
        drop('protocol')
        refuseSocket(socket, '400 Bad Request')
      })
      attach(server)
      return server
    },

    close() {
      for (const release of releases.splice(0)) release()
      // Sockets that are no WebSocket yet have nothing to say goodbye to.
      for (const [socket, timer] of sockets) if (timer !== undefined) socket.destroy()
    },

    destroy() {
      for (const socket of sockets.keys()) socket.destroy()
    },
  }
}

const STATUS = {
  connections: '503 Service Unavailable',
  'connections-per-address': '429 Too Many Requests',
  internal: '500 Internal Server Error',
} as const

/** An HTTP answer on a bare socket, and the end of it: whether the peer reads it is the peer's affair. */
function refuseSocket(socket: Duplex, status: string): void {
  if (!socket.writable) {
    socket.destroy()
    return
  }
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`, () => socket.destroy())
}
