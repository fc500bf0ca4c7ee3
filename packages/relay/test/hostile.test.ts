import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { SignedEvent } from '@nip46/core'
import { afterEach, describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { matchesFilter, parseFilter, tagValues } from '../src/filter.ts'
import { createRelay } from '../src/index.ts'
import { DEFAULT_LIMITS } from '../src/limits.ts'
import {
  alice,
  bob,
  type Client,
  closeRelays,
  connect,
  crypto,
  HANDSHAKE,
  rawSocket,
  sign,
  start,
  until,
} from './wire.ts'

afterEach(closeRelays)

/** Rates so high that they do not protect the parsers under attack. */
const OPEN = {
  messageBurst: 1_000_000,
  messagesPerSecond: 1_000_000,
  rateRefusals: 1_000_000,
  forgeryTokens: 1,
}

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

/** Whether a fresh client still gets a whole exchange through. */
async function works(url: string): Promise<boolean> {
  const client = await connect(url)
  await client.subscribe('works', { '#p': [bob.pubkey] })
  const event = sign(alice, { content: `${Math.random()}` })
  await client.publish(event)
  await client.take(([verb, , got]) => verb === 'EVENT' && (got as SignedEvent).id === event.id)
  client.socket.close()
  return true
}

/** mulberry32: repeatable numbers in [0, 1). */
function dice(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000
  }
}

const ODD_VALUES: readonly unknown[] = [
  null,
  true,
  0,
  -1,
  1.5,
  1e308,
  2 ** 60,
  '',
  'x',
  '__proto__',
  'constructor',
  '\ud800',
  '\u0000',
  '\u202e',
  'f'.repeat(64),
  'F'.repeat(64),
  'é'.repeat(100),
  [],
  [[]],
  {},
  { length: 1e9 },
  { toString: 1, valueOf: null },
  { toJSON: 'x' },
  new Array(200).fill('p'),
]

/** One frame with something changed at a random place of its structure, or in its text. */
function mutate(frame: unknown, random: () => number): string {
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T
  const copy = structuredClone(frame) as unknown[]
  const rounds = 1 + Math.floor(random() * 3)
  for (let i = 0; i < rounds; i += 1) {
    let node: unknown = copy
    for (let depth = Math.floor(random() * 5); depth >= 0; depth -= 1) {
      if (typeof node !== 'object' || node === null) break
      const keys = Object.keys(node)
      // The verb is seldom changed: behind it is more to break.
      const key = node === copy && random() < 0.9 ? pick(['1', '2']) : pick(keys.length === 0 ? ['0'] : keys)
      const holder = node as Record<string, unknown>
      const child = holder[key]
      if (depth === 0 || typeof child !== 'object' || child === null) {
        const action = random()
        if (action < 0.5) holder[key] = structuredClone(pick(ODD_VALUES))
        else if (action < 0.6 && Array.isArray(node)) node.splice(Number(key), 1)
        else if (action < 0.6) delete holder[key]
        else if (action < 0.7)
          holder[pick(['#q', '#p', 'since', 'limit', 'extra', 'kinds'])] = pick(ODD_VALUES)
        else if (action < 0.8 && typeof child === 'string') holder[key] = child.slice(1)
        else if (action < 0.85 && typeof child === 'string') holder[key] = child.toUpperCase()
        else if (typeof child === 'string') holder[key] = (child.startsWith('0') ? '1' : '0') + child.slice(1)
        else if (typeof child === 'number') holder[key] = child + pick([-1e9, -1, 1, 1e9, 0.5])
        break
      }
      node = child
    }
  }
  const text = JSON.stringify(copy)
  const cut = random()
  if (cut < 0.05) return text.slice(0, Math.floor(random() * text.length))
  if (cut < 0.1) {
    const at = Math.floor(random() * text.length)
    return text.slice(0, at) + pick(['"', '[', ']', '{', '}', ',', '\\', '\u0000', '9']) + text.slice(at + 1)
  }
  if (cut < 0.12) return text.replace('{', '{"__proto__":{"kinds":[24133],"id":"x"},')
  return text
}

describe('frames nobody should send', () => {
  test('20,000 mutated frames and 2,000 of random bytes leave the relay working, each answered or dropped by name', async () => {
    const { url, relay } = await start({
      limits: { ...OPEN, subscriptions: 1_000_000, recentIds: 5 },
      retention: { seconds: 60, events: 50, bytes: 100_000 },
    })
    const random = dice(46)
    const good = Array.from({ length: 20 }, (_, i) => sign(alice, { content: `${i}` }))
    const templates: unknown[] = [
      ...good.map((event) => ['EVENT', event]),
      [
        'AUTH',
        sign(alice, {
          kind: 22242,
          tags: [
            ['relay', url],
            ['challenge', 'x'],
          ],
        }),
      ],
      ['REQ', 'sub', { kinds: [24133], '#p': [bob.pubkey], since: 1, limit: 10 }],
      ['REQ', 'sub', { authors: [alice.pubkey], ids: [good[0]?.id] }, { '#t': ['a', 'b'], until: 2e9 }],
      ['CLOSE', 'sub'],
      ['EVENT', { ...good[0], tags: Array.from({ length: 200 }, () => ['p']) }],
    ]
    const attack = async (client: Client, count: number, frame: () => string | Buffer): Promise<void> => {
      for (let i = 0; i < count; i += 1) {
        client.socket.send(frame())
        if (i % 500 === 499) {
          client.inbox.length = 0
          expect((await client.subscribe('pulse', { kinds: [1] }))[0]).toBe('EOSE')
        }
      }
    }
    const clients = await Promise.all([connect(url), connect(url)])
    for (const client of clients) {
      await attack(client, 10_000, () => mutate(templates[Math.floor(random() * templates.length)], random))
    }
    const bytes = (): Buffer =>
      Buffer.from(Array.from({ length: Math.floor(random() * 300) }, () => random() * 256))
    const [textual, binary] = [await connect(url), await connect(url)]
    await attack(textual, 1_000, () => bytes().toString('latin1'))
    await attack(binary, 1_000, bytes)

    const stats = relay.stats()
    expect(stats.received).toBeGreaterThanOrEqual(22_000)
    expect(stats.dropped.internal).toBeUndefined()
    expect(stats.dropped.protocol).toBeUndefined()
    expect(stats.connections).toBe(4)
    expect(stats.stored).toBeLessThanOrEqual(50)
    expect(stats.accepted).toBeGreaterThan(0)
    // The mutations reached every check, not only the first.
    for (const code of [
      'json',
      'message',
      'event-shape',
      'event-kind',
      'event-time',
      'event-id',
      'event-signature',
    ] as const) {
      expect(stats.dropped[code], code).toBeGreaterThan(5)
    }
    for (const code of [
      'event-duplicate',
      'event-too-large',
      'filter',
      'filters',
      'subscription-id',
      'auth-invalid',
    ] as const) {
      expect(stats.dropped[code], code).toBeGreaterThan(0)
    }
    expect(Object.hasOwn(Object.prototype, 'kinds')).toBe(false)
    expect(await works(url)).toBe(true)
  })

  test('100,000-deep JSON is answered, and not only after a long time', async () => {
    const { url } = await start({ limits: { frameBytes: 1_000_000, outgoingBytes: 1_000_000 } })
    const client = await connect(url)
    const deep = '['.repeat(100_000) + ']'.repeat(100_000)
    const objects = `${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`
    const id = 'a'.repeat(64)
    const before = Date.now()
    client.sendText(deep)
    expect((await client.verb('NOTICE'))[1]).toMatch(/^unsupported: /)
    client.sendText('['.repeat(200_000))
    expect((await client.verb('NOTICE'))[1]).toMatch(/^invalid: /)
    client.sendText(`["EVENT",{"id":"${id}","tags":${deep}}]`)
    expect((await client.verb('OK')).slice(1, 3)).toEqual([id, false])
    client.sendText(`["REQ","a",${objects}]`)
    expect((await client.verb('CLOSED'))[1]).toBe('a')
    client.sendText(`["REQ","a",{"kinds":${deep}}]`)
    expect((await client.verb('CLOSED'))[1]).toBe('a')
    // Some milliseconds on a quiet machine; what grows with the square of the depth takes minutes.
    expect(Date.now() - before).toBeLessThan(30_000)
  })

  test('WebSocket frames that break RFC 6455 end their own connection and no other', async () => {
    const { url, port, relay } = await start()
    const mask = [0, 0, 0, 0]
    const frames: readonly (readonly number[])[] = [
      [0x81, 0x05, 1, 2, 3, 4, 5], // not masked
      [0xf1, 0x80, ...mask], // reserved bits
      [0x83, 0x80, ...mask], // reserved opcode
      [0x89, 0xfe, 0x00, 0x7e, ...mask], // a ping of 126 bytes
      [0x09, 0x80, ...mask], // a fragmented ping
      [0x80, 0x80, ...mask], // a continuation of nothing
      [0x81, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, ...mask], // 2^64 bytes announced
      [0x81, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, ...mask], // 4 GiB announced
      [0x81, 0x82, ...mask, 0xc3, 0x28], // no UTF-8
      [0x88, 0x81, ...mask, 0x01], // a close of one byte
      [0xc1, 0x81, ...mask, 0x01], // compressed, though nobody agreed to it
    ]
    for (const frame of frames) {
      const socket = await rawSocket(port, HANDSHAKE)
      socket.once('data', () => socket.write(Buffer.from(frame)))
      socket.resume()
      await new Promise((resolve) => socket.once('close', resolve))
    }
    await until(() => relay.stats().connections === 0, 'all gone')
    const { dropped } = relay.stats()
    expect((dropped.protocol ?? 0) + (dropped['frame-bytes'] ?? 0)).toBe(frames.length)
    expect(await works(url)).toBe(true)
  })

  test('HTTP that is none, and handshakes that are none, end in an error and nothing else', async () => {
    const { url, port } = await start()
    const requests = [
      '\u0000\u0001\u0002\r\n\r\n',
      'GET\r\n\r\n',
      'GET / HTTP/9.9\r\n\r\n',
      `GET / HTTP/1.1\r\nX: ${'x'.repeat(100_000)}\r\n\r\n`,
      `GET /${'x'.repeat(100_000)} HTTP/1.1\r\n\r\n`,
      HANDSHAKE.replace('13', '99'),
      HANDSHAKE.replace(/Sec-WebSocket-Key: .*\r\n/, ''),
      HANDSHAKE.replace('dGhlIHNhbXBsZSBub25jZQ==', 'short'),
      HANDSHAKE.replace('websocket', 'h2c'),
      HANDSHAKE.replace('GET', 'POST'),
      HANDSHAKE.replace('GET / ', 'GET //%zz/\\ '),
      'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n',
    ]
    for (const request of requests) {
      const socket = await rawSocket(port, request)
      const answer: Buffer[] = []
      socket.on('data', (data) => answer.push(data))
      socket.on('error', () => {})
      await new Promise((resolve) => socket.once('close', resolve))
      expect(String(Buffer.concat(answer))).not.toContain('HTTP/1.1 101')
    }
    expect(await works(url)).toBe(true)
  })
})

describe('clients nobody should be', () => {
  test('1,000 subscriptions of one client: 32 are opened, the rest is refused, each with a CLOSED', async () => {
    const { url, relay } = await start({ limits: OPEN })
    const client = await connect(url)
    for (let i = 0; i < 1_000; i += 1) client.send('REQ', `s${i}`, { '#p': [bob.pubkey] })
    await client.take((message) => message[1] === 's999')
    expect(relay.stats()).toMatchObject({ subscriptions: 32, dropped: { subscriptions: 968 } })
    client.socket.terminate()
    await until(() => relay.stats().subscriptions === 0, 'none left')
  })

  test('a pipelined flood of 50,000 messages ends its sender, while another client is served', async () => {
    const { url, port, relay } = await start()
    const other = await connect(url)
    const text = Buffer.from('["REQ","flood",{"kinds":[24133]}]')
    const frame = Buffer.concat([Buffer.from([0x81, 0x80 | text.length, 0, 0, 0, 0]), text])
    const flooder = await rawSocket(port, HANDSHAKE)
    flooder.on('error', () => {})
    const gone = new Promise((resolve) => flooder.once('close', resolve))
    flooder.resume()
    flooder.write(Buffer.concat(new Array<Buffer>(50_000).fill(frame)))
    expect((await other.subscribe('a', {}))[0]).toBe('EOSE')
    await gone
    expect(relay.stats().dropped.flood).toBe(1)
    expect(relay.stats().received).toBeLessThan(1_000)
    expect(await works(url)).toBe(true)
  })

  test('a flood of pings by a client that reads nothing grows no buffer', async () => {
    const { port, relay } = await start()
    const ping = Buffer.concat([Buffer.from([0x89, 0x80 | 125, 0, 0, 0, 0]), Buffer.alloc(125)])
    const socket = await rawSocket(port, HANDSHAKE)
    socket.on('error', () => {})
    socket.pause()
    socket.write(Buffer.concat(new Array<Buffer>(20_000).fill(ping)))
    await until(() => relay.stats().dropped.flood === 1, 'the flood ends the connection')
    socket.destroy()
  })

  test('readers that vanish in the middle of a fan-out take nothing from the others', async () => {
    const { url, relay } = await start({ limits: { ...OPEN, connectionsPerAddress: 1_000 } })
    const random = dice(7)
    const sender = await connect(url)
    const steady = await connect(url)
    await steady.subscribe('steady', { '#p': [bob.pubkey] })
    const readers = await Promise.all(Array.from({ length: 60 }, () => connect(url)))
    for (const reader of readers) await reader.subscribe('r', { '#p': [bob.pubkey] })
    const sent: string[] = []
    for (const reader of readers) {
      const event = sign(alice, { content: `${sent.length}${'x'.repeat(5_000)}` })
      sent.push(event.id)
      sender.send('EVENT', event)
      const way = random()
      if (way < 0.3) reader.socket.terminate()
      else if (way < 0.5) reader.socket.close()
      else if (way < 0.7) reader.send('CLOSE', 'r')
      else if (way < 0.9) reader.socket.once('message', () => reader.socket.terminate())
    }
    for (const id of sent) await steady.take((message) => (message[2] as SignedEvent | undefined)?.id === id)
    for (const id of sent) expect((await sender.take((message) => message[1] === id))[2]).toBe(true)
    expect(relay.stats().dropped.internal).toBeUndefined()
  })

  test('100 half-open handshakes and 100 half-sent frames do not keep the relay from closing in time', async () => {
    const relay = createRelay({ crypto, limits: { connectionsPerAddress: 1_000, closeMs: 300 } })
    const { port, url } = await relay.listen()
    const sockets = await Promise.all(
      Array.from({ length: 200 }, (_, i) => rawSocket(port, i % 2 === 0 ? 'GET / HTTP/1.1\r\n' : HANDSHAKE)),
    )
    for (const socket of sockets) {
      socket.on('error', () => {})
      socket.pause()
    }
    await until(() => relay.stats().connections === 100, 'a hundred open')
    for (const [i, socket] of sockets.entries()) {
      if (i % 2 === 1) socket.write(Buffer.from([0x81, 0xfe, 0x10, 0x00, 0, 0, 0, 0, 0x5b]))
    }
    expect(await works(url)).toBe(true)
    // Nobody answers the goodbye: without a limit this would never end.
    await relay.close()
    expect(relay.stats()).toMatchObject({ connections: 0, subscriptions: 0 })
    for (const socket of sockets) socket.destroy()
  })

  test('a crypto that throws costs one connection and is reported, and the relay lives on', async () => {
    const errors: unknown[] = []
    let broken = true
    const { url, relay } = await start({
      crypto: {
        eventId: (event) => crypto.eventId(event),
        verify(claim) {
          if (broken) throw new Error('out of memory')
          return crypto.verify(claim)
        },
      },
      onError: (error) => errors.push(error),
    })
    const client = await connect(url)
    client.send('EVENT', sign(alice))
    expect((await client.closed).code).toBe(1006)
    expect(errors).toEqual([new Error('out of memory')])
    expect(relay.stats()).toMatchObject({ connections: 0, dropped: { internal: 1 } })
    broken = false
    expect(await works(url)).toBe(true)
  })

  test('memory stays bounded under junk: 3,000 large messages leave no trace', async () => {
    const { url, relay } = await start({ limits: OPEN, retention: { seconds: 60, bytes: 1_000_000 } })
    const client = await connect(url)
    const junk = `["EVENT",{"id":"${'a'.repeat(64)}","content":"${'x'.repeat(100_000)}"}]`
    const measure = async (rounds: number): Promise<number> => {
      for (let i = 0; i < rounds; i += 1) {
        for (let j = 0; j < 100; j += 1) client.sendText(junk)
        client.inbox.length = 0
        await client.subscribe('pulse', {})
      }
      collectGarbage()
      return process.memoryUsage().heapUsed
    }
    const warm = await measure(10)
    const after = await measure(20)
    expect(after - warm).toBeLessThan(20_000_000)
    expect(relay.stats()).toMatchObject({ stored: 0, subscriptions: 1 })
  })
})

test('a WebSocket of the platform itself works too', async () => {
  const { url } = await start()
  const socket = new (globalThis.WebSocket ?? WebSocket)(url)
  const messages: unknown[] = []
  socket.addEventListener('message', (event: { data: unknown }) =>
    messages.push(JSON.parse(String(event.data))),
  )
  await new Promise((resolve) => socket.addEventListener('open', resolve))
  socket.send('["REQ","a",{"kinds":[24133]}]')
  await until(() => messages.length === 1, 'EOSE')
  expect(messages).toEqual([['EOSE', 'a']])
  socket.close()
})

test('an event with many tags meets many-sided filters without a scan of its tags for each condition', () => {
  const letters = [...'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ'].filter(
    (name) => !/[pe]/.test(name),
  )
  const padding = Array.from({ length: 50 }, () => ['padding', 'x'])
  const event = sign(alice, { tags: [...padding, ...letters.map((name) => [name, 'v'])] })
  let reads = 0
  const get = (tag: readonly string[], name: string | symbol): unknown => {
    reads += 1
    return Reflect.get(tag, name)
  }
  const counted = event.tags.map((tag) => new Proxy(tag, { get }))
  const filter = parseFilter(Object.fromEntries(letters.map((name) => [`#${name}`, ['v']])), DEFAULT_LIMITS)
  if (!filter.ok) throw new Error(filter.error)
  const counting = { ...event, tags: counted }
  const tagged = tagValues(counting)
  const once = reads
  for (let i = 0; i < 1_000; i += 1) expect(matchesFilter(filter.value, counting, tagged)).toBe(true)
  expect(reads).toBe(once)
})
