import type { LookupAddress } from 'node:dns'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { parseRelayUrl, type RelayUrl } from '@nip46/core'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { WebSocketServer } from 'ws'
import { createRelayPool, type RelayPool, type RelayPoolOptions } from '../src/index.ts'
import { FILTERS } from './fixture.ts'

/** What the resolver says next, in the order of the dials; the last answer stays. */
const answers: (LookupAddress[] | Error)[] = []
vi.mock('node:dns', () => ({
  lookup: (_: string, _options: object, done: (error: Error | null, addresses: LookupAddress[]) => void) => {
    const answer = (answers.length > 1 ? answers.shift() : answers[0]) ?? []
    setImmediate(() => (answer instanceof Error ? done(answer, []) : done(null, answer)))
  },
}))

let server: WebSocketServer
let connections = 0
const pools: RelayPool[] = []

beforeAll(async () => {
  server = new WebSocketServer({ host: '127.0.0.1', port: 0 })
  await once(server, 'listening')
  server.on('connection', (socket) => {
    connections += 1
    socket.on('message', (data) => {
      const [verb, id] = JSON.parse(String(data))
      if (verb === 'REQ') socket.send(JSON.stringify(['EOSE', id]))
    })
  })
})

afterAll(async () => {
  await Promise.all(pools.map((pool) => pool.close()))
  server.close()
})

function dial(host: string, options: RelayPoolOptions = {}): string[] {
  const { port } = server.address() as AddressInfo
  const parsed = parseRelayUrl(`ws://${host}:${port}`, { allowInsecure: true })
  const relay = parsed.ok ? parsed.value : ('' as RelayUrl)
  const pool = createRelayPool({ random: (length) => new Uint8Array(length).fill(16), ...options })
  pools.push(pool)
  const log: string[] = []
  pool.subscribe({
    relays: [relay],
    filters: FILTERS,
    onEvent: () => undefined,
    onLive: () => log.push('live'),
    onDown: (_, reason, final) => log.push(`${final ? 'final' : 'down'} ${reason}`),
  })
  return log
}

test.each([
  ['loopback', '127.0.0.1', 4],
  ['a private network', '10.0.0.5', 4],
  ['the metadata service of a cloud', '169.254.169.254', 4],
  ['a shared network', '100.64.0.1', 4],
  ['IPv6 loopback', '::1', 6],
  ['a unique local address', 'fd00::1', 6],
  ['IPv4 loopback inside IPv6', '::ffff:127.0.0.1', 6],
])('a public name that leads to %s is not dialled', async (_, address, family) => {
  const before = connections
  answers.splice(0, answers.length, [{ address, family }])
  const log = dial('relay.example.com')
  await expect.poll(() => log).toEqual(['final relay/forbidden-address'])
  expect(connections).toBe(before)
})

test('a name that changes its mind between two dials (DNS rebinding) is checked at each', async () => {
  const before = connections
  const allowAddress = vi.fn((_: string, ip: string) => ip === '127.0.0.1')
  answers.splice(
    0,
    answers.length,
    [{ address: '127.0.0.1', family: 4 }],
    [{ address: '127.0.0.2', family: 4 }],
  )
  const log = dial('relay.example.com', { allowAddress })
  await expect.poll(() => log).toEqual(['live'])
  for (const client of server.clients) client.terminate()
  await expect.poll(() => log.at(-1)).toBe('final relay/forbidden-address')
  expect(allowAddress.mock.calls).toEqual([
    ['relay.example.com', '127.0.0.1'],
    ['relay.example.com', '127.0.0.2'],
  ])
  expect(connections).toBe(before + 1)
})

test('of several addresses, only those that are allowed are dialled', async () => {
  answers.splice(0, answers.length, [
    { address: '10.0.0.5', family: 4 },
    { address: '127.0.0.1', family: 4 },
  ])
  const log = dial('relay.example.com', { allowAddress: (_, ip) => ip === '127.0.0.1' })
  await expect.poll(() => log).toEqual(['live'])
})

test('whoever allows them all gets them all', async () => {
  answers.splice(0, answers.length, [{ address: '127.0.0.1', family: 4 }])
  const log = dial('relay.example.com', { allowAddress: () => true })
  await expect.poll(() => log).toEqual(['live'])
})

test('a name that does not resolve is unreachable, and asked again later', async () => {
  answers.splice(0, answers.length, new Error('getaddrinfo ENOTFOUND'), [{ address: '127.0.0.1', family: 4 }])
  const log = dial('relay.example.com', { allowAddress: () => true })
  await expect.poll(() => log).toEqual(['down unreachable: getaddrinfo ENOTFOUND', 'live'])
})
