import { once } from 'node:events'
import { createServer as createHttpServer, type IncomingMessage } from 'node:http'
import { type AddressInfo, createServer, type Server, type Socket as TcpSocket } from 'node:net'
import { limits } from '@nip46/core'
import { createFakeClock } from '@nip46/testing'
import { afterEach, describe, expect, test } from 'vitest'
import { WebSocketServer } from 'ws'
import { signedFrame } from '../src/frame.ts'
import { createPoolHealth, createRelayPool, type PoolHealth, type RelayPoolOptions } from '../src/index.ts'
import { PROBE_EVERY_MS, PROBE_MS } from '../src/relay-link.ts'
import { event, FILTERS, relayUrl } from './fixture.ts'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const clean of cleanups.splice(0)) await clean()
})

/** A plain TCP server: what it does with a connection is the test's business. */
async function listenTcp(accept: (socket: TcpSocket) => void): Promise<{ port: number; open: () => number }> {
  const sockets = new Set<TcpSocket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.on('close', () => sockets.delete(socket))
    accept(socket)
  })
  return {
    port: await portOf(server, () => {
      for (const socket of sockets) socket.destroy()
    }),
    open: () => sockets.size,
  }
}

async function portOf(server: Server, drop: () => void): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  cleanups.push(() => {
    drop()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

async function listenWs(
  options: { perMessageDeflate?: boolean } = {},
): Promise<{ port: number; server: WebSocketServer; requests: IncomingMessage[] }> {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0, ...options })
  await once(server, 'listening')
  const requests: IncomingMessage[] = []
  server.on('connection', (socket, request) => {
    requests.push(request)
    socket.on('error', () => undefined)
    socket.on('message', (data) => {
      const [verb, id] = JSON.parse(String(data))
      if (verb === 'REQ') socket.send(JSON.stringify(['EOSE', id]))
    })
  })
  cleanups.push(() => {
    for (const client of server.clients) client.terminate()
    server.close()
  })
  return { port: (server.address() as AddressInfo).port, server, requests }
}

interface Watched {
  readonly log: string[]
  readonly pool: ReturnType<typeof createRelayPool>
  readonly health: PoolHealth
}

function watch(url: string, options: RelayPoolOptions = {}): Watched {
  const health = createPoolHealth()
  const pool = createRelayPool({ onFact: health.hear, ...options })
  cleanups.push(() => {
    void pool.close()
  })
  const log: string[] = []
  pool.subscribe({
    relays: [relayUrl(url)],
    filters: FILTERS,
    onEvent: () => log.push('event'),
    onLive: () => log.push('live'),
    onDown: (_, reason, final) => log.push(`${final ? 'final' : 'down'} ${reason}`),
  })
  return { log, pool, health }
}

/** A NOTICE frame of exactly so many bytes. */
function notice(bytes: number, character: string): string {
  const size = new TextEncoder().encode(character).length
  const room = bytes - '["NOTICE",""]'.length
  return `["NOTICE","${character.repeat(Math.floor(room / size))}"]${' '.repeat(room % size)}`
}

const kinds: readonly (readonly [string, RelayPoolOptions])[] = [
  ['the ws package', {}],
  ['a standard WebSocket', globalThis.WebSocket === undefined ? {} : { WebSocket: globalThis.WebSocket }],
]

test('what is published in one turn arrives in its order, however much it is', async () => {
  const { port, server } = await listenWs()
  const heard: string[] = []
  server.on('connection', (socket) => void socket.on('message', (data) => heard.push(String(data))))
  const { log, pool } = watch(`ws://127.0.0.1:${port}`)
  await expect.poll(() => log, { timeout: 30_000 }).toEqual(['live'])
  const [asked = ''] = heard
  const events = Array.from({ length: 11 }, (_, i) => event(i))
  for (const one of events) void pool.publish([relayUrl(`ws://127.0.0.1:${port}`)], one)
  const frames = events.map((one) => signedFrame('EVENT', one))
  await expect.poll(() => heard, { timeout: 30_000 }).toEqual([asked, ...frames])
})

describe.each(kinds)('a socket of %s', (_name, options) => {
  test.each([
    ['ASCII', 'x'],
    ['characters of three bytes', '\u2603'],
  ])('takes a message of as many bytes as the limit and not one more (%s)', async (_, character) => {
    const { port, server } = await listenWs()
    const { log, health } = watch(`ws://127.0.0.1:${port}`, options)
    await expect.poll(() => log).toEqual(['live'])
    const [client] = server.clients
    client?.send(notice(limits.FRAME_BYTES, character))
    await expect.poll(() => health.read()[0]?.lastNotice).toBe(character.repeat(512))
    expect(log).toEqual(['live'])
    client?.send(notice(limits.FRAME_BYTES + 1, character))
    await expect.poll(() => log.length).toBeGreaterThan(1)
    expect(log[1]).toMatch(/^down unreachable: .*(?:payload size|over the limit)/i)
  })

  test('drops a binary message, whatever it holds', async () => {
    const { port, server } = await listenWs()
    const { log, health } = watch(`ws://127.0.0.1:${port}`, options)
    await expect.poll(() => log).toEqual(['live'])
    for (const client of server.clients) client.send(new TextEncoder().encode('["NOTICE","binary"]'))
    await expect.poll(() => health.read()[0]?.drops).toEqual({ 'frame/json': 1 })
    expect(health.read()[0]?.lastNotice).toBeUndefined()
  })

  test('ends when nobody answers its goodbye', async () => {
    const { port, server } = await listenWs()
    const { log, pool } = watch(`ws://127.0.0.1:${port}`, options)
    await expect.poll(() => log).toEqual(['live'])
    for (const client of server.clients) client.pause()
    const began = Date.now()
    await pool.close()
    // By itself a socket of ws waits 30 s for a goodbye.
    expect(Date.now() - began).toBeLessThan(25_000)
  })

  test('reports a server that speaks no WebSocket', async () => {
    const { port } = await listenTcp((socket) => socket.end('SSH-2.0-OpenSSH_9.2p1\r\n'))
    const { log } = watch(`ws://127.0.0.1:${port}`, options)
    await expect.poll(() => log[0]).toMatch(/^down unreachable: ./)
  })
})

describe('a socket on Node', () => {
  test('gives up a server that accepts and then says nothing, after ten seconds', async () => {
    const { port, open } = await listenTcp((socket) => socket.resume())
    const clock = createFakeClock()
    const { log } = watch(`ws://127.0.0.1:${port}`, {
      clock,
      random: (length) => new Uint8Array(length).fill(255),
    })
    await expect.poll(open).toBe(1)
    clock.advance(9_999)
    expect(log).toEqual([])
    clock.advance(1)
    expect(log).toEqual(['down unreachable: the connection took too long'])
    await expect.poll(open).toBe(0)
  })

  test('notices a half-open peer within seventy seconds, and keeps one that answers its ping', async () => {
    const { port, server } = await listenWs()
    const clock = createFakeClock()
    const { log, health } = watch(`ws://127.0.0.1:${port}`, { clock })
    await expect.poll(() => log).toEqual(['live'])
    const pings: unknown[] = []
    for (const client of server.clients) client.on('ping', () => pings.push(1))
    clock.advance(PROBE_EVERY_MS)
    await expect.poll(() => pings.length).toBe(1)
    // The pong comes in real time, before what is sent after it.
    for (const client of server.clients) client.send(notice(64, 'x'))
    await expect.poll(() => health.read()[0]?.lastNotice).toBeDefined()
    clock.advance(PROBE_MS)
    expect(log).toEqual(['live'])
    // From here on, the peer neither reads nor answers, as behind a cut cable.
    for (const client of server.clients) client.pause()
    clock.advance(PROBE_EVERY_MS)
    clock.advance(PROBE_MS)
    expect(log).toEqual(['live', 'down unreachable: the relay fell silent'])
  })

  test('follows no redirect', async () => {
    const { port: target, requests } = await listenWs()
    const server = createHttpServer()
    server.on('upgrade', (_, socket) => {
      socket.end(`HTTP/1.1 302 Found\r\nLocation: ws://127.0.0.1:${target}/\r\n\r\n`)
    })
    const port = await portOf(server, () => server.closeAllConnections())
    const { log } = watch(`ws://127.0.0.1:${port}`)
    await expect.poll(() => log).toEqual(['down unreachable: Unexpected server response: 302'])
    expect(requests).toEqual([])
  })

  test('does not offer compression, so that nothing can be a bomb', async () => {
    const { port, requests } = await listenWs({ perMessageDeflate: true })
    const { log } = watch(`ws://127.0.0.1:${port}`)
    await expect.poll(() => log).toEqual(['live'])
    expect(requests[0]?.headers['sec-websocket-extensions']).toBeUndefined()
  })

  test('asks with each address a name resolves to before it dials it', async () => {
    const { port, requests } = await listenWs()
    const asked: [string, string][] = []
    const { log } = watch(`ws://localhost:${port}`, {
      allowAddress: (host, ip) => {
        asked.push([host, ip])
        return false
      },
    })
    await expect.poll(() => log).toEqual(['final relay/forbidden-address'])
    expect(asked).toContainEqual(['localhost', '127.0.0.1'])
    expect(requests).toEqual([])
  })

  test('dials a loopback name by default, since the URL itself says so', async () => {
    const { port } = await listenWs()
    const { log } = watch(`ws://localhost:${port}`)
    await expect.poll(() => log).toEqual(['live'])
  })
})

test.each([
  ['a time', 'Thu, 19 Jun 2025 12:00:00 GMT'],
  ['no time', 'soon'],
  ['nothing', undefined],
])('what a relay says the time is comes from its handshake: %s', async (_name, date) => {
  const { port, server } = await listenWs()
  if (date !== undefined) server.on('headers', (headers) => headers.push(`Date: ${date}`))
  const told: unknown[] = []
  const { log } = watch(`ws://127.0.0.1:${port}`, {
    onFact: (relay, fact, detail) => fact === 'date' && told.push(relay, detail),
  })
  await expect.poll(() => log).toEqual(['live'])
  expect(told).toEqual(date === undefined ? [] : [relayUrl(`ws://127.0.0.1:${port}`), date])
})
