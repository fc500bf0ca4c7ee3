/**
 * Sockets over a standard WebSocket constructor: browsers, Deno, Bun, workers, and whoever passes their own.
 * Never resolves names and cannot ping: the platform does not let us.
 */

import { utf8Length } from '@nip46/core'
import { CLOSE_NORMAL, type OpenSocket, type WebSocketConstructor } from './socket.ts'

/** Of a message over the limit: a global WebSocket may only send 1000 and 3000 to 4999, not the 1009 of RFC 6455. */
export const CLOSE_TOO_BIG = 4009

/** Opens sockets with the host's global WebSocket. */
export const openSocket: OpenSocket = (url, listener, options) => {
  const Constructor = (globalThis as { readonly WebSocket?: WebSocketConstructor }).WebSocket
  if (Constructor === undefined) throw new Error('this host has no WebSocket: pass one in the options')
  return openSocketWith(Constructor)(url, listener, options)
}

/** Opens sockets with a given constructor. */
export function openSocketWith(Constructor: WebSocketConstructor): OpenSocket {
  return (url, listener, { maxBytes }) => {
    let ended = false
    let reason = ''
    const socket = new Constructor(url)
    const end = (text: string): void => {
      if (ended) return
      ended = true
      listener.onEnd(text)
    }
    const close = (code = CLOSE_NORMAL): void => {
      try {
        socket.close(code)
      } catch {
        // Some hosts refuse to close twice, or with a code; the socket is given up either way.
      }
    }
    socket.binaryType = 'arraybuffer'
    socket.onopen = () => {
      if (!ended) listener.onOpen()
    }
    socket.onmessage = ({ data }: { readonly data: unknown }) => {
      if (ended) return
      const text = typeof data === 'string' ? data : undefined
      // A UTF-16 unit takes one to three bytes of UTF-8.
      if (text === undefined || text.length * 3 <= maxBytes || utf8Length(text) <= maxBytes) {
        listener.onMessage(text)
        return
      }
      close(CLOSE_TOO_BIG)
      end('a message over the limit')
    }
    socket.onclose = ({ code, reason: text }: { readonly code: number; readonly reason: unknown }) => {
      end(reason || `closed (${code})${typeof text === 'string' && text !== '' ? `: ${text}` : ''}`)
    }
    // A close follows; browsers say nothing about the cause.
    socket.onerror = ({ message }: { readonly message?: unknown }) => {
      if (typeof message === 'string') reason ||= message
    }
    return {
      send: (text) => socket.send(text),
      buffered: () => socket.bufferedAmount,
      close,
      terminate() {
        close()
        // A standard socket waits for the peer's goodbye, which a dead one never says.
        queueMicrotask(() => end('terminated'))
      },
    }
  }
}
