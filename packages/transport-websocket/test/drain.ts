/** Run by `process.test.ts`: uses a pool on relays in every state, closes it, and says how long the process lived on. */

import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { parseRelayUrl, type RelayUrl } from '@nip46/core'
import { createRelayPool } from '@nip46/transport-websocket'
import { WebSocketServer } from 'ws'

const relayAt = (port: number): RelayUrl => {
  const parsed = parseRelayUrl(`ws://127.0.0.1:${port}`)
  if (!parsed.ok) throw new Error(parsed.error)
  return parsed.value
}

const silent = new WebSocketServer({ host: '127.0.0.1', port: 0 })
const flood = new WebSocketServer({ host: '127.0.0.1', port: 0 })
const hung = createServer(() => undefined).listen(0, '127.0.0.1')
await Promise.all([once(silent, 'listening'), once(flood, 'listening'), once(hung, 'listening')])
// The servers of this same process must not be what keeps it alive.
silent.on('connection', (_, { socket }) => socket.unref())
flood.on('connection', (client, { socket }) => {
  client.on('error', () => undefined)
  client.send(`["NOTICE","${'x'.repeat(3_000_000)}"]`, () => client.pause())
  socket.unref()
})
hung.on('connection', (socket) => {
  socket.on('error', () => undefined)
  socket.unref()
})

const relays = [
  relayAt((silent.address() as AddressInfo).port),
  relayAt((hung.address() as AddressInfo).port),
  relayAt((flood.address() as AddressInfo).port),
  relayAt(1),
]
const pool = createRelayPool()
pool.subscribe({ relays, filters: [{ kinds: [24133], '#p': ['ab'] }], onEvent: () => undefined })
const hex = 'ab'.repeat(32)
const event = { id: hex, pubkey: hex, created_at: 0, kind: 24133, tags: [], content: '', sig: hex + hex }
const published = pool.publish(relays, event)
await new Promise((resolve) => setTimeout(resolve, 900))
silent.close()
flood.close()
hung.close()

const began = performance.now()
process.on('exit', () => {
  process.stdout.write(`drained in ${(performance.now() - began).toFixed(1)} ms\n`)
})
await pool.close()
if ((await published).ok) throw new Error('no relay said OK')
