/** Run by `process.test.ts`: uses a pool on relays in every state, closes it, and says what is left that keeps the process alive. */

import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
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

await pool.close()
// The pipe is the test's. What closes at this moment is listed for a few turns more.
const kept = (): string[] => process.getActiveResourcesInfo().filter((name) => !/^(Pipe|TTY)/.test(name))
for (let turns = 0; kept().length > 0 && turns < 100; turns += 1) await turn()
process.stdout.write(`kept: ${kept().join(', ')}\n`)
if ((await published).ok) throw new Error('no relay said OK')
