import type { Filter, RelayUrl, SignedEvent } from '@nip46/core'
import { describe, expect, test } from 'vitest'
import { createFakeClock, createMemoryRelay, type MemoryRelayOptions, seededRandom } from '../src/index.ts'

const ONE = 'wss://one.example' as RelayUrl
const TWO = 'wss://two.example' as RelayUrl
const ALICE = 'a'.repeat(64)
const BOB = 'b'.repeat(64)
const START = 1_700_000_000_000

let serial = 0
function event(change: Partial<SignedEvent> = {}): SignedEvent {
  serial += 1
  return {
    id: serial.toString(16).padStart(64, '0'),
    pubkey: ALICE,
    created_at: START / 1_000,
    kind: 24133,
    tags: [['p', BOB]],
    content: 'x',
    sig: '0'.repeat(128),
    ...change,
  }
}

function start(options: MemoryRelayOptions = {}, filter: Partial<Filter> = {}, relays = [ONE]) {
  const clock = createFakeClock(START)
  const network = createMemoryRelay({ clock, ...options })
  const seen: SignedEvent[] = []
  const log: string[] = []
  const subscription = network.subscribe({
    relays,
    filters: [{ kinds: [24133], '#p': [BOB], ...filter }],
    onEvent: (value) => seen.push(value as SignedEvent),
    onLive: (relay) => log.push(`live ${relay}`),
    onDown: (relay, reason, final) => log.push(`down ${relay} ${reason} ${final}`),
  })
  return { clock, network, seen, log, subscription }
}

test('an event published reaches the subscriptions it matches and no others', async () => {
  const { clock, network, seen, log } = start()
  await clock.settle()
  expect(log).toEqual([`live ${ONE}`])
  const mine = event()
  for (const other of [event({ kind: 1 }), event({ tags: [['p', ALICE]] }), event({ tags: [] })]) {
    expect((await network.publish([ONE], other)).ok).toBe(true)
  }
  expect(await network.publish([ONE], mine)).toEqual({ ok: true, value: { relay: ONE } })
  expect((await network.publish([TWO], event())).ok).toBe(true)
  await clock.settle()
  expect(seen).toEqual([mine])
  expect(seen[0]).not.toBe(mine)
})

test('a publish that every relay refuses lists every reason', async () => {
  const { network } = start()
  network.refuse(ONE, 'blocked: no')
  network.down(`${TWO}/`)
  expect(await network.publish([ONE, TWO], event())).toEqual({
    ok: false,
    error: [
      { relay: ONE, reason: 'blocked: no' },
      { relay: TWO, reason: 'unreachable' },
    ],
  })
  network.up(ONE)
  expect(await network.publish([TWO, ONE], event())).toEqual({ ok: true, value: { relay: ONE } })
  expect(await network.publish([], event())).toEqual({ ok: false, error: [] })
})

test('a hanging relay settles a publish by its timeout, and an abort settles it at once', async () => {
  const { clock, network } = start()
  network.hang(ONE)
  const timed = network.publish([ONE], event(), { timeoutMs: 3_000 })
  let settled = false
  void timed.then(() => (settled = true))
  await clock.run(2_999)
  expect(settled).toBe(false)
  await clock.run(1)
  expect(await timed).toEqual({ ok: false, error: [{ relay: ONE, reason: 'timeout' }] })
  const controller = new AbortController()
  const aborted = network.publish([ONE], event(), { signal: controller.signal })
  controller.abort()
  expect(await aborted).toEqual({ ok: false, error: [{ relay: ONE, reason: 'aborted' }] })
  expect((await network.publish([ONE], event(), { signal: AbortSignal.abort() })).ok).toBe(false)
  expect(clock.pending).toBe(0)
})

test('a relay that goes down says so once, comes back by itself, and catches up what it kept', async () => {
  const { clock, network, seen, log } = start(
    { retention: { events: 100, seconds: 600 }, reconnectMs: 1_000 },
    { since: START / 1_000 },
  )
  await clock.settle()
  const before = event()
  await network.publish([ONE], before)
  await clock.run(100_000)
  network.down(ONE)
  network.down(ONE)
  await clock.run(10_000)
  network.up(ONE)
  const missed = event({ created_at: START / 1_000 + 110 })
  await network.publish([ONE], missed)
  expect(log).toEqual([`live ${ONE}`, `down ${ONE} unreachable false`])
  await clock.run(1_000)
  expect(log.at(-1)).toBe(`live ${ONE}`)
  expect(seen).toEqual([before, missed])
})

test('without retention what happens during a gap is lost', async () => {
  const { clock, network, seen } = start({ reconnectMs: 1_000 })
  await clock.settle()
  network.down(ONE)
  network.up(ONE)
  await network.publish([ONE], event())
  await clock.run(2_000)
  expect(seen).toEqual([])
  await network.publish([ONE], event())
  await clock.settle()
  expect(seen).toHaveLength(1)
})

test('retention keeps so many events for so long, newest first, and knows duplicates', async () => {
  const { clock, network } = start({ retention: { events: 3, seconds: 60 } })
  const events = [0, 1, 2, 3].map((i) => event({ created_at: START / 1_000 + i }))
  for (const one of events) await network.publish([ONE], one)
  const read = async (filter: Partial<Filter>): Promise<number[]> => {
    const found: number[] = []
    const subscription = network.subscribe({
      relays: [ONE],
      filters: [{ kinds: [24133], '#p': [BOB], ...filter }],
      onEvent: (value) => found.push((value as SignedEvent).created_at - START / 1_000),
    })
    await clock.settle()
    subscription.close()
    return found
  }
  expect(await read({})).toEqual([3, 2, 1])
  expect(await read({ limit: 1 })).toEqual([3])
  expect(await read({ since: START / 1_000 + 2 })).toEqual([3, 2])
  expect(await read({ authors: [BOB] })).toEqual([])
  expect((await network.publish([ONE], events[3] as SignedEvent)).ok).toBe(true)
  expect(await read({})).toEqual([3, 2, 1])
  await clock.run(62_000)
  expect(await read({})).toEqual([3, 2])
})

test('a relay that wants AUTH serves those who answer its challenge with its URL', async () => {
  const clock = createFakeClock(START)
  const network = createMemoryRelay({ clock })
  network.demandAuth(ONE, 'c1')
  const log: string[] = []
  const answer = (relay: string, challenge: string): SignedEvent =>
    event({
      kind: 22242,
      tags: [
        ['relay', relay],
        ['challenge', challenge],
      ],
    })
  const subscribe = (
    name: string,
    authenticate?: (relay: RelayUrl, challenge: string) => SignedEvent | undefined,
  ) =>
    network.subscribe({
      relays: [ONE],
      filters: [{ kinds: [24133], '#p': [BOB] }],
      onEvent: () => log.push(`${name} event`),
      onLive: () => log.push(`${name} live`),
      onDown: (_, reason, final) => log.push(`${name} ${reason.split(':')[0]} ${final}`),
      ...(authenticate && { authenticate }),
    })
  subscribe('none')
  subscribe('refuses', () => undefined)
  subscribe('wrong', (relay) => answer(relay, 'c2'))
  subscribe('right', answer)
  await clock.settle()
  expect(log).toEqual([
    'none auth-required true',
    'refuses auth-required true',
    'wrong auth-required true',
    'right live',
  ])
  expect((await network.publish([ONE], event())).ok).toBe(false)
  expect((await network.publish([ONE], event(), { authenticate: answer })).ok).toBe(true)
  await clock.settle()
  expect(log.at(-1)).toBe('right event')
  expect(network.subscriptions).toBe(1)
})

test('closing one party ends its own subscriptions and publishes, and leaves the others alone', async () => {
  const { clock, network, seen, log } = start()
  const other = network.connect()
  other.subscribe({
    relays: [ONE],
    filters: [{ kinds: [24133], '#p': [BOB] }],
    onEvent: () => log.push('other'),
  })
  await clock.settle()
  network.hang(ONE)
  const waiting = other.publish([ONE], event())
  await other.close()
  expect(await waiting).toEqual({ ok: false, error: [{ relay: ONE, reason: 'closed' }] })
  expect(await other.publish([ONE], event())).toEqual({
    ok: false,
    error: [{ relay: ONE, reason: 'closed' }],
  })
  network.up(ONE)
  await clock.settle()
  await network.publish([ONE], event())
  await clock.settle()
  expect(seen).toHaveLength(1)
  expect(log).not.toContain('other')
  await network.close()
  expect(network.subscriptions).toBe(0)
  expect(clock.pending).toBe(0)
})

test('nothing arrives after close, even if it was under way', async () => {
  const { clock, network, seen, subscription } = start({ latencyMs: 10 })
  await clock.run(30)
  const sent = network.publish([ONE], event())
  await clock.run(15)
  subscription.close()
  await clock.run(100)
  expect((await sent).ok).toBe(true)
  expect(seen).toEqual([])
})

test('a swallowing relay says OK and delivers nothing; an injected value passes every filter', async () => {
  const { clock, network, seen } = start()
  await clock.settle()
  network.swallow(ONE)
  expect((await network.publish([ONE], event())).ok).toBe(true)
  await clock.settle()
  expect(seen).toEqual([])
  network.inject(ONE, { junk: [1, null] })
  await clock.settle()
  expect(seen).toEqual([{ junk: [1, null] }])
})

test('what is no event is refused, and with a crypto also what has a wrong id or signature', async () => {
  const { network } = start({
    crypto: {
      eventId: ({ content }) => (content === 'x' ? 'f'.repeat(64) : ''),
      verify: ({ sig }) => sig.startsWith('1'),
    },
  })
  const reason = async (value: unknown): Promise<string | undefined> => {
    const result = await network.publish([ONE], value as SignedEvent)
    return result.ok ? 'ok' : result.error[0]?.reason
  }
  expect(await reason({ ...event(), kind: 1.5 })).toBe('invalid: not an event')
  expect(await reason(null)).toBe('invalid: not an event')
  expect(await reason(event())).toBe('invalid: wrong id')
  expect(await reason(event({ id: 'f'.repeat(64) }))).toBe('invalid: wrong signature')
  expect(await reason(event({ id: 'f'.repeat(64), sig: '1'.repeat(128) }))).toBe('ok')
})

describe('faults', () => {
  const run = async (options: MemoryRelayOptions, count = 400) => {
    const { clock, network, seen } = start(options)
    await clock.settle()
    const sent: string[] = []
    const results: Promise<unknown>[] = []
    for (let i = 0; i < count; i += 1) {
      const one = event({ id: i.toString(16).padStart(64, '0') })
      sent.push(one.id)
      results.push(network.publish([ONE], one))
      await clock.run(10)
    }
    await clock.run(20_000)
    const settled = (await Promise.all(results)) as { ok: boolean }[]
    const ids = seen.map(({ id }) => id)
    return {
      sent,
      ids,
      stats: network.stats(),
      refused: settled.filter(({ ok }) => !ok).length,
      pending: clock.pending,
    }
  }

  test('a seed decides them all: the same seed gives the same run, another seed another', async () => {
    const faults = { drop: 0.2, double: 0.2, delay: 0.3, reorder: 0.2, loseOk: 0.1, losePublish: 0.1 }
    const [first, again, other] = await Promise.all([
      run({ seed: 5, faults }),
      run({ seed: 5, faults }),
      run({ seed: 6, faults }),
    ])
    expect(again).toEqual(first)
    expect(other?.ids).not.toEqual(first?.ids)
    expect(first?.pending).toBe(0)
    for (const count of Object.values(first?.stats ?? {})) expect(count).toBeGreaterThanOrEqual(0)
  })

  test('without faults everything arrives once and in order', async () => {
    const { sent, ids, stats } = await run({})
    expect(ids).toEqual(sent)
    expect(stats).toMatchObject({ accepted: 400, delivered: 400, dropped: 0 })
  })

  test('drop loses about its share, and says OK all the same', async () => {
    const { ids, refused } = await run({ faults: { drop: 0.25 } })
    expect(ids.length).toBeGreaterThan(250)
    expect(ids.length).toBeLessThan(350)
    expect(refused).toBe(0)
  })

  test('double delivers twice; delay and reorder lose nothing and change the order', async () => {
    const doubled = await run({ faults: { double: 1 } })
    expect(doubled.ids).toHaveLength(800)
    for (const faults of [{ delay: 0.5 }, { reorder: 0.5 }]) {
      const { sent, ids } = await run({ faults })
      expect(ids).not.toEqual(sent)
      expect(ids.toSorted()).toEqual(sent.toSorted())
    }
  })

  test('reorder lets the next event overtake the held one', async () => {
    const { sent, ids } = await run({ faults: { reorder: 1, maxDelayMs: 1 } }, 1)
    expect(ids).toEqual(sent)
    const { clock, network, seen } = start({ faults: { reorder: 1 } })
    await clock.settle()
    const [first, second] = [event(), event()]
    await network.publish([ONE], first)
    network.setFaults({})
    await network.publish([ONE], second)
    await clock.settle()
    expect(seen).toEqual([second, first])
  })

  test('a lost OK still delivers; a lost publish delivers nothing; both time out', async () => {
    const noOk = await run({ faults: { loseOk: 1 } }, 20)
    expect([noOk.ids.length, noOk.refused]).toEqual([20, 20])
    const noPublish = await run({ faults: { losePublish: 1 } }, 20)
    expect([noPublish.ids.length, noPublish.refused]).toEqual([0, 20])
  })

  test('1,000 random orders to relays and parties leave nothing open, and every publish settles', async () => {
    const random = seededRandom('orders')
    const clock = createFakeClock(START)
    const network = createMemoryRelay({
      clock,
      seed: 9,
      retention: { events: 20, seconds: 60 },
      faults: { drop: 0.1, double: 0.1, delay: 0.2, reorder: 0.2, loseOk: 0.1, losePublish: 0.1 },
    })
    const parties = [network, network.connect(), network.connect()]
    const open: { close(): void }[] = []
    const results: Promise<unknown>[] = []
    const orders = [network.down, network.up, network.up, network.hang, network.swallow]
    for (let i = 0; i < 1_000; i += 1) {
      const party = parties[random.below(3)] ?? network
      const relays = random.chance(0.5) ? [ONE] : [ONE, TWO]
      const what = random.below(6)
      if (what === 0) {
        orders[random.below(orders.length)]?.(random.chance(0.5) ? ONE : TWO)
      } else if (what === 1) {
        open.push(
          party.subscribe({
            relays,
            filters: [{ kinds: [24133], '#p': [BOB], since: 0 }],
            onEvent: () => {},
          }),
        )
      } else if (what === 2) {
        open.splice(random.below(open.length + 1), 1)[0]?.close()
      } else {
        results.push(party.publish(relays, event({ created_at: Math.floor(clock.now() / 1_000) })))
      }
      await clock.run(random.below(400))
    }
    for (const subscription of open) subscription.close()
    expect(network.subscriptions).toBe(0)
    await clock.run(20_000)
    await Promise.all(results)
    await network.close()
    expect(clock.pending).toBe(0)
  })
})
