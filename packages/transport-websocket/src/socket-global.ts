/**
 * The host's global WebSocket: browsers, Deno, Bun, workers.
 * Never resolves names and cannot ping: the platform does not let us.
 */

import type { OpenSocket, WebSocketConstructor } from './socket.ts'

declare const WebSocket: WebSocketConstructor

/** Opens sockets with the host's global WebSocket. */
export const openSocket: OpenSocket = (url) => new WebSocket(url)
