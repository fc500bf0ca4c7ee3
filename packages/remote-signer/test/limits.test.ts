import type { Pubkey, RelayUrl, SignedEvent } from '@nip46/core'
import { EMPTY_ADMISSION } from '@nip46/core/remote-signer'
import { createFakeClock } from '@nip46/testing'
import { expect, test } from 'vitest'
import { createBoundedMap } from '../src/bounded-map.ts'
import { createBucket, createRelayBudgets, createStrangerBudget } from '../src/budget.ts'
import { hostRandom, steadyNow } from '../src/host.ts'
import { createRemoteSigner, limits } from '../src/index.ts'
import { createOfferBook } from '../src/offer-book.ts'
import { approver, connect, createWorld, keyOf, NOW_SECONDS, RELAY, RELAY_2, secretOf } from './world.ts'

const PING = { id: 'p', method: 'ping', params: [] }

function forged(client: { sealed: (text: string, to: Pubkey) => object }, to: Pubkey, i: number) {
  const event = client.sealed(JSON.stringify({ ...PING, id: `f${i}` }), to) as { sig: string }
  return { ...event, sig: i.toString(16).padStart(128, '0') }
}

test('a relay that sends a hundred wrong signatures is not listened to for a while, and others are', async () => {
  const world = await createWorld({ relays: [RELAY, RELAY_2] })
  const { client, to } = await connect(world, 'alice')
  for (let i = 0; i < limits.FAILED_SIGNATURES_BURST; i++) {
    world.net.inject(RELAY_2, forged(client, to, i))
    if (i % 50 === 49) await world.clock.settle()
  }
  await world.clock.settle()
  expect(world.signer.stats().dropped).toEqual({ 'event/sig': limits.FAILED_SIGNATURES_BURST })
  const genuine = client.sealed(JSON.stringify(PING), to)
  world.net.inject(RELAY_2, genuine)
  await world.clock.settle()
  expect(world.signer.stats().dropped).toMatchObject({ 'event/budget': 1 })
  world.net.inject(RELAY, genuine)
  await world.clock.settle()
  expect(client.answers.at(-1)).toMatchObject({ result: 'pong' })
  await world.clock.run(1_000)
  world.net.inject(RELAY_2, client.sealed(JSON.stringify({ ...PING, id: 'later' }), to))
  await world.clock.settle()
  expect(client.answers.at(-1)).toMatchObject({ id: 'later', result: 'pong' })
  await world.signer.close()
})

test('events of strangers are verified up to the budget of their relay, and clients go on as before', async () => {
  const world = await createWorld({ relays: [RELAY, RELAY_2] })
  const { client, to } = await connect(world, 'alice')
  const stranger = world.client(keyOf('stranger'))
  for (let i = 0; i <= limits.STRANGER_CHECKS_BURST; i++) {
    world.net.inject(RELAY_2, stranger.sealed(JSON.stringify({ ...PING, id: `s${i}` }), to))
    if (i % 50 === 0) await world.clock.settle()
  }
  await world.clock.run(0)
  await world.clock.settle()
  expect(world.signer.stats().dropped).toEqual({
    'event/budget': 1,
    'event/rate-limited': limits.STRANGER_CHECKS_BURST - 1,
  })
  expect(await client.ask(PING, to)).toMatchObject({ result: 'pong' })
  await world.signer.close()
})

test('a stranger is answered once in ten seconds, and fifty strangers in a minute', async () => {
  const world = await createWorld()
  const { to } = await connect(world, 'alice')
  const strangers = Array.from({ length: limits.STRANGERS_PER_MINUTE + 1 }, (_, i) =>
    world.client(keyOf(`s${i}`)),
  )
  for (const stranger of strangers) await stranger.send(PING, to)
  const answered = () => strangers.filter(({ answers }) => answers.length > 0).length
  expect(answered()).toBe(limits.STRANGERS_PER_MINUTE)
  await world.clock.run(59_999)
  await strangers.at(-1)?.send({ ...PING, id: 'q' }, to)
  expect(answered()).toBe(limits.STRANGERS_PER_MINUTE)
  await world.clock.run(1)
  await strangers.at(-1)?.send({ ...PING, id: 'r' }, to)
  expect(answered()).toBe(limits.STRANGERS_PER_MINUTE + 1)
  await world.signer.close()
})

test('a stranger who keeps asking is answered every ten seconds at most', () => {
  const budget = createStrangerBudget()
  const author = keyOf('stranger').pubkey
  expect(budget.take(author, 0)).toBe(true)
  expect(budget.take(author, limits.STRANGER_REPLY_EVERY_MS - 1)).toBe(false)
  expect(budget.take(author, limits.STRANGER_REPLY_EVERY_MS)).toBe(true)
})

test('the strangers remembered are bounded', () => {
  const budget = createStrangerBudget()
  for (let i = 0; i <= limits.STRANGERS_REMEMBERED; i++) budget.take(`author ${i}` as Pubkey, i * 60_000)
  expect(budget.size).toBe(limits.STRANGERS_REMEMBERED)
})

test('connections that wait for a decision are bounded', async () => {
  const world = await createWorld({
    approver: approver(() => new Promise(() => undefined)),
    decisionTimeoutMs: 600_000,
  })
  const { remoteSigner } = await world.signer.offer({ withoutSecret: true })
  const join = { id: 'c', method: 'connect', params: [remoteSigner] }
  for (let i = 0; i < limits.PAIRINGS; i++) {
    const client = world.client(keyOf(`waiting ${i}`))
    await client.send(join, remoteSigner)
    client.close()
    // Slowly, to stay within what strangers may do in a minute.
    await world.clock.run(1_300)
  }
  expect(world.signer.sessions()).toHaveLength(limits.PAIRINGS)
  const one = world.client(keyOf('one more'))
  expect(await one.ask(join, remoteSigner)).toMatchObject({
    error: 'rate-limited: too many connections wait for a decision',
  })
  expect(world.signer.sessions()).toHaveLength(limits.PAIRINGS)
  await world.signer.close()
})

test('sessions are bounded, and who comes too late is told', async () => {
  const world = await createWorld({ keys: keyOf('signer') })
  const { client } = await connect(world, 'alice')
  await world.signer.close()
  const load = world.store.load
  world.store.load = async (now) => {
    const stored = await load(now)
    const [session] = stored.sessions
    if (session === undefined) throw new Error('no session')
    const more = Array.from({ length: limits.SESSIONS - 2 }, (_, i) => {
      const clientPubkey = i.toString(16).padStart(64, '0') as Pubkey
      return { revision: 1, value: { ...session.value, clientPubkey } }
    })
    return { ...stored, sessions: [...stored.sessions, ...more] }
  }
  const again = await world.restart()
  expect(again.signer.sessions()).toHaveLength(limits.SESSIONS - 1)
  await connect(again, 'last')
  const { uri, remoteSigner } = await again.signer.offer()
  const late = again.client(keyOf('late'))
  const join = { id: 'c', method: 'connect', params: [remoteSigner, secretOf(uri)] }
  expect(await late.ask(join, remoteSigner)).toMatchObject({ error: 'rate-limited: too many sessions' })
  const offer = `nostrconnect://${keyOf('later').pubkey}?relay=${encodeURIComponent(RELAY)}&secret=s`
  await expect(again.signer.accept(offer, { approved: true })).rejects.toMatchObject({
    code: 'sessions/full',
  })
  expect(again.signer.offers().at(-1)).toMatchObject({ usedBy: null })
  expect(again.signer.sessions()).toHaveLength(limits.SESSIONS)
  expect(client.pubkey).not.toBe(late.pubkey)
  await again.signer.close()
})

test('a refusal is remembered for ten minutes, and then the same request is asked about again', async () => {
  let questions = 0
  const world = await createWorld({
    approver: approver(async () => {
      questions += 1
      return { allow: false }
    }),
  })
  const { uri, remoteSigner } = await world.signer.offer({ approval: 'ask', expiresInMs: 86_400_000 })
  const client = world.client(keyOf('nobody'))
  const join = { id: 'c', method: 'connect', params: [remoteSigner, secretOf(uri)] }
  await client.send(join, remoteSigner)
  await world.clock.run(limits.REFUSED_MEMORY_MS - 1)
  await client.send(join, remoteSigner)
  expect(questions).toBe(1)
  await world.clock.run(1 + limits.SWEEP_MS)
  expect((await world.store.load(world.clock.now())).sessions).toEqual([])
  await client.send(join, remoteSigner)
  expect(questions).toBe(2)
  await world.signer.close()
})

test('a client in a hurry is told when to retry, for each kind of request by itself', async () => {
  const slow = { perSecond: 0.25, burst: 3 }
  const world = await createWorld({ rates: { other: slow, sign: slow, cipher: slow } })
  const { client, to } = await connect(world, 'alice')
  await world.clock.run(20_000)
  client.answers.splice(0)
  const template = JSON.stringify({ kind: 1, content: '', tags: [], created_at: NOW_SECONDS })
  const kinds = {
    ping: [],
    sign_event: [template],
    nip44_encrypt: [keyOf('friend').pubkey, 'x'],
  }
  for (const [method, params] of Object.entries(kinds)) {
    for (let i = 0; i < 4; i++) await client.send({ id: `${method} ${i}`, method, params }, to)
    expect(client.answers.splice(0).map(({ id, error }) => [id, error])).toEqual([
      [`${method} 0`, undefined],
      [`${method} 1`, undefined],
      [`${method} 2`, undefined],
      [`${method} 3`, 'rate-limited: too many requests, retry in 4 s'],
    ])
  }
  expect(world.signer.stats().dropped).toEqual({ 'event/rate-limited': 3 })
  await world.clock.run(4_000)
  expect(await client.ask({ ...PING, id: 'calm' }, to)).toMatchObject({ result: 'pong' })
  await world.signer.close()
})

test('answers to what is over the limit are limited too, and a copy of such an event is not served later', async () => {
  const world = await createWorld({ rates: { other: { perSecond: 1, burst: 1 } } })
  const { client, to } = await connect(world, 'alice')
  await world.clock.run(1_000)
  client.answers.splice(0)
  const { burst } = limits.RATE_REFUSALS
  const events: SignedEvent[] = []
  for (let i = 0; i < burst + 3; i++) events.push(await client.send({ ...PING, id: `p${i}` }, to))
  expect(client.answers.filter(({ result }) => result === 'pong')).toHaveLength(1)
  expect(client.answers.filter(({ error }) => error !== undefined)).toHaveLength(burst)
  await world.clock.run(10_000)
  world.net.inject(RELAY, events[1])
  await world.clock.settle()
  expect(client.answers).toHaveLength(burst + 1)
  await world.signer.close()
})

test('events that wait are bounded for each relay: strangers go first, then the oldest', async () => {
  const world = await createWorld({ relays: [RELAY, RELAY_2] })
  const { client, to } = await connect(world, 'alice')
  const stranger = world.client(keyOf('stranger')).sealed(JSON.stringify(PING), to)
  const known = client.sealed(JSON.stringify(PING), to)
  const id = (i: number) => i.toString(16).padStart(64, '0')
  world.net.inject(RELAY, { ...stranger, id: id(0) })
  for (let i = 1; i <= limits.INTAKE_PER_RELAY; i++) world.net.inject(RELAY, { ...known, id: id(i) })
  world.net.inject(RELAY_2, known)
  await world.clock.settle()
  expect(world.signer.stats().dropped).toMatchObject({ 'intake/full': 1 })
  expect(world.signer.stats().dropped['event/author']).toBe(undefined)
  expect(client.answers.at(-1)).toMatchObject({ result: 'pong' })
  await world.clock.run(1_000)
  expect(world.signer.stats().dropped).toEqual({ 'intake/full': 1, 'event/id': limits.INTAKE_PER_RELAY })
  await world.signer.close()
})

test('events that wait are bounded by their characters too', async () => {
  const world = await createWorld()
  const { client, to } = await connect(world, 'alice')
  const large = { ...client.sealed(JSON.stringify(PING), to), content: 'A'.repeat(100_000) }
  const fits = Math.floor(limits.INTAKE_CHARS_PER_RELAY / 100_400)
  for (let i = 0; i <= fits; i++) world.net.inject(RELAY, large)
  await world.clock.run(1_000)
  expect(world.signer.stats().dropped).toEqual({ 'intake/full': 1, 'event/id': fits })
  await world.signer.close()
})

test('inputs of a session that wait for a slow store are bounded', async () => {
  const world = await createWorld({ relays: [RELAY, RELAY_2], rates: limits.UNLIMITED_RATES })
  const { client, to } = await connect(world, 'alice')
  const commit = world.store.commit.bind(world.store)
  let release: () => void = () => undefined
  const gate = new Promise<void>((resolve) => {
    release = resolve
  })
  world.store.commit = async (changes, now) => {
    await gate
    return commit(changes, now)
  }
  client.answers.splice(0)
  await client.send({ ...PING, id: 'first' }, to)
  for (let i = 0; i <= limits.LANE_QUEUE; i++) {
    world.net.inject(RELAY_2, client.sealed(JSON.stringify({ ...PING, id: `p${i}` }), to))
    if (i % 50 === 49) await world.clock.settle()
  }
  await world.clock.settle()
  expect(world.signer.stats().waiting.inputs).toBe(limits.LANE_QUEUE)
  expect(world.signer.stats().dropped).toEqual({ 'session/busy': 1 })
  release()
  await world.clock.settle()
  await world.clock.settle()
  expect(client.answers).toHaveLength(limits.LANE_QUEUE + 1)
  await world.signer.close()
})

test('answers under way are bounded: the one that waits longest for another try is given up', async () => {
  const world = await createWorld({ rates: limits.UNLIMITED_RATES })
  const { client, to } = await connect(world, 'alice')
  await world.clock.settle()
  const { createOutbox } = await import('../src/outbox.ts')
  const { createReporter } = await import('../src/reporter.ts')
  const reporter = createReporter(undefined)
  const outbox = createOutbox({
    crypto: world.options.crypto,
    random: (length) => new Uint8Array(length).fill(1),
    transport: { ...world.options.transport, publish: () => new Promise(() => undefined) },
    clock: world.clock,
    now: world.clock.now,
    reporter,
    authenticate: () => undefined,
  })
  const settled: number[] = []
  const key = keyOf('sender')
  for (let i = 0; i <= limits.OUTBOX; i++) {
    // Sealing ten thousand answers for real would only measure the crypto.
    outbox.post([
      {
        key: { ...key, sign: () => '0'.repeat(128), signBatch: (ids) => ids.map(() => '0'.repeat(128)) },
        to: client.pubkey,
        relays: [RELAY],
        scheme: 'nip44',
        text: '{}',
        requestId: 'r',
        onSettled: () => settled.push(i),
      },
    ])
  }
  expect(settled).toEqual([0])
  expect(outbox.size).toBe(limits.OUTBOX)
  outbox.close()
  expect(outbox.size).toBe(0)
  expect(to).not.toBe('')
  await world.signer.close()
})

test('questions that are open are bounded, and the next one is answered with no', async () => {
  const world = await createWorld({
    approver: approver(() => new Promise(() => undefined)),
    keys: keyOf('signer'),
    relays: [RELAY, RELAY_2],
  })
  const template = JSON.stringify({ kind: 1, content: '', tags: [], created_at: NOW_SECONDS })
  const sessions: Awaited<ReturnType<typeof connect>>[] = []
  const perSession = 32
  const count = Math.ceil((limits.QUESTIONS + 1) / perSession)
  for (let i = 0; i < count; i++) sessions.push(await connect(world, `asker ${i}`, []))
  let asked = 0
  for (const { client, to } of sessions) {
    for (let i = 0; i < perSession && asked <= limits.QUESTIONS; i++, asked++) {
      world.net.inject(
        RELAY_2,
        client.sealed(JSON.stringify({ id: `q${i}`, method: 'sign_event', params: [template] }), to),
      )
    }
    await world.clock.run(0)
  }
  expect(world.signer.stats().waiting.questions).toBe(limits.QUESTIONS)
  expect(sessions.at(-1)?.client.answers.at(-1)).toMatchObject({
    error: 'denied: too many questions are open',
  })
  await world.signer.close()
})

test('however many answers a turn has, randomness is drawn in portions that hosts give', async () => {
  const draws: number[] = []
  const world = await createWorld({
    relays: [RELAY, RELAY_2],
    rates: limits.UNLIMITED_RATES,
    keys: keyOf('signer'),
    random: (length) => {
      draws.push(length)
      return hostRandom(length)
    },
  })
  const sessions: Awaited<ReturnType<typeof connect>>[] = []
  for (let i = 0; i < 3; i++) sessions.push(await connect(world, `asker ${i}`, []))
  const commit = world.store.commit.bind(world.store)
  let release: () => void = () => undefined
  const gate = new Promise<void>((resolve) => {
    release = resolve
  })
  world.store.commit = async (changes, now) => {
    await gate
    return commit(changes, now)
  }
  for (const { client, to } of sessions) {
    for (let i = 0; i < 100; i++) {
      world.net.inject(RELAY_2, client.sealed(JSON.stringify({ ...PING, id: `p${i}` }), to))
      if (i % 50 === 0) await world.clock.settle()
    }
    await world.clock.run(0)
  }
  release()
  await world.clock.settle()
  await world.clock.settle()
  for (const { client } of sessions) expect(client.answers).toHaveLength(101)
  expect(Math.max(...draws)).toBeGreaterThan(32 * 100)
  expect(Math.max(...draws)).toBeLessThanOrEqual(32 * limits.SEAL_BATCH)
  expect(new Set(hostRandom(70_000)).size).toBe(256)
  await world.signer.close()
})

test('a bounded map forgets what was set longest ago', () => {
  const map = createBoundedMap<number>(2)
  map.set('a', 1)
  map.set('__proto__', 2)
  map.set('a', 3)
  map.set('c', 4)
  expect([...map.values()]).toEqual([3, 4])
  expect(map.has('__proto__')).toBe(false)
  expect(map.size).toBe(2)
})

test('a bucket gives its burst, then fills with time, also if the clock is set back', () => {
  const bucket = createBucket(2, 1)
  expect([bucket.take(10_000), bucket.take(10_000), bucket.take(10_000)]).toEqual([true, true, false])
  expect(bucket.take(10_999)).toBe(false)
  expect(bucket.take(11_000)).toBe(true)
  expect(bucket.take(0)).toBe(false)
  expect(bucket.take(1_000)).toBe(true)
  expect(bucket.take(1_000)).toBe(false)
  expect(bucket.has(1_999)).toBe(false)
  expect(bucket.has(2_000)).toBe(true)
  bucket.refund(5)
  expect([bucket.take(2_000), bucket.take(2_000), bucket.take(2_000)]).toEqual([true, true, false])
})

test('relays have budgets of their own, for a bounded number of relays', () => {
  const budgetOf = createRelayBudgets()
  const first = budgetOf('wss://0' as RelayUrl)
  for (let i = 1; i < limits.RELAY_BUDGETS; i++) budgetOf(`wss://${i}` as RelayUrl)
  expect(budgetOf('wss://0' as RelayUrl)).toBe(first)
  budgetOf('wss://one-more' as RelayUrl)
  expect(budgetOf('wss://0' as RelayUrl)).not.toBe(first)
})

test('time does not go back by a little, and follows a clock that was set', () => {
  const clock = createFakeClock(1_000_000)
  const now = steadyNow(clock)
  expect(now()).toBe(1_000_000)
  clock.jump(-limits.CLOCK_STEP_MS)
  expect(now()).toBe(1_000_000)
  clock.jump(-1)
  expect(now()).toBe(1_000_000 - limits.CLOCK_STEP_MS - 1)
})

test('the offers are as they were after changes that could not be stored', () => {
  const book = createOfferBook()
  const offer = {
    signerPubkey: keyOf('s').pubkey,
    userPubkey: keyOf('u').pubkey,
    relays: [],
    granted: [],
    approval: 'secret' as const,
    createdAt: 0,
    expiresAt: 1,
    usedBy: null,
    revoked: false,
  }
  expect(book.update({ ...EMPTY_ADMISSION, offers: { t: offer } })).toEqual([
    { token: 't', revision: 0, after: offer },
  ])
  const before = book.admission
  const used = { ...offer, usedBy: keyOf('c').pubkey }
  const changes = book.update({ ...before, offers: { t: used } })
  expect(changes).toEqual([{ token: 't', revision: 1, after: used }])
  book.undo(changes, before)
  expect(book.admission.offers['t']).toEqual(offer)
  expect(book.update({ ...before, offers: { t: used } })).toEqual([{ token: 't', revision: 1, after: used }])
  book.replace('t', null)
  expect(book.size).toBe(0)
})

test('options that cannot work are refused at once', async () => {
  const { options, signer } = await createWorld()
  const relays = Array.from({ length: 11 }, (_, i) => `wss://${i}.example/` as RelayUrl)
  expect(() => createRemoteSigner({ ...options, relays: [] })).toThrow('1 to 10 relays')
  expect(() => createRemoteSigner({ ...options, relays })).toThrow('1 to 10 relays')
  // As from a program without types.
  expect(() => createRemoteSigner({} as typeof options)).toThrow('1 to 10 relays')
  for (const text of ['wss://relay.example', 'relay.example', 7])
    expect(() => createRemoteSigner({ ...options, relays: [text as RelayUrl] })).toThrow('parseRelayUrl')
  expect(() => createRemoteSigner({ ...options, relays: relays.slice(1) })).not.toThrow()
  for (const rate of [
    { perSecond: 0, burst: 1 },
    { perSecond: 1, burst: 0 },
    { perSecond: Number.NaN, burst: 1 },
  ])
    expect(() => createRemoteSigner({ ...options, rates: { sign: rate } })).toThrow('above 0')
  await signer.close()
})

test('the randomness of the host is used if none is given', async () => {
  const { options, signer } = await createWorld()
  const { random: _, ...rest } = options
  const plain = createRemoteSigner({ ...rest })
  await plain.start()
  const one = secretOf((await plain.offer()).uri)
  expect(one).toMatch(/^[0-9a-f]{32}$/)
  expect(secretOf((await plain.offer()).uri)).not.toBe(one)
  await plain.close()
  await signer.close()
})
