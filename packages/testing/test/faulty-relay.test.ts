import type { AddressInfo } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { type FaultyRelay, type RelayFaults, startFaultyRelay } from '../src/faulty-relay.ts'

/** The relay behind: says OK to each EVENT and hands it to every REQ, and EOSE to each REQ. */
async function startPlainRelay() {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' })
  const got: unknown[][] = []
  server.on('connection', (socket) => {
    socket.on('message', (data) => {
      const frame = JSON.parse(String(data)) as unknown[]
      got.push(frame)
      if (frame[0] === 'REQ') socket.send(JSON.stringify(['EOSE', frame[1]]))
      if (frame[0] !== 'EVENT') return
      socket.send(JSON.stringify(['OK', (frame[1] as { id: string }).id, true, 'real']))
      for (const other of server.clients) other.send(JSON.stringify(['EVENT', 's', frame[1]]))
    })
  })
  await new Promise((resolve) => server.once('listening', resolve))
  return { server, got, url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}` }
}

const ends: (() => unknown)[] = []
afterEach(async () => {
  for (const end of ends.splice(0)) await end()
})

async function start(faults: RelayFaults = {}) {
  const behind = await startPlainRelay()
  const faulty = await startFaultyRelay({ target: behind.url, faults })
  ends.push(
    () => faulty.close(),
    () => behind.server.close(),
  )
  return { behind, faulty }
}

async function dial(faulty: FaultyRelay) {
  const socket = new WebSocket(faulty.url)
  const inbox: string[] = []
  socket.on('message', (data) => inbox.push(String(data)))
  socket.on('error', () => {})
  const closed = new Promise<number>((resolve) => socket.once('close', resolve))
  await new Promise<void>((resolve, reject) => {
    socket.once('open', resolve)
    socket.once('error', reject)
  })
  const expectNext = async (...frames: unknown[]): Promise<void> => {
    const wanted = frames.map((frame) => (typeof frame === 'string' ? frame : JSON.stringify(frame)))
    await until(() => inbox.length >= wanted.length)
    await pause(20)
    expect(inbox.splice(0)).toEqual(wanted)
  }
  return {
    socket,
    closed,
    inbox,
    expectNext,
    send: (...frame: unknown[]) => socket.send(JSON.stringify(frame)),
  }
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

async function until(isTrue: () => boolean): Promise<void> {
  for (const end = Date.now() + 60_000; !isTrue(); await pause(5)) {
    if (Date.now() > end) throw new Error('never')
  }
}

const event = { id: 'a'.repeat(64), pubkey: 'b'.repeat(64) }

test('without faults everything passes both ways', async () => {
  const { faulty, behind } = await start()
  const client = await dial(faulty)
  client.send('REQ', 's', {})
  await client.expectNext(['EOSE', 's'])
  client.send('EVENT', event)
  await client.expectNext(['OK', event.id, true, 'real'], ['EVENT', 's', event])
  client.send('CLOSE', 's')
  client.socket.send('{}')
  await until(() => behind.got.length === 4)
  expect([faulty.connections, faulty.attempts]).toEqual([1, 1])
  client.socket.close()
  await until(() => behind.server.clients.size === 0)
  expect(faulty.connections).toBe(0)
})

test('refuses the handshake with a status, or never answers it', async () => {
  const { faulty } = await start({ refuseStatus: 503 })
  await expect(dial(faulty)).rejects.toThrow('503')
  faulty.setFaults({ hangHandshake: true })
  const hanging = new WebSocket(faulty.url)
  hanging.on('error', () => {})
  await until(() => faulty.attempts === 2)
  await pause(50)
  expect(hanging.readyState).toBe(WebSocket.CONNECTING)
  await faulty.close()
  await until(() => hanging.readyState === WebSocket.CLOSED)
})

test('stays mute, or drops each connection after a while', async () => {
  const { faulty } = await start({ mute: true })
  const client = await dial(faulty)
  client.send('REQ', 's', {})
  await pause(50)
  expect(client.inbox).toEqual([])
  faulty.setFaults({ dropEveryMs: 50 })
  const dropped = await dial(faulty)
  expect(await dropped.closed).toBe(1006)
})

test('rejects, swallows, or passes on without an OK', async () => {
  const { faulty, behind } = await start({ rejectEvents: 'blocked: no' })
  const client = await dial(faulty)
  client.send('EVENT', event)
  await client.expectNext(['OK', event.id, false, 'blocked: no'])
  faulty.setFaults({ swallowEvents: true })
  client.send('EVENT', event)
  await client.expectNext(['OK', event.id, true, ''])
  expect(behind.got).toEqual([])
  faulty.setFaults({ loseOk: true })
  client.send('EVENT', event)
  await client.expectNext(['EVENT', 's', event])
})

test('delays, repeats, adds garbage, loses EOSE, closes requests', async () => {
  const { faulty } = await start({ delayMs: 60, copies: 2 })
  const client = await dial(faulty)
  const before = Date.now()
  client.send('EVENT', event)
  await client.expectNext(['OK', event.id, true, 'real'], ['EVENT', 's', event], ['EVENT', 's', event])
  expect(Date.now() - before).toBeGreaterThanOrEqual(55)
  faulty.setFaults({ garbage: ['nonsense', Buffer.from('binary')] })
  client.send('REQ', 's', {})
  await client.expectNext('nonsense', 'binary', ['EOSE', 's'])
  faulty.setFaults({ loseEose: true })
  client.send('REQ', 's', {})
  await pause(50)
  expect(client.inbox).toEqual([])
  faulty.setFaults({ closeRequests: 'error: no' })
  client.send('REQ', 's', {})
  await client.expectNext(['CLOSED', 's', 'error: no'])
  faulty.send('to all')
  await client.expectNext('to all')
})

test('requires AUTH with its URL and challenge', async () => {
  const { faulty } = await start({ requireAuth: true })
  const client = await dial(faulty)
  await client.expectNext(['AUTH', 'challenge-1'])
  client.send('REQ', 's', {})
  client.send('EVENT', event)
  await client.expectNext(
    ['CLOSED', 's', 'auth-required: who are you?'],
    ['OK', event.id, false, 'auth-required: who are you?'],
  )
  const proof = (relay: string): object => ({
    ...event,
    kind: 22242,
    tags: [
      ['relay', relay],
      ['challenge', 'challenge-1'],
    ],
  })
  client.send('AUTH', proof('wss://other.example'))
  await client.expectNext(['OK', event.id, false, 'restricted: wrong kind, relay or challenge'])
  client.send('AUTH', proof(faulty.url))
  client.send('REQ', 's', {})
  await client.expectNext(['OK', event.id, true, ''], ['EOSE', 's'])
})

test('goes down and comes up on the same port', async () => {
  const { faulty } = await start()
  const client = await dial(faulty)
  await faulty.down()
  expect(await client.closed).toBe(1006)
  await expect(dial(faulty)).rejects.toMatchObject({ code: 'ECONNREFUSED' })
  await faulty.up()
  await faulty.up()
  const again = await dial(faulty)
  faulty.drop()
  expect(await again.closed).toBe(1006)
})
