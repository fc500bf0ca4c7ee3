import { createServer } from 'node:http'
import { UsageError } from '@nip46/core'
import { afterEach, describe, expect, test } from 'vitest'
import { createRelay } from '../src/index.ts'
import { alice, bob, closeRelays, connect, crypto, seconds, sign, start, until } from './wire.ts'

afterEach(closeRelays)

const forBob = { kinds: [24133], '#p': [bob.pubkey] }

describe('events and subscriptions', () => {
  test('an event reaches live subscriptions that match, on any connection, and is answered with OK', async () => {
    const { url, relay } = await start()
    const [sender, reader, other] = await Promise.all([connect(url), connect(url), connect(url)])
    await reader.subscribe('a', forBob)
    await reader.subscribe('b', { authors: [alice.pubkey] }, { kinds: [1] })
    await other.subscribe('c', { '#p': [alice.pubkey] })
    const event = sign(alice)
    expect(await sender.publish(event)).toEqual(['OK', event.id, true, ''])
    const got = [await reader.verb('EVENT'), await reader.verb('EVENT')]
    expect(got.map(([, id]) => id).sort()).toEqual(['a', 'b'])
    expect(got[0]?.[2]).toEqual(event)
    await other.subscribe('end', forBob)
    expect(other.inbox).toEqual([])
    expect(relay.stats()).toMatchObject({
      connections: 3,
      subscriptions: 4,
      accepted: 1,
      delivered: 2,
      stored: 0,
      dropped: {},
    })
  })

  test('every condition of a filter counts, and any filter of a REQ is enough', async () => {
    const { url } = await start()
    const client = await connect(url)
    const event = sign(alice, { tags: [['p', bob.pubkey], ['t', 'red'], ['t', 'blue'], ['x']] })
    const at = event.created_at
    const yes: object[] = [
      {},
      { ids: [event.id] },
      { authors: [bob.pubkey, alice.pubkey] },
      { kinds: [1, 24133] },
      { '#p': [bob.pubkey] },
      { '#t': ['green', 'blue'] },
      { since: at, until: at },
      { limit: 0 },
      { '#p': [bob.pubkey], '#t': ['red'], authors: [alice.pubkey] },
    ]
    const no: object[] = [
      { ids: ['0'.repeat(64)] },
      { authors: [bob.pubkey] },
      { kinds: [1] },
      { kinds: [] },
      { '#p': [alice.pubkey] },
      { '#t': ['green'] },
      { '#x': [''] },
      { since: at + 1 },
      { until: at - 1 },
      { '#p': [bob.pubkey], '#t': ['green'] },
    ]
    for (const [i, filter] of yes.entries())
      expect((await client.subscribe(`yes${i}`, filter))[0]).toBe('EOSE')
    for (const [i, filter] of no.entries()) expect((await client.subscribe(`no${i}`, filter))[0]).toBe('EOSE')
    await client.subscribe('both', { kinds: [1] }, { kinds: [24133] })
    await client.publish(event)
    const ids: unknown[] = []
    for (let i = 0; i < yes.length + 1; i += 1) ids.push((await client.verb('EVENT'))[1])
    expect(ids.sort()).toEqual(['both', ...yes.map((_, i) => `yes${i}`)].sort())
    await client.subscribe('end', forBob)
    expect(client.inbox).toEqual([])
  })

  test('CLOSE ends a subscription, a REQ with the same id replaces it, a disconnect ends all', async () => {
    const { url, relay } = await start()
    const [client, sender] = await Promise.all([connect(url), connect(url)])
    await client.subscribe('a', forBob)
    await client.subscribe('a', { '#p': [alice.pubkey] })
    expect(relay.stats().subscriptions).toBe(1)
    await sender.publish(sign(alice))
    await client.subscribe('b', forBob)
    expect(client.inbox).toEqual([])
    client.send('CLOSE', 'b')
    client.send('CLOSE', 'never opened')
    await client.subscribe('c', { kinds: [1] })
    await sender.publish(sign(alice, { content: 'second' }))
    expect(client.inbox).toEqual([])
    client.socket.terminate()
    await until(() => relay.stats().connections === 1, 'the connection is gone')
    expect(relay.stats().subscriptions).toBe(0)
  })

  test('an event seen before is a duplicate and not sent again; one that reached nobody may be sent again', async () => {
    const { url } = await start()
    const client = await connect(url)
    const event = sign(alice)
    expect(await client.publish(event)).toEqual(['OK', event.id, true, ''])
    await client.subscribe('a', forBob)
    expect(await client.publish(event)).toEqual(['OK', event.id, true, ''])
    expect((await client.verb('EVENT'))[2]).toEqual(event)
    expect(await client.publish(event)).toEqual(['OK', event.id, true, 'duplicate: already have this event'])
    expect(client.inbox).toEqual([])
  })

  test('with mute, an event nobody listens for is refused', async () => {
    const { url } = await start({ mute: true })
    const client = await connect(url)
    const event = sign(alice)
    expect((await client.publish(event)).slice(2)).toEqual([false, expect.stringMatching(/^mute: /)])
    await client.subscribe('a', forBob)
    expect((await client.publish(event)).slice(2)).toEqual([true, ''])
  })

  test('events that are wrong are refused, each with its reason', async () => {
    const { url, relay } = await start()
    const client = await connect(url)
    const now = seconds()
    const good = sign(alice)
    const flipped = `${good.sig.startsWith('0') ? '1' : '0'}${good.sig.slice(1)}`
    const cases: readonly [unknown, RegExp][] = [
      [{ ...good, kind: 1.5 }, /^invalid: not an event/],
      [{ ...good, tags: [[1]] }, /^invalid: not an event/],
      [sign(alice, { content: 'x'.repeat(131_073) }), /^invalid: the event is too large/],
      [sign(alice, { kind: 1 }), /^blocked: this relay carries only kind 24133/],
      [sign(alice, { kind: 22242 }), /^invalid: kind 22242/],
      [sign(alice, { created_at: now - 700 }), /^invalid: created_at is more than 600 s in the past/],
      [sign(alice, { created_at: now + 700 }), /^invalid: created_at is more than 600 s in the future/],
      [{ ...good, content: 'y' }, /^invalid: the id/],
      [{ ...good, sig: flipped }, /^invalid: the signature/],
    ]
    for (const [event, reason] of cases) {
      expect((await client.publish(event as typeof good)).slice(2)).toEqual([
        false,
        expect.stringMatching(reason),
      ])
    }
    expect(relay.stats().accepted).toBe(0)
    expect(relay.stats().dropped).toEqual({
      'event-shape': 2,
      'event-too-large': 1,
      'event-kind': 2,
      'event-time': 2,
      'event-id': 1,
      'event-signature': 1,
    })
  })

  test('the largest event core accepts passes, with what belongs to it and nothing else', async () => {
    const { url } = await start()
    const client = await connect(url)
    await client.subscribe('a', forBob)
    const event = sign(alice, { content: 'x'.repeat(131_072 - 65) })
    expect((await client.publish({ ...event, extra: 1, __proto__: { evil: 1 } } as typeof event))[2]).toBe(
      true,
    )
    expect((await client.verb('EVENT'))[2]).toEqual(event)
  })

  test('created_at is accepted at the edge of the window', async () => {
    const time = 1_700_000_000_000
    const clock = { now: () => time, setTimer: () => undefined, clearTimer: () => {} }
    const { url } = await start({ clock, limits: { pastSeconds: 60, futureSeconds: 30 } })
    const client = await connect(url)
    const accepts = async (offset: number): Promise<unknown> =>
      (await client.publish(sign(alice, { created_at: time / 1_000 + offset })))[2]
    expect([await accepts(-60), await accepts(-61), await accepts(30), await accepts(31)]).toEqual([
      true,
      false,
      true,
      false,
    ])
  })

  test('other kinds pass if the owner says so', async () => {
    const { url } = await start({ kinds: [24133, 24135] })
    const client = await connect(url)
    await client.subscribe('a', { kinds: [24135] })
    await client.publish(sign(alice, { kind: 24135 }))
    expect((await client.verb('EVENT'))[1]).toBe('a')
  })
})

describe('messages that are wrong', () => {
  test('nonsense gets a NOTICE and the connection lives on', async () => {
    const { url, relay } = await start()
    const client = await connect(url)
    const nonsense = [
      '',
      'x',
      '{}',
      '[]',
      '[1]',
      '"EVENT"',
      'null',
      '["COUNT","a",{}]',
      '["EVENT"]',
      '["EVENT",{"id":"x"}]',
    ]
    nonsense.push('["REQ"]', '["REQ",""]', '["REQ",1,{}]', '["CLOSE",null]', `["REQ","${'x'.repeat(65)}",{}]`)
    for (const text of nonsense) {
      client.sendText(text)
      await client.verb('NOTICE')
    }
    client.socket.send(Buffer.from('["REQ","a",{}]'))
    await client.verb('NOTICE')
    expect((await client.subscribe('x'.repeat(64), {}))[0]).toBe('EOSE')
    expect(relay.stats().dropped).toEqual({
      json: 2,
      message: 6,
      'event-shape': 2,
      'subscription-id': 5,
      binary: 1,
    })
  })

  test('a filter that is wrong or not understood closes the subscription, also the one it would replace', async () => {
    const { url, relay } = await start()
    const client = await connect(url)
    const cases: readonly [unknown, RegExp][] = [
      [null, /^invalid: a filter/],
      [[], /^invalid: a filter/],
      ['x', /^invalid: a filter/],
      [{ search: 'x' }, /^unsupported: /],
      [{ '#pp': [bob.pubkey] }, /^unsupported: /],
      [{ '#1': [] }, /^unsupported: /],
      [{ kinds: 24133 }, /^invalid: kinds must be a list/],
      [{ kinds: [1.5] }, /^invalid: kinds/],
      [{ kinds: [65_536] }, /^invalid: kinds/],
      [{ authors: ['ABC'] }, /^invalid: authors/],
      [{ ids: [null] }, /^invalid: ids/],
      [{ '#p': [bob.pubkey.toUpperCase()] }, /^invalid: #p/],
      [{ '#t': [1] }, /^invalid: #t/],
      [{ '#t': ['x'.repeat(129)] }, /^invalid: #t/],
      [{ since: '1' }, /^invalid: since/],
      [{ until: -1 }, /^invalid: until/],
      [{ limit: 1.5 }, /^invalid: limit/],
    ]
    for (const [filter, reason] of cases) {
      expect((await client.subscribe('ok', forBob))[0]).toBe('EOSE')
      expect(await client.subscribe('ok', forBob, filter)).toEqual([
        'CLOSED',
        'ok',
        expect.stringMatching(reason),
      ])
      expect(relay.stats().subscriptions).toBe(0)
    }
    client.sendText('["REQ","ok",{"__proto__":{"kinds":[1]}}]')
    expect((await client.verb('CLOSED'))[2]).toMatch(/^unsupported: /)
    expect(await client.subscribe('ok')).toEqual(['CLOSED', 'ok', expect.stringMatching(/^invalid: /)])
    expect((await client.subscribe('ok', { '#t': ['x'.repeat(128)] }))[0]).toBe('EOSE')
  })
})

describe('retention', () => {
  test('keeps so many events, newest first, for a REQ that comes later', async () => {
    const { url, relay } = await start({ retention: { seconds: 60, events: 3 } })
    const client = await connect(url)
    const now = seconds()
    const events = [4, 1, 3, 2].map((i) => sign(alice, { created_at: now + i, content: `${i}` }))
    for (const event of events) await client.publish(event)
    const read = async (...filters: object[]): Promise<unknown[]> => {
      await client.subscribe('r', ...filters)
      const found = client.inbox.splice(0).map((message) => (message[2] as { content: string }).content)
      client.send('CLOSE', 'r')
      return found
    }
    expect(await read({})).toEqual(['3', '2', '1'])
    expect(await read({ limit: 2 })).toEqual(['3', '2'])
    expect(await read({ limit: 0 })).toEqual([])
    expect(await read({ since: now + 2 })).toEqual(['3', '2'])
    expect(await read({ until: now + 1 }, { since: now + 3, limit: 5 })).toEqual(['3', '1'])
    expect(await read({ authors: [bob.pubkey] })).toEqual([])
    expect((await client.publish(events[3] as (typeof events)[0]))[3]).toMatch(/^duplicate: /)
    expect(relay.stats()).toMatchObject({ stored: 3, accepted: 4 })
  })

  test('keeps so many bytes and so many seconds, and no more', async () => {
    let time = Date.now()
    const clock = { now: () => time, setTimer: () => undefined, clearTimer: () => {} }
    const { url, relay } = await start({ clock, retention: { seconds: 10, bytes: 5_000 } })
    const client = await connect(url)
    const event = (content: string): ReturnType<typeof sign> =>
      sign(alice, { content, created_at: Math.floor(time / 1_000) })
    await client.publish(event('a'.repeat(2_000)))
    await client.publish(event('b'.repeat(2_000)))
    expect(relay.stats().stored).toBe(2)
    await client.publish(event('c'.repeat(2_000)))
    await client.publish(event('d'.repeat(6_000)))
    await client.subscribe('r', {})
    const kept = client.inbox.splice(0).map((message) => (message[2] as { content: string }).content[0])
    expect(kept.sort()).toEqual(['b', 'c'])
    expect(relay.stats().storedBytes).toBeLessThanOrEqual(5_000)
    client.send('CLOSE', 'r')
    await client.publish(event('e'))
    time += 10_000
    await client.subscribe('in time', {})
    expect(client.inbox.splice(0)).toHaveLength(2)
    time += 1
    await client.subscribe('too late', {})
    expect(client.inbox).toEqual([])
    expect(relay.stats().stored).toBe(0)
  })

  test('a catch-up larger than the room of a reader is cut short, newest first, and the reader is not dropped', async () => {
    const { url, relay } = await start({
      retention: { seconds: 60 },
      limits: { outgoingBytes: 300_000 },
    })
    const client = await connect(url)
    for (let i = 0; i < 10; i += 1) {
      await client.publish(
        sign(alice, { content: `${i}${'x'.repeat(40_000)}`, created_at: seconds() - 20 + i }),
      )
    }
    expect((await client.subscribe('r', {}))[0]).toBe('EOSE')
    const got = client.inbox.map((message) => (message[2] as { content: string }).content[0])
    expect(got).toEqual(['9', '8', '7'])
    expect(relay.stats().dropped).toEqual({})
  })
})

describe('starting and ending', () => {
  test('listens on loopback on a free port, says its URL, and frees the port when closed', async () => {
    const closeMs = 600_000
    const { relay, url, port } = await start({ limits: { closeMs } })
    expect(url).toBe(`ws://127.0.0.1:${port}/`)
    const again = createRelay({ crypto, port })
    await expect(again.listen()).rejects.toMatchObject({ code: 'EADDRINUSE' })
    await expect(relay.listen()).rejects.toThrow(UsageError)
    const client = await connect(url)
    // A client that answers the goodbye is not waited for longer: `closeMs` is more than this test has.
    await Promise.all([relay.close(), relay.close()])
    expect(relay.stats().connections).toBe(0)
    expect((await client.closed).code).toBe(1001)
    await expect(connect(url)).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    await expect(relay.listen()).rejects.toThrow(UsageError)
    await again.listen()
    await again.close()
  })

  test('a relay that never listened closes at once', async () => {
    await createRelay({ crypto }).close()
  })

  test('shares a server of the host, on its own path, and leaves the rest to the host', async () => {
    const relay = createRelay({ crypto, path: '/relay' })
    const server = createServer((request, response) => {
      if (request.url === '/relay') relay.handleRequest(request, response)
      else response.end('the host')
    })
    server.on('upgrade', (request, socket) => {
      if (request.url === '/other') socket.end('HTTP/1.1 418 Other\r\n\r\n')
    })
    relay.attach(server)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as { port: number }
    const client = await connect(`ws://127.0.0.1:${port}/relay`)
    await client.subscribe('a', forBob)
    await client.publish(sign(alice))
    expect((await client.verb('EVENT'))[1]).toBe('a')
    await expect(connect(`ws://127.0.0.1:${port}/other`)).rejects.toThrow('418')
    expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toBe('the host')
    expect(await (await fetch(`http://127.0.0.1:${port}/relay`)).text()).toContain('Nostr relay')
    await relay.close()
    expect((await client.closed).code).toBe(1001)
    expect(server.listening).toBe(true)
    await new Promise((resolve) => server.close(resolve))
  })

  test('options that can never work are refused at once, with what would work', () => {
    const bad: object[] = [
      { path: 'relay' },
      { path: '/a?b' },
      { kinds: [] },
      { kinds: [-1] },
      { kinds: [22242] },
      { limits: { connections: 0 } },
      { limits: { frameBytes: 1.5 } },
      { limits: { framebytes: 1 } },
      { limits: { outgoingBytes: 1_000 } },
      { retention: { seconds: 0 } },
      { retention: { seconds: 1, events: -1 } },
      { auth: { allow: ['npub1'] } },
      { auth: { urls: ['https://relay.example'] } },
      { auth: {}, host: '0.0.0.0' },
    ]
    for (const options of bad) expect(() => createRelay({ crypto, ...options })).toThrow(UsageError)
    expect(() => createRelay({ crypto, auth: {} }).attach(createServer())).toThrow(UsageError)
  })
})
