/**
 * A relay that hands on whatever it gets to whoever listens for the key it names, unread: as hostile as relays come.
 * Never used for anything but floods.
 */

import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { type WebSocket, WebSocketServer } from 'ws'
import { serve, usage } from '../src/process/serve.ts'

const P_TAG = /\[\["p","([0-9a-f]{64})"/
const LOADED_BYTES = 1_048_576

serve({
  async start() {
    const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false })
    await once(server, 'listening')
    const listeners = new Map<string, Set<readonly [socket: WebSocket, subscription: string]>>()
    server.on('connection', (socket) => {
      socket.on('message', (data) => {
        const frame = String(data)
        if (frame.startsWith('["EVENT",')) {
          const event = frame.slice('["EVENT",'.length, -1)
          for (const [to, subscription] of listeners.get(P_TAG.exec(event)?.[1] ?? '') ?? []) {
            // A reader that is too slow loses events, as with every relay.
            if (to.bufferedAmount < LOADED_BYTES)
              to.send(`["EVENT",${JSON.stringify(subscription)},${event}]`)
          }
          const id = /"id":"([^"]*)"/.exec(event)?.[1] ?? ''
          socket.send(`["OK","${id}",true,""]`)
        } else if (frame.startsWith('["REQ",')) {
          const [, subscription, ...filters] = JSON.parse(frame)
          const entry = [socket, subscription] as const
          for (const key of filters.flatMap((filter: { '#p'?: string[] }) => filter['#p'] ?? [])) {
            const there = listeners.get(key) ?? new Set()
            there.add(entry)
            listeners.set(key, there)
          }
          socket.on('close', () => {
            for (const there of listeners.values()) there.delete(entry)
          })
          socket.send(JSON.stringify(['EOSE', subscription]))
        }
      })
      socket.on('error', () => undefined)
    })
    return { url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}/` }
  },
  usage,
})
