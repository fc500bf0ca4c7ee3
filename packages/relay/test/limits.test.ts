import { afterEach, describe, expect, test } from 'vitest'
import { addressGroup, createAdmission } from '../src/admission.ts'
import { parseFilter } from '../src/filter.ts'
import { createRecentIds } from '../src/recent-ids.ts'
import { createSubscriptionIndex } from '../src/subscription-index.ts'
import { createTokenBucket } from '../src/token-bucket.ts'
import { alice, bob, closeRelays, connect, HANDSHAKE, rawSocket, sign, start, until } from './wire.ts'

afterEach(closeRelays)

/** A clock that moves only when told, for the rates; its timers run when told. */
function handClock(time = Date.now()) {
  const timers = new Set<{ readonly run: () => void; readonly at: number }>()
  return {
    now: () => time,
    setTimer(run: () => void, afterMs: number) {
      const timer = { run, at: time + afterMs }
      timers.add(timer)
      return timer
    },
    clearTimer(handle: unknown) {
      timers.delete(handle as { run: () => void; at: number })
    },
    pass(ms: number) {
      time += ms
    },
    fire() {
      for (const timer of [...timers].filter(({ at }) => at <= time)) {
        timers.delete(timer)
        timer.run()
      }
    },
  }
}

describe('messages', () => {
  test('a message of frameBytes passes, one byte more closes with 1009', async () => {
    const { url, relay } = await start({ limits: { frameBytes: 1_000 } })
    const client = await connect(url)
    const text = (bytes: number): string => `["CLOSE","a"${' '.repeat(bytes - 13)}]`
    client.sendText(text(1_000))
    expect((await client.subscribe('a', {}))[0]).toBe('EOSE')
    client.sendText(text(1_001))
    expect((await client.closed).code).toBe(1009)
    expect(relay.stats()).toMatchObject({ connections: 0, subscriptions: 0, dropped: { 'frame-bytes': 1 } })
  })

  test('a message in as many fragments as allowed passes, one more closes with 1008', async () => {
    const { url, relay } = await start({ limits: { fragments: 8 } })
    const client = await connect(url)
    const sendIn = (count: number): void => {
      const text = '["REQ","fragments",{}]'
      for (let i = 0; i < count; i += 1) {
        const last = i === count - 1
        client.socket.send(last ? text.slice(i) : (text[i] ?? ''), { fin: last })
      }
    }
    sendIn(8)
    await client.verb('EOSE')
    sendIn(9)
    expect((await client.closed).code).toBe(1008)
    expect(relay.stats().dropped).toEqual({ protocol: 1 })
  })

  test('a burst passes, one more is answered rate-limited, and time gives new room', async () => {
    const clock = handClock()
    const { url, relay } = await start({ clock, limits: { messageBurst: 5, messagesPerSecond: 10 } })
    const client = await connect(url)
    for (let i = 0; i < 5; i += 1) expect((await client.subscribe(`s${i}`, {}))[0]).toBe('EOSE')
    expect(await client.subscribe('s5', {})).toEqual(['CLOSED', 's5', 'rate-limited: slow down'])
    const event = sign(alice)
    expect((await client.publish(event)).slice(2)).toEqual([false, 'rate-limited: slow down'])
    client.send('CLOSE', 's0')
    await until(() => relay.stats().subscriptions === 4, 'CLOSE is heard even then')
    client.sendText('junk')
    await client.verb('NOTICE')
    clock.pass(100)
    expect((await client.publish(event))[2]).toBe(true)
    expect((await client.publish(event))[2]).toBe(false)
    expect(relay.stats().dropped['rate-limited']).toBe(5)
  })

  test('who goes on over the rate is closed with 1008', async () => {
    const clock = handClock()
    const { url, relay } = await start({ clock, limits: { messageBurst: 1, rateRefusals: 3 } })
    const client = await connect(url)
    await client.subscribe('a', {})
    for (let i = 0; i < 3; i += 1) client.send('REQ', 'b', {})
    for (let i = 0; i < 3; i += 1) await client.verb('CLOSED')
    expect(client.socket.readyState).toBe(client.socket.OPEN)
    client.send('REQ', 'b', {})
    expect(await client.closed).toEqual({ code: 1008, reason: 'rate-limited: too many messages' })
    expect(relay.stats()).toMatchObject({ connections: 0, subscriptions: 0, dropped: { flood: 1 } })
  })

  test('a large message costs more than a small one, and a forged event costs most', async () => {
    const clock = handClock()
    const { url } = await start({ clock, limits: { messageBurst: 10, forgeryTokens: 5 } })
    const [large, forger] = await Promise.all([connect(url), connect(url)])
    // 131,072 bytes cost nine: one left.
    large.sendText(`["CLOSE","${' '.repeat(60)}"${' '.repeat(131_000)}]`)
    expect((await large.subscribe('a', {}))[0]).toBe('EOSE')
    expect((await large.subscribe('b', {}))[0]).toBe('CLOSED')
    // A forgery costs six: the second goes below zero.
    const forged = { ...sign(alice), content: 'y' }
    expect((await forger.publish(forged))[3]).toMatch(/^invalid: /)
    expect((await forger.publish(forged))[3]).toMatch(/^invalid: /)
    expect((await forger.publish(forged))[3]).toMatch(/^rate-limited: /)
  })

  test('pings are answered, and count against the rate', async () => {
    const clock = handClock()
    const { url } = await start({ clock, limits: { messageBurst: 3, rateRefusals: 2 } })
    const client = await connect(url)
    let pongs = 0
    client.socket.on('pong', () => (pongs += 1))
    for (let i = 0; i < 5; i += 1) client.socket.ping()
    await until(() => pongs === 3, 'three pongs')
    client.send('REQ', 'a', {})
    expect((await client.closed).code).toBe(1008)
    expect(pongs).toBe(3)
  })
})

describe('subscriptions', () => {
  test('so many subscriptions, and one more is refused', async () => {
    const { url, relay } = await start({ limits: { subscriptions: 2 } })
    const client = await connect(url)
    expect((await client.subscribe('a', {}))[0]).toBe('EOSE')
    expect((await client.subscribe('b', {}))[0]).toBe('EOSE')
    expect((await client.subscribe('c', {})).slice(0, 2)).toEqual(['CLOSED', 'c'])
    expect((await client.subscribe('b', {}))[0]).toBe('EOSE')
    expect(relay.stats().subscriptions).toBe(2)
    client.send('CLOSE', 'a')
    expect((await client.subscribe('c', {}))[0]).toBe('EOSE')
  })

  test('so many filters in a REQ, and one more is refused', async () => {
    const { url } = await start({ limits: { filters: 3 } })
    const client = await connect(url)
    expect((await client.subscribe('a', {}, {}, {}))[0]).toBe('EOSE')
    expect((await client.subscribe('a', {}, {}, {}, {}))[2]).toBe('error: more than 3 filters')
  })

  test('a REQ pays for what it is held against: so many conditions are free, and more cost tokens', async () => {
    const clock = handClock()
    const { url, relay } = await start({ clock, limits: { messageBurst: 200 }, retention: { seconds: 60 } })
    const letters = [...'abcdfghijklmnoqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ']
    const tags = letters.map((letter) => [letter, 'v'])
    const publisher = await connect(url)
    for (let i = 0; i < 100; i += 1) await publisher.publish(sign(alice, { content: `${i}`, tags }))
    expect(relay.stats().stored).toBe(100)

    const wide = { ...Object.fromEntries(letters.map((letter) => [`#${letter}`, ['v']])), limit: 0 }
    const greedy = await connect(url)
    const filters = Array.from({ length: 16 }, () => wide)
    // 100 events, 16 filters, 51 conditions each: 8 tokens more than the one of the message.
    for (let i = 0; i < 22; i += 1) expect((await greedy.subscribe('a', ...filters))[0]).toBe('EOSE')
    expect((await greedy.subscribe('a', ...filters))[0]).toBe('EOSE')
    expect((await greedy.subscribe('a', ...filters))[2]).toMatch(/^rate-limited:/)

    const modest = await connect(url)
    for (let i = 0; i < 100; i += 1)
      expect((await modest.subscribe('a', { '#p': [bob.pubkey], limit: 0 }))[0]).toBe('EOSE')
  })

  test('so many values in all filters of a connection, and one more is refused; closing gives them back', async () => {
    const { url, relay } = await start({ limits: { filterValues: 10 } })
    const client = await connect(url)
    const keys = (count: number): object => ({ '#t': Array.from({ length: count }, (_, i) => `${i}`) })
    expect((await client.subscribe('a', keys(10)))[0]).toBe('EOSE')
    expect((await client.subscribe('a', keys(11)))[2]).toMatch(/^error: more than 10 values/)
    expect((await client.subscribe('a', keys(4), keys(2)))[0]).toBe('EOSE')
    expect((await client.subscribe('b', keys(4)))[0]).toBe('EOSE')
    expect((await client.subscribe('c', { kinds: [1] }))[0]).toBe('CLOSED')
    expect((await client.subscribe('c', {}))[0]).toBe('EOSE')
    client.send('CLOSE', 'b')
    expect((await client.subscribe('d', keys(3), { kinds: [1] }))[0]).toBe('EOSE')
    expect((await client.subscribe('d', keys(3), { kinds: [1, 2] }))[0]).toBe('CLOSED')
    expect(relay.stats().subscriptions).toBe(2)
  })
})

describe('connections', () => {
  test('so many in all, and one more is answered 503; leaving makes room', async () => {
    const { url, relay } = await start({ limits: { connections: 2 } })
    const clients = await Promise.all([connect(url), connect(url)])
    await expect(connect(url)).rejects.toThrow(/503|socket hang up|ECONNRESET|EPIPE/)
    clients[0]?.socket.terminate()
    await until(() => relay.stats().connections === 1, 'one left')
    const again = await connect(url)
    expect((await again.subscribe('a', {}))[0]).toBe('EOSE')
    expect(relay.stats().dropped).toEqual({ connections: 1 })
  })

  test('so many of one address, and one more is answered 429', async () => {
    const { url, relay } = await start({ limits: { connectionsPerAddress: 1 } })
    await connect(url)
    await expect(connect(url)).rejects.toThrow(/429|socket hang up|ECONNRESET|EPIPE/)
    expect(relay.stats().dropped).toEqual({ 'connections-per-address': 1 })
  })

  test('behind a proxy the address it names counts', async () => {
    const { url, relay } = await start({
      addressOf: (request) => new URL(request.url ?? '', 'http://x').searchParams.get('from') ?? undefined,
      limits: { connectionsPerAddress: 1 },
    })
    await connect(`${url}?from=1.1.1.1`)
    await connect(`${url}?from=2.2.2.2`)
    await expect(connect(`${url}?from=1.1.1.1`)).rejects.toThrow('429')
    expect(relay.stats().connections).toBe(2)
  })

  test('a host that stumbles over a request loses that request only', async () => {
    const errors: unknown[] = []
    const { url, relay } = await start({
      addressOf: (request) => {
        if (request.url === '/?bad') throw new Error('no such address')
        return '1.1.1.1'
      },
      onError: (error) => errors.push(error),
    })
    await expect(connect(`${url}?bad`)).rejects.toThrow('500')
    expect((await (await connect(url)).subscribe('a', {}))[0]).toBe('EOSE')
    expect(errors).toEqual([new Error('no such address')])
    expect(relay.stats().dropped).toEqual({ internal: 1 })
  })

  test('a TCP connection that never asks for anything ends after handshakeMs', async () => {
    const clock = handClock()
    const { port, relay, url } = await start({ clock, limits: { handshakeMs: 50 } })
    const silent = await rawSocket(port, '')
    const slow = await rawSocket(port, 'GET / HTTP/1.1\r\nX: ')
    // Taken after the two, so they are known to the relay as well.
    const client = await connect(url)
    const gone = [silent, slow].map((socket) => new Promise((resolve) => socket.once('close', resolve)))
    clock.pass(49)
    clock.fire()
    expect(relay.stats().dropped).toEqual({})
    clock.pass(1)
    clock.fire()
    await Promise.all(gone)
    expect(relay.stats().dropped).toEqual({ handshake: 2 })
    expect((await client.subscribe('a', {}))[0]).toBe('EOSE')
  })

  test('a client is pinged, and one that does not even answer that is dropped', async () => {
    const clock = handClock()
    const { url, relay, port } = await start({ clock, limits: { pingMs: 1_000, silentMs: 3_000 } })
    const client = await connect(url)
    const halfOpen = await rawSocket(port, HANDSHAKE)
    await client.subscribe('a', {})
    await until(() => relay.stats().connections === 2, 'both open')
    let pings = 0
    client.socket.on('ping', () => (pings += 1))
    for (let i = 1; i <= 3; i += 1) {
      clock.pass(1_000)
      clock.fire()
      await until(() => pings === i, 'a ping')
      expect((await client.subscribe('a', {}))[0]).toBe('EOSE')
    }
    await until(() => relay.stats().connections === 1, 'the half-open one is gone')
    await new Promise((resolve) => halfOpen.once('close', resolve).resume())
    expect(relay.stats().dropped).toEqual({ silent: 1 })
  })

  test('a client that only answers pings is kept while it has a subscription, and closed without one', async () => {
    const clock = handClock()
    const { url, relay } = await start({ clock, limits: { pingMs: 1_000, unusedMs: 2_000 } })
    const [listening, idle] = await Promise.all([connect(url), connect(url)])
    await listening.subscribe('a', {})
    for (let i = 0; i < 2; i += 1) {
      clock.pass(1_000)
      clock.fire()
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    expect((await idle.closed).code).toBe(1000)
    expect(relay.stats()).toMatchObject({ connections: 1, dropped: { unused: 1 } })
  })

  test('a reader that does not read is dropped once outgoingBytes wait for it, and the others get everything', async () => {
    const { url, relay } = await start({
      limits: { frameBytes: 262_144, outgoingBytes: 262_144, messageBurst: 10_000 },
    })
    const [sender, reader, slow] = await Promise.all([connect(url), connect(url), connect(url)])
    await reader.subscribe('r', { '#p': [bob.pubkey] })
    await slow.subscribe('s', { '#p': [bob.pubkey] })
    slow.socket.pause()
    let sent = 0
    while (relay.stats().dropped['slow-reader'] === undefined && sent < 400) {
      expect((await sender.publish(sign(alice, { content: `${sent}${'x'.repeat(100_000)}` })))[2]).toBe(true)
      sent += 1
    }
    expect(relay.stats()).toMatchObject({ connections: 2, subscriptions: 1, dropped: { 'slow-reader': 1 } })
    for (let i = 0; i < sent; i += 1) await reader.verb('EVENT')
    slow.socket.resume()
    expect((await slow.closed).code).toBe(1006)
  })
})

describe('the parts', () => {
  test('a token bucket holds its burst, refills by the second, and ignores a clock that steps back', () => {
    const bucket = createTokenBucket(2, 10, 1_000)
    expect([bucket.take(1_000), bucket.take(1_000), bucket.take(1_000)]).toEqual([true, true, false])
    expect(bucket.take(1_099)).toBe(false)
    expect(bucket.take(1_100)).toBe(true)
    expect(bucket.take(500)).toBe(false)
    expect(bucket.take(600)).toBe(true)
    expect([bucket.take(100_000), bucket.take(100_000), bucket.take(100_000)]).toEqual([true, true, false])
    bucket.charge(10)
    expect([bucket.take(101_099), bucket.take(101_100)]).toEqual([false, true])
  })

  test('the subscription index gives whom an event could be for, and forgets who left', () => {
    const index = createSubscriptionIndex()
    const subscription = (...raw: object[]) => ({
      filters: raw.map((filter) => {
        const parsed = parseFilter(filter, { filterValues: 10, filterValueChars: 64 })
        if (!parsed.ok) throw new Error(parsed.error)
        return parsed.value
      }),
    })
    const toAlice = subscription({ '#p': [alice.pubkey] })
    const toBoth = subscription({ '#p': [alice.pubkey, bob.pubkey] }, { '#p': [bob.pubkey] })
    const toAll = subscription({ '#p': [alice.pubkey] }, { kinds: [24133] })
    for (const one of [toAlice, toBoth, toAll]) index.add(one)
    const found = (...keys: string[]): Set<object> =>
      new Set(index.candidates(sign(alice, { tags: keys.map((key) => ['p', key]) })))
    expect(found(alice.pubkey)).toEqual(new Set([toAlice, toBoth, toAll]))
    expect(found(bob.pubkey, bob.pubkey)).toEqual(new Set([toBoth, toAll]))
    expect(found()).toEqual(new Set([toAll]))
    expect([index.size, index.keys]).toEqual([3, 2])
    index.remove(toBoth)
    index.remove(toBoth)
    expect([index.size, index.keys]).toEqual([2, 1])
    index.remove(toAlice)
    index.remove(toAll)
    expect([index.size, index.keys, found(alice.pubkey).size]).toEqual([0, 0, 0])
  })

  test('recent ids: so many are remembered, the oldest goes first', () => {
    const recent = createRecentIds(3)
    for (const id of ['a', 'b', 'c', 'a', 'd']) recent.add(id)
    expect(['a', 'b', 'c', 'd'].map((id) => recent.has(id))).toEqual([false, true, true, true])
    expect(recent.size).toBe(3)
  })

  test('an address counts as its IPv4, or as the /64 of its IPv6', () => {
    expect(addressGroup('10.0.0.1')).toBe('10.0.0.1')
    expect(addressGroup('::ffff:10.0.0.1')).toBe('10.0.0.1')
    expect(addressGroup('2001:DB8:0:1::1')).toBe('2001:db8:0:1')
    expect(addressGroup('2001:db8:0:1:ffff:2:3:4')).toBe('2001:db8:0:1')
    expect(addressGroup('2001:0db8:0000:0002::')).toBe('2001:db8:0:2')
    expect(addressGroup('::1')).toBe('0:0:0:0')
    expect(addressGroup('fe80::1%eth0')).toBe('fe80:0:0:0')
  })

  test('admission counts in and out, and out only once', () => {
    const admission = createAdmission(3, 2)
    const first = admission.enter('1.1.1.1') as () => void
    expect(admission.enter('::ffff:1.1.1.1')).toBeTypeOf('function')
    expect(admission.enter('1.1.1.1')).toBe('connections-per-address')
    expect(admission.enter(undefined)).toBeTypeOf('function')
    expect(admission.enter('2.2.2.2')).toBe('connections')
    first()
    first()
    expect(admission.size).toBe(2)
    expect(admission.enter('1.1.1.1')).toBeTypeOf('function')
    expect(admission.enter('1.1.1.1')).toBe('connections')
  })
})
