/** WebSockets on 127.0.0.1 for the scripted relay, over `ws`. */

import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import type { Listen } from '@nip46/testing'
import { WebSocketServer } from 'ws'

export const listen: Listen = async (accept, port) => {
  const server = new WebSocketServer({ host: '127.0.0.1', port, perMessageDeflate: false })
  await once(server, 'listening')
  server.on('connection', (socket) => {
    const listener = accept({
      send: (data) => socket.send(data),
      close: (code) => socket.close(code),
      terminate: () => socket.terminate(),
    })
    socket.on('message', (data) => listener.onText(String(data)))
    socket.on('close', (code) => listener.onEnd(code))
    // A close always follows.
    socket.on('error', () => undefined)
  })
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        for (const socket of server.clients) socket.terminate()
        server.close(() => resolve())
      }),
  }
}
