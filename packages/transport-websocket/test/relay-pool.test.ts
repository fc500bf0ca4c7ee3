import { type RelayUrl, UsageError } from '@nip46/core'
import { createFakeClock, type FakeClock, seededRandom } from '@nip46/testing'
import { beforeEach, describe, expect, test, vi } from 'vitest'
import {
  createPoolHealth,
  createRelayPool,
  POOL_LINKS,
  PUBLISH_MS,
  type RelayPool,
  type RelayPoolOptions,
} from '../src/index.ts'
import { FakeWebSocket } from './fake-web-socket.ts'
import { event, FILTERS, relayUrl } from './fixture.ts'

const A = relayUrl('wss://a.example.com')
const B = relayUrl('wss://b.example.com')
const C = relayUrl('wss://c.example.com')

let clock: FakeClock

function createPool(options: RelayPoolOptions = {}): RelayPool {
  const random = seededRandom('pool')
  return createRelayPool({
    WebSocket: FakeWebSocket,
    clock,
    random: (length) => random.bytes(length),
    ...options,
  })
}

function socketOf(relay: RelayUrl): FakeWebSocket {
  const socket = FakeWebSocket.all.findLast(({ url }) => url === relay)
  if (socket === undefined) throw new Error(`nobody dialled ${relay}`)
  return socket
}

function subscribe(pool: RelayPool, relays: readonly RelayUrl[]): { readonly log: string[]; close(): void } {
  const log: string[] = []
  const subscription = pool.subscribe({
    relays,
    filters: FILTERS,
    onEvent: () => log.push('event'),
    onLive: (relay) => log.push(`live ${relay}`),
    onDown: (relay, reason, final) => log.push(`${final ? 'final' : 'down'} ${relay} ${reason}`),
  })
  return { log, close: () => subscription.close() }
}

beforeEach(() => {
  clock = createFakeClock()
  FakeWebSocket.all = []
})

describe('publishing to a pool', () => {
  test('resolves at the first OK, and goes on telling the other relays', async () => {
    const pool = createPool()
    const published = pool.publish([A, B], event(1))
    socketOf(A).open()
    socketOf(A).get('OK', event(1).id, true, '')
    expect(await published).toEqual({ ok: true, value: { relay: A } })
    clock.advance(3_000)
    socketOf(B).open()
    expect(socketOf(B).frames('EVENT')).toHaveLength(1)
    socketOf(B).get('OK', event(1).id, true, '')
    clock.advance(40_000)
    expect(socketOf(A).closeCodes).toEqual([1000])
    expect(socketOf(B).closeCodes).toEqual([1000])
  })

  test('is not undone by an abort after the first OK', async () => {
    const pool = createPool()
    const abort = new AbortController()
    const published = pool.publish([A, B], event(1), { signal: abort.signal })
    socketOf(A).open()
    socketOf(A).get('OK', event(1).id, true, '')
    await published
    abort.abort()
    socketOf(B).open()
    expect(socketOf(B).frames('EVENT')).toHaveLength(1)
  })

  test('gives every relay up when the time is up, with what is known of each', async () => {
    const pool = createPool()
    const published = pool.publish([A, B, C], event(1))
    socketOf(A).open()
    socketOf(B).open()
    socketOf(B).get('OK', event(1).id, false, 'blocked: no')
    clock.advance(PUBLISH_MS - 1)
    await clock.settle()
    let settled = false
    void published.then(() => {
      settled = true
    })
    await clock.settle()
    expect(settled).toBe(false)
    await clock.run(1)
    expect(await published).toEqual({
      ok: false,
      error: [
        { relay: A, reason: 'timeout' },
        { relay: B, reason: 'blocked: no' },
        { relay: C, reason: expect.stringMatching(/^unreachable/) },
      ],
    })
  })

  test('stops telling the others when the time is up, though one had said OK', async () => {
    const pool = createPool()
    const published = pool.publish([A, B], event(1), { timeoutMs: 2_000 })
    socketOf(A).open()
    socketOf(A).get('OK', event(1).id, true, '')
    await published
    clock.advance(2_000)
    socketOf(B).open()
    expect(socketOf(B).frames('EVENT')).toHaveLength(0)
  })

  test.each([
    ['zero', 0],
    ['a negative one', -5],
  ])('with a time-out of %s is over at once', async (_, timeoutMs) => {
    const published = createPool().publish([A], event(1), { timeoutMs })
    await clock.run(0)
    expect(await published).toMatchObject({ ok: false })
  })

  test.each([
    ['that is no number', Number.NaN],
    ['without end', Number.POSITIVE_INFINITY],
  ])('with a time-out %s does not end at once', async (_, timeoutMs) => {
    const pool = createPool()
    const published = pool.publish([A], event(1), { timeoutMs })
    await clock.run(1_000)
    socketOf(A).open()
    socketOf(A).get('OK', event(1).id, true, '')
    expect(await published).toMatchObject({ ok: true })
  })

  test('leaves no listener on the signal, however it ends', async () => {
    const pool = createPool()
    const listeners = new Set<() => void>()
    const signal = {
      aborted: false,
      addEventListener: (_: 'abort', listener: () => void) => void listeners.add(listener),
      removeEventListener: (_: 'abort', listener: () => void) => void listeners.delete(listener),
    }
    const good = pool.publish([A], event(1), { signal })
    expect(listeners.size).toBe(1)
    socketOf(A).open()
    socketOf(A).get('OK', event(1).id, true, '')
    await good
    expect(listeners.size).toBe(0)
    const bad = pool.publish([A], event(2), { signal })
    socketOf(A).get('OK', event(2).id, false, 'blocked: no')
    await bad
    expect(listeners.size).toBe(0)
  })
})

describe('the relays of a pool', () => {
  test('share one connection among subscriptions and publishes', async () => {
    const pool = createPool()
    subscribe(pool, [A])
    subscribe(pool, [A, B])
    void pool.publish([A], event(1))
    expect(FakeWebSocket.all.map(({ url }) => url)).toEqual([A, B])
  })

  test('are as many as the limit; the longest unused idle one makes room', async () => {
    const health = createPoolHealth(clock)
    const pool = createPool({ onFact: health.hear })
    const others = Array.from({ length: POOL_LINKS - 2 }, (_, i) => relayUrl(`wss://${i}.example.com`))
    subscribe(pool, others)
    const first = subscribe(pool, [A])
    const second = subscribe(pool, [B])
    const third = subscribe(pool, [C])
    const published = pool.publish([C], event(1))
    clock.advance(0)
    expect(await published).toEqual({ ok: false, error: [{ relay: C, reason: 'too-many-relays' }] })
    expect(third.log).toEqual([`final ${C} too-many-relays`])
    first.close()
    second.close()
    subscribe(pool, [A]).close()
    subscribe(pool, [C])
    expect(health.read().map(({ relay }) => relay)).toEqual([...others, A, C])
  })

  test('that find no room are not heard of once the subscription has ended', () => {
    const pool = createPool()
    subscribe(
      pool,
      Array.from({ length: POOL_LINKS }, (_, i) => relayUrl(`wss://${i}.example.com`)),
    )
    const { log, close } = subscribe(pool, [A])
    close()
    clock.advance(0)
    expect(log).toEqual([])
  })

  test('are let go after half a minute without a want', () => {
    const health = createPoolHealth(clock)
    const pool = createPool({ onFact: health.hear })
    const { close } = subscribe(pool, [A])
    socketOf(A).open()
    close()
    clock.advance(29_999)
    expect(health.read()).toHaveLength(1)
    clock.advance(1)
    expect(health.read()).toEqual([])
    expect(socketOf(A).closeCodes).toEqual([1000])
    clock.advance(100)
    expect(clock.pending).toBe(0)
    subscribe(pool, [A])
    expect(FakeWebSocket.all).toHaveLength(2)
  })

  test('and what happens to them are told, as facts', () => {
    const facts: unknown[] = []
    const pool = createPool({ onFact: (...fact) => facts.push(fact) })
    const { close } = subscribe(pool, [A])
    socketOf(A).open()
    socketOf(A).get('FOO')
    socketOf(A).get('NOTICE', 'maintenance\u202e at noon')
    void pool.publish([A], event(1))
    socketOf(A).get('EOSE', socketOf(A).frames('REQ')[0]?.[1])
    socketOf(A).get('OK', event(1).id, false, 'invalid: created_at too early')
    void pool.publish([A], event(2))
    socketOf(A).get('OK', event(2).id, true, '')
    socketOf(A).end()
    close()
    clock.advance(40_000)
    expect(facts).toEqual([
      [A, 'connecting', ''],
      [A, 'open', ''],
      [A, 'dropped', 'frame/unknown'],
      [A, 'notice', 'maintenance at noon'],
      [A, 'refused', 'invalid: created_at too early'],
      [A, 'accepted', ''],
      [A, 'down', 'unreachable: closed (1006)'],
      [A, 'closed', ''],
    ])
  })

  test('may be used, and let go, by whoever is told of them', async () => {
    const pool = createPool({
      onFact(relay, fact) {
        if (fact === 'connecting') subscribe(pool, [relay])
        if (fact === 'down') void pool.close()
      },
    })
    subscribe(pool, [A])
    expect(FakeWebSocket.all).toHaveLength(1)
    socketOf(A).open()
    expect(socketOf(A).frames('REQ')).toHaveLength(2)
    socketOf(A).end()
    await pool.close()
    expect(clock.pending).toBe(0)
    const late: Promise<unknown>[] = []
    const closed = createPool({
      onFact(relay, fact) {
        if (fact === 'connecting') void closed.close()
        if (fact === 'closed' && late.length < 3) late.push(closed.publish([relay], event(1)))
      },
    })
    subscribe(closed, [B])
    expect(socketOf(B).closeCodes).toEqual([1000])
    await clock.run(50)
    expect(clock.pending).toBe(0)
    expect(await Promise.all(late)).toEqual(
      late.map(() => ({ ok: false, error: [{ relay: B, reason: 'closed' }] })),
    )
    expect(FakeWebSocket.all.filter(({ url }) => url === B)).toHaveLength(1)
  })

  test('answer what they were asked, and not what whoever is told of that asks at once', async () => {
    const again: Promise<unknown>[] = []
    const pool = createPool({
      onFact(relay, fact) {
        if (fact === 'refused' && again.length < 9) again.push(pool.publish([relay], event(1)))
      },
    })
    const published = pool.publish([A], event(1))
    socketOf(A).open()
    socketOf(A).get('OK', event(1).id, false, 'error: try again')
    expect(await published).toMatchObject({ ok: false })
    expect(socketOf(A).frames('EVENT')).toHaveLength(2)
    socketOf(A).get('OK', event(1).id, true, '')
    expect(await Promise.all(again)).toEqual([{ ok: true, value: { relay: A } }])
  })

  test('fail nothing that a relay took, though whoever is told of that closes the pool', async () => {
    const pool = createPool({
      onFact(_, fact) {
        if (fact === 'accepted') void pool.close()
      },
    })
    const published = pool.publish([A, B], event(1))
    socketOf(A).open()
    socketOf(A).get('OK', event(1).id, true, '')
    expect(await published).toEqual({ ok: true, value: { relay: A } })
  })

  test('go on though whoever is told of them throws', async () => {
    const uncaught: unknown[] = []
    const spy = vi.spyOn(globalThis, 'queueMicrotask').mockImplementation((run) => {
      try {
        run()
      } catch (error) {
        uncaught.push(error)
      }
    })
    const bug = new Error('a bug of the host')
    const pool = createPool({
      onFact: () => {
        throw bug
      },
    })
    const { log } = subscribe(pool, [A])
    socketOf(A).open()
    socketOf(A).get('EOSE', socketOf(A).frames('REQ')[0]?.[1])
    spy.mockRestore()
    expect(log).toEqual([`live ${A}`])
    expect(uncaught).toEqual([bug, bug])
  })

  test('are not wanted any more once the pool is closed', async () => {
    const pool = createPool()
    await pool.close()
    const { log } = subscribe(pool, [A])
    const published = pool.publish([A], event(1))
    clock.advance(0)
    expect(await published).toEqual({ ok: false, error: [{ relay: A, reason: 'closed' }] })
    expect(log).toEqual([`final ${A} closed`])
    expect(FakeWebSocket.all).toHaveLength(0)
    expect(clock.pending).toBe(0)
  })

  test('are dialled at once when the network is back', () => {
    const pool = createPool()
    subscribe(pool, [A, B])
    socketOf(A).end()
    socketOf(B).end()
    pool.wake()
    expect(FakeWebSocket.all).toHaveLength(4)
  })

  test('whose URL the host itself refuses are unreachable, not a crash', () => {
    const bad = relayUrl('wss://refused-by-the-host.example')
    const { log } = subscribe(createPool(), [bad])
    clock.advance(0)
    expect(log).toEqual([`down ${bad} unreachable: the host does not like this URL`])
  })

  test('that stand as private addresses in their URL are not dialled, on any host', async () => {
    const pool = createPool()
    const { log } = subscribe(pool, [relayUrl('wss://192.168.1.1'), relayUrl('wss://[fd00::1]')])
    await clock.run(1)
    expect(log).toEqual([
      'final wss://192.168.1.1/ relay/forbidden-address',
      'final wss://[fd00::1]/ relay/forbidden-address',
    ])
    expect(FakeWebSocket.all).toHaveLength(0)
    subscribe(createPool({ allowAddress: () => true }), [relayUrl('wss://192.168.1.1')])
    subscribe(createPool(), [relayUrl('ws://127.0.0.1:7777'), relayUrl('ws://[::1]:7777')])
    expect(FakeWebSocket.all).toHaveLength(3)
  })
})

describe('a standard WebSocket', () => {
  test('is closed over the limit, and not with the code that it may not send', () => {
    const pool = createPool()
    const { log } = subscribe(pool, [A])
    socketOf(A).open()
    socketOf(A).getData(`["NOTICE","${'x'.repeat(3_000_000)}"]`)
    expect(socketOf(A).closeCodes[0]).toBe(1000)
    expect(log).toEqual([`down ${A} unreachable: message over the limit`])
  })

  test('is asked for array buffers, so that binary messages cost nothing', () => {
    subscribe(createPool(), [A])
    expect(socketOf(A).binaryType).toBe('arraybuffer')
  })

  test('whose peer never says goodbye is let go', async () => {
    const pool = createPool()
    subscribe(pool, [A])
    socketOf(A).open()
    const closed = pool.close()
    await clock.run(50)
    await closed
    expect(clock.pending).toBe(0)
  })
})

describe('mistakes of the caller', () => {
  test('a subscription without filters says what is missing', () => {
    const pool = createPool()
    expect(() => pool.subscribe({ relays: [A], filters: [], onEvent: () => undefined })).toThrow(UsageError)
  })
})
