/**
 * The open WebSockets of a relay: a session for each, watched for silence.
 * Never lets what a client sends reach the host as an exception, and never goes on sending to one that does not read.
 */

import type { WebSocket } from 'ws'
import type { Hub } from './hub.ts'
import { createSession, type Session } from './session.ts'
import { countDrop, type DropCode } from './stats.ts'

export interface Connections {
  /** Takes over a WebSocket whose handshake is done. */
  open(socket: WebSocket): void
  /** Pings each, and ends those that said nothing, or nothing of use, for too long. To be called every `pingMs`. */
  sweep(): void
  /** Says goodbye to each; resolves when all are gone, which is up to them. */
  close(): Promise<void>
  /** Ends those that `close` still waits for. */
  terminate(): void
  readonly size: number
}

interface Connection {
  readonly socket: WebSocket
  readonly session: Session
  lastHeard: number
  lastMessage: number
}

/** `onError` is told of an exception that is a fault of ours, or of the crypto given to us. */
export function createConnections(hub: Hub, onError: ((error: unknown) => void) | undefined): Connections {
  const { limits, clock } = hub
  const connections = new Set<Connection>()
  let leaving: readonly WebSocket[] = []
  const drop = (code: DropCode): void => countDrop(hub.counters, code)

  const open = (socket: WebSocket): void => {
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
        onError?.(error)
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

  const endConnection = (connection: Connection, code: DropCode): void => {
    drop(code)
    connections.delete(connection)
    connection.session.end()
  }

  return {
    open,

    sweep() {
      const now = clock.now()
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
    },

    close() {
      leaving = [...connections].map(({ socket, session }) => {
        session.end()
        socket.close(1001, 'the relay closes')
        return socket
      })
      connections.clear()
      const left = leaving.map(
        (socket) => new Promise<void>((resolve) => socket.once('close', () => resolve())),
      )
      return Promise.all(left).then(() => undefined)
    },

    terminate() {
      for (const socket of leaving) socket.terminate()
    },

    get size() {
      return connections.size
    },
  }
}
