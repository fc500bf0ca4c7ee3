/**
 * The host's global WebSocket: browsers, Deno, Bun, workers.
 * Never resolves names and cannot ping: the platform does not let us.
 */

import type { OpenSocket, WebSocketConstructor } from './socket.ts'

/** Opens sockets with the host's global WebSocket. */
export const openSocket: OpenSocket = (url) => {
  const { WebSocket } = globalThis as { readonly WebSocket?: WebSocketConstructor }
  if (WebSocket === undefined) throw new Error('this host has no WebSocket: pass one in the options')
  return new WebSocket(url)
}
