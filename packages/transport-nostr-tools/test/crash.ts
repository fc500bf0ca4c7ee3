/** Run by `nostr-tools-transport.test.ts`: a relay sends one binary frame. `guarded` as an argument guards the socket. */

import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { parseRelayUrl } from '@nip46/core'
import { createNostrToolsTransport, guardWebSocket } from '@nip46/transport-nostr-tools'
import { SimplePool, useWebSocketImplementation } from 'nostr-tools/pool'
import { WebSocketServer } from 'ws'

const server = new WebSocketServer({ host: '127.0.0.1', port: 0 })
await once(server, 'listening')
const answered = new Promise<void>((resolve) => {
  server.on('connection', (socket) => {
    socket.send(new Uint8Array([1, 2, 3]))
    // A client answers this after it has read what came before.
    socket.ping()
    socket.once('pong', () => resolve())
  })
})

if (process.argv.includes('guarded')) useWebSocketImplementation(guardWebSocket(WebSocket))
const url = parseRelayUrl(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`)
if (!url.ok) throw new Error(url.error)
const transport = createNostrToolsTransport(new SimplePool())
transport.subscribe({
  relays: [url.value],
  filters: [{ kinds: [24133], '#p': ['ab'] }],
  onEvent: () => undefined,
})
await answered
await transport.close()
for (const client of server.clients) client.terminate()
server.close()
process.stdout.write('survived')
