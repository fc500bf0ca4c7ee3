/**
 * Sockets over a standard WebSocket constructor: browsers, Deno, Bun, workers, and whoever passes their own.
 * Never resolves names and cannot ping: the platform does not let us.
 */

import {
  CLOSE_TOO_BIG,
  CLOSE_TOO_BIG_BROWSER,
  type OpenSocket,
  type Socket,
  type WebSocketConstructor,
} from './socket.ts'

/** Opens sockets with the host's global WebSocket. */
export const openSocket: OpenSocket = (url, listener, options) => {
  const Constructor = (globalThis as { readonly WebSocket?: WebSocketConstructor }).WebSocket
  if (Constructor === undefined) {
    queueMicrotask(() => listener.onEnd('this host has no WebSocket: pass one in the options'))
    return deadSocket
  }
  return openSocketWith(Constructor)(url, listener, options)
}

/** Opens sockets with a given constructor. */
export function openSocketWith(Constructor: WebSocketConstructor): OpenSocket {
  return (url, listener, { maxBytes }) => {
    let ended = false
    let reason = ''
    const end = (text: string): void => {
      if (ended) return
      ended = true
      listener.onEnd(text)
    }
    try {
      const socket = new Constructor(url)
      socket.binaryType = 'arraybuffer'
      socket.onopen = () => {
        if (!ended) listener.onOpen()
      }
      socket.onmessage = ({ data }: { readonly data: unknown }) => {
        if (ended) return
        const text = typeof data === 'string' ? data : undefined
        if (text === undefined || fits(text, maxBytes)) {
          listener.onMessage(text)
          return
        }
        closeQuietly(socket, CLOSE_TOO_BIG_BROWSER)
        end('a message over the limit')
      }
      socket.onclose = ({ code, reason: text }: { readonly code: number; readonly reason: unknown }) => {
        const said = typeof text === 'string' && text !== '' ? `: ${text}` : ''
        end(reason || `closed (${code})${said}`)
      }
      // A close follows; browsers say nothing about the cause.
      socket.onerror = ({ message }: { readonly message?: unknown }) => {
        if (typeof message === 'string') reason ||= message
      }
      return {
        send: (text) => socket.send(text),
        buffered: () => socket.bufferedAmount,
        close: (code) => closeQuietly(socket, code === CLOSE_TOO_BIG ? CLOSE_TOO_BIG_BROWSER : code),
        terminate() {
          closeQuietly(socket, 1000)
          // A standard socket waits for the peer's goodbye, which a dead one never says.
          queueMicrotask(() => end('terminated'))
        },
      }
    } catch (error) {
      queueMicrotask(() => end(error instanceof Error ? error.message : 'cannot connect'))
      return deadSocket
    }
  }
}

// -- helpers -------------------------------------------------------------------------------------

const deadSocket: Socket = {
  send() {},
  buffered: () => 0,
  close() {},
  terminate() {},
}

function fits(text: string, maxBytes: number): boolean {
  // A UTF-16 unit takes one to three bytes of UTF-8.
  if (text.length * 3 <= maxBytes) return true
  return text.length <= maxBytes && new TextEncoder().encode(text).length <= maxBytes
}

function closeQuietly(socket: { close(code: number): void }, code: number): void {
  try {
    socket.close(code)
  } catch {
    // Some hosts refuse to close twice, or with a code; the socket is given up either way.
    return
  }
}
