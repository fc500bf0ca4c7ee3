/**
 * A WebSocket constructor for nostr-tools that keeps back what its message handler cannot take.
 * Never changes what is sent.
 */

import { limits } from '@nip46/core'

interface MessageTarget {
  addEventListener(type: 'message' | 'error', listener: (event: { readonly data?: unknown }) => void): void
  close(): void
}

/**
 * The same constructor, whose sockets drop binary messages (nostr-tools 2.25 throws on them out of the socket's
 * handler, which ends a Node process), close on a text over `limits.FRAME_BYTES` characters, and always listen for
 * errors (nostr-tools stops listening before it closes a socket that is still connecting, and the `ws` package then
 * throws what nobody hears).
 *
 * ```ts
 * useWebSocketImplementation(guardWebSocket(WebSocket))
 * const transport = createNostrToolsTransport(new SimplePool())
 * ```
 */
export function guardWebSocket<T extends new (url: string) => object>(WebSocket: T): T {
  return new Proxy(WebSocket, {
    construct(target, args, newTarget) {
      const socket = Reflect.construct(target, args, newTarget) as MessageTarget
      socket.addEventListener('error', () => undefined)
      // nostr-tools sets `onmessage` once and never reads it.
      Object.defineProperty(socket, 'onmessage', {
        set(handler: (event: { readonly data?: unknown }) => void) {
          socket.addEventListener('message', (event) => {
            if (typeof event.data !== 'string') return
            if (event.data.length > limits.FRAME_BYTES) socket.close()
            else handler.call(socket, event)
          })
        },
      })
      return socket
    },
  })
}
