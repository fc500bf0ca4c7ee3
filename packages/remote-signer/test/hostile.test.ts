import { type Pubkey, parseRequest, type SignedEvent } from '@nip46/core'
import { type SeededRandom, seededRandom } from '@nip46/testing'
import { expect, test } from 'vitest'
import { limits } from '../src/index.ts'
import {
  approver,
  connect,
  createWorld,
  crypto,
  keyOf,
  NOW_SECONDS,
  RELAY,
  RELAY_2,
  type TestClient,
} from './world.ts'

const EVENTS = 20_000

const METHODS = [
  'connect',
  'ping',
  'get_public_key',
  'sign_event',
  'nip04_encrypt',
  'nip04_decrypt',
  'nip44_encrypt',
  'nip44_decrypt',
  'nip44_get_key',
  'switch_relays',
  'get_relays',
  'describe',
  'disconnect',
  'create_account',
  '__proto__',
  'constructor',
  '',
]

/** Values that parsers trip over. */
const ODD: readonly unknown[] = [
  null,
  true,
  -1,
  1.5,
  2 ** 53,
  '',
  '\ud800',
  '__proto__',
  [],
  {},
  [[]],
  [null],
  { toString: 1 },
  'A'.repeat(5_000),
  { length: -1 },
  '0'.repeat(64),
  'f'.repeat(64),
]

function pick<T>(random: SeededRandom, values: readonly T[]): T {
  return values[random.below(values.length)] as T
}

/** A copy with one member, somewhere inside, replaced, removed, doubled or added. */
function mutate(random: SeededRandom, value: unknown): unknown {
  if (Array.isArray(value)) {
    const copy = [...value]
    const at = random.below(copy.length + 1)
    const choice = random.below(4)
    if (choice === 0) copy.splice(at, 1)
    else if (choice === 1) copy.splice(at, 0, pick(random, ODD))
    else if (choice === 2 && copy.length > 0) copy.push(copy[at % copy.length])
    else if (copy.length > 0) copy[at % copy.length] = mutate(random, copy[at % copy.length])
    return copy
  }
  if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value)
    const at = random.below(entries.length + 1)
    const [key, inner] = entries[at % Math.max(1, entries.length)] ?? ['x', 1]
    const choice = random.below(4)
    if (choice === 0) return Object.fromEntries(entries.filter(([name]) => name !== key))
    if (choice === 1)
      return Object.fromEntries([...entries, [pick(random, ['__proto__', 'toJSON', 'id']), inner]])
    return Object.fromEntries(
      entries.map(([name, item]) => [name, name === key ? mutate(random, item) : item]),
    )
  }
  if (typeof value === 'string' && value !== '' && random.chance(0.6)) {
    const at = random.below(value.length)
    return (
      value.slice(0, at) + pick(random, ['', '\0', '\ud800', 'Z', value.slice(0, 20)]) + value.slice(at + 1)
    )
  }
  return pick(random, ODD)
}

function request(random: SeededRandom, to: Pubkey): unknown {
  const template = { kind: random.below(3), content: 'x', tags: [], created_at: NOW_SECONDS }
  const third = keys[1]
  const params = pick(random, [
    [to, 'guess'],
    [JSON.stringify(template)],
    [third, 'text'],
    [third, 'A'.repeat(200)],
    [],
  ])
  return { id: `${random.below(500)}`, method: pick(random, METHODS), params }
}

const POOL = 1_000
const pool: SignedEvent[] = []
const keys = [keyOf('attacker').pubkey, keyOf('third').pubkey]

/** Sealed and signed by a real key, and then perhaps spoiled on the way. */
function hostile(random: SeededRandom, client: TestClient, to: Pubkey, nowSeconds: number): unknown {
  const body = random.chance(0.5) ? request(random, to) : mutate(random, request(random, to))
  const text = random.chance(0.1)
    ? pick(random, ['', '[', 'null', '1e999', '"x"', '{"id":1'])
    : JSON.stringify(body)
  const scheme = random.chance(0.1) ? 'nip04' : 'nip44'
  // What was sealed before is spoiled again and again, so that the test is not all about its own sealing.
  const old = pool.length < POOL || random.chance(0.2) ? undefined : pick(random, pool)
  const event = old ?? client.sealed(text === '' ? ' ' : text, to, scheme, nowSeconds - random.below(700))
  if (old === undefined) {
    pool.push(event)
    if (pool.length > POOL) pool.shift()
    if (random.chance(0.8)) return event
  }
  const spoiled = mutate(random, event) as SignedEvent
  if (random.chance(0.7)) return spoiled
  // Correctly signed nonsense gets further.
  try {
    const id = crypto.eventId(spoiled)
    return { ...spoiled, id, sig: client.key.sign(id, random.bytes(32)) }
  } catch (cause) {
    if (cause instanceof Error) return spoiled
    throw cause
  }
}

test(`${EVENTS} hostile events: nothing throws, nothing is left waiting, nothing grows past its bound`, async () => {
  const unhandled: unknown[] = []
  const note = (cause: unknown): void => void unhandled.push(cause)
  process.on('unhandledRejection', note)
  process.on('uncaughtException', note)
  const random = seededRandom('hostile')
  const world = await createWorld({
    // On a relay where only the signer listens: what it costs to hand it to clients is not what is tested.
    relays: [RELAY, RELAY_2],
    rates: limits.UNLIMITED_RATES,
    nip44GetKey: true,
    implicitConnect: true,
    approver: approver(async () => {
      if (random.chance(0.1)) throw new Error('approver')
      return { allow: random.chance(0.5) }
    }),
    userSigner: (own) => ({
      ...own,
      perform: (operation) =>
        random.chance(0.05) ? Promise.reject(new Error('key')) : own.perform(operation),
    }),
  })
  const alice = await connect(world, 'alice', [{ method: 'sign_event', kind: 1 }])
  const bob = await connect(world, 'bob', [])
  const attackers = Array.from({ length: 20 }, (_, i) => world.client(keyOf(`attacker ${i}`)))
  let heapAtHalf = 0
  for (let i = 0; i < EVENTS; i++) {
    const known = random.chance(0.5)
    const { client, to } = known
      ? alice
      : { client: pick(random, attackers), to: pick(random, [alice.to, bob.to]) }
    world.net.inject(RELAY_2, hostile(random, client, to, Math.floor(world.clock.now() / 1_000)))
    if (i % 100 === 99) await world.clock.run(2_000)
    if (i % 1_000 === 999) {
      for (const each of [alice.client, ...attackers]) each.answers.splice(0)
      world.events.splice(0)
    }
    if (i === EVENTS / 2) heapAtHalf = process.memoryUsage().heapUsed
  }
  await world.clock.run(120_000)
  const stats = world.signer.stats()
  const grown = process.memoryUsage().heapUsed - heapAtHalf
  process.stdout.write(
    `hostile events: ${JSON.stringify(stats.dropped)}; performed ${stats.performed}, published ${stats.published}, heap ${Math.round(grown / 1e6)} MB since half\n`,
  )
  expect(unhandled).toEqual([])
  expect(stats.received).toBeGreaterThanOrEqual(EVENTS)
  expect(stats.failures['engine'] ?? 0).toBe(0)
  expect(stats.waiting).toEqual({ events: 0, leftToOthers: 0, inputs: 0, answers: 0, questions: 0 })
  expect(stats.remembered.events).toBeLessThanOrEqual(limits.SEEN_IDS)
  expect(Object.keys(stats.dropped).length).toBeGreaterThan(15)
  expect(grown).toBeLessThan(100_000_000)
  // And the one who did nothing wrong is served as ever.
  expect(await bob.client.ask({ id: 'bob', method: 'ping', params: [] }, bob.to)).toMatchObject({
    result: 'pong',
  })
  await world.signer.close()
  expect(world.clock.pending).toBe(0)
  process.off('unhandledRejection', note)
  process.off('uncaughtException', note)
})

test('values that are no events at all are counted and forgotten', async () => {
  const world = await createWorld()
  await connect(world, 'alice')
  for (const value of ODD) world.net.inject(RELAY, value)
  await world.clock.settle()
  expect(world.signer.stats().dropped).toEqual({ 'event/shape': ODD.length })
  await world.signer.close()
})

test('a request under every odd id is answered under that id, and reaches no prototype', async () => {
  const world = await createWorld()
  const { client, to } = await connect(world, 'alice')
  for (const id of [
    '__proto__',
    'constructor',
    'toString',
    'hasOwnProperty',
    ' ',
    '\u0000',
    'é'.repeat(128),
  ]) {
    for (const method of ['ping', 'sign_event']) {
      const params = [JSON.stringify({ kind: 1, content: id, tags: [], created_at: NOW_SECONDS })]
      const answer = await client.ask({ id, method, params }, to)
      expect(answer).toMatchObject({
        id,
        result: method === 'ping' ? 'pong' : expect.stringContaining('sig'),
      })
      // The id is free again for another body.
      expect(parseRequest(JSON.stringify({ id, method, params })).ok).toBe(true)
    }
  }
  expect(({} as { waitingFor?: unknown }).waitingFor).toBe(undefined)
  await world.signer.close()
})

test('listeners that throw are counted, told of once, and disturb nobody', async () => {
  const world = await createWorld()
  const told: string[] = []
  world.signer.on(() => {
    throw new Error('listener')
  })
  const off = world.signer.on(({ type }) => told.push(type))
  const { client, to } = await connect(world, 'alice')
  expect(await client.ask({ id: 'p', method: 'ping', params: [] }, to)).toMatchObject({ result: 'pong' })
  expect(told).toContain('helper-failed')
  expect(told).toContain('answered')
  expect(world.signer.stats().failures['listener']).toBeGreaterThan(0)
  off()
  const before = told.length
  await client.ask({ id: 'q', method: 'ping', params: [] }, to)
  expect(told).toHaveLength(before)
  await world.signer.close()
})

test('no event, counter or error of a session holds a secret, a token or a text of the client', async () => {
  const world = await createWorld({ approver: approver(async () => ({ allow: true })) })
  const { uri, remoteSigner } = await world.signer.offer({ approval: 'ask' })
  const secret = new URLSearchParams(uri.split('?')[1]).get('secret') ?? 'missing'
  const client = world.client(keyOf('alice'))
  await client.send({ id: 'c', method: 'connect', params: [remoteSigner, secret] }, remoteSigner)
  const canary = 'canary-plaintext'
  const third = keyOf('third').pubkey
  await client.ask({ id: 'e', method: 'nip44_encrypt', params: [third, canary] }, remoteSigner)
  const sealed = client.answers.at(-1)?.result
  await client.ask({ id: 'd', method: 'nip44_decrypt', params: [third, sealed as string] }, remoteSigner)
  expect(client.answers.at(-1)).toMatchObject({ result: canary })
  const audit = (world.store as import('../src/index.ts').MemoryStore).audit()
  const told = world.events.filter(({ type }) => type !== 'question')
  const shown = JSON.stringify([told, audit, world.signer.stats(), world.signer.sessions()])
  expect(shown).not.toContain(canary)
  expect(shown).not.toContain(secret)
  expect(shown).not.toContain(String(sealed))
  expect(audit.map(({ type }) => type)).toEqual([
    'offer-made',
    'decided',
    'session-opened',
    'decided',
    'performed',
    'decided',
    'performed',
  ])
  await world.signer.close()
})
