import { limits as coreLimits, type Pubkey } from '@nip46/core'
import { hostRecordCases, type StoreUnderTest, storeCases } from '@nip46/testing'
import { describe, expect, test } from 'vitest'
import { limits, type MemoryStore, memoryStore, type SignerStore } from '../src/index.ts'
import {
  approver,
  connect,
  createWorld,
  EVERYTHING,
  keyOf,
  NOW_SECONDS,
  plantOffer,
  RELAY,
  type World,
} from './world.ts'

const NOW = NOW_SECONDS * 1_000

function sign(id: string) {
  const template = { kind: 1, content: id, tags: [], created_at: NOW_SECONDS }
  return { id, method: 'sign_event', params: [JSON.stringify(template)] }
}

/** The n-th commit from now on fails, and those after it, until `heal`. */
function breakStore(store: SignerStore, from = 1) {
  const commit = store.commit.bind(store)
  let calls = 0
  store.commit = (changes, now) => {
    calls += 1
    return calls >= from ? Promise.reject(new Error('disk full')) : commit(changes, now)
  }
  return {
    heal: () => {
      store.commit = commit
    },
  }
}

async function closeIn(world: World): Promise<void> {
  const closed = world.signer.close()
  await world.clock.run(limits.CLOSE_PATIENCE_MS)
  await closed
}

test('if a request cannot be stored nothing is executed, and the client is told', async () => {
  const world = await createWorld()
  const { client, to } = await connect(world, 'alice')
  const broken = breakStore(world.store)
  const event = await client.send(sign('one'), to)
  expect(client.answers.at(-1)).toMatchObject({
    id: 'one',
    result: '',
    error: 'unavailable: storage cannot be written',
  })
  expect(world.performed()).toBe(0)
  expect(world.signer.stats().ailments).toEqual(['store'])
  broken.heal()
  await world.clock.run(1_000)
  // The same event again is news: it was not handled.
  world.net.inject(RELAY, event)
  await world.clock.settle()
  expect(client.answers.at(-1)).toMatchObject({ id: 'one', result: expect.stringContaining('"sig"') })
  expect(world.signer.stats().ailments).toEqual([])
  expect(world.events.map(({ type }) => type)).toContain('recovered')
  await closeIn(world)
})

test('if a result cannot be stored it does not leave, until it can be', async () => {
  const world = await createWorld()
  const { client, to } = await connect(world, 'alice')
  client.answers.splice(0)
  const broken = breakStore(world.store, 2)
  await client.send(sign('one'), to)
  expect(world.performed()).toBe(1)
  await world.clock.run(20_000)
  expect(client.answers).toEqual([])
  expect((world.store as MemoryStore).audit().some(({ type }) => type === 'performed')).toBe(false)
  broken.heal()
  await world.clock.run(5_000)
  expect(client.answers).toMatchObject([{ id: 'one', result: expect.stringContaining('"sig"') }])
  expect(world.performed()).toBe(1)
  await closeIn(world)
})

test('a token whose use cannot be stored is not used', async () => {
  const world = await createWorld({ keys: keyOf('signer') })
  const { uri, remoteSigner, token } = await world.signer.offer()
  const secret = new URLSearchParams(uri.split('?')[1]).get('secret') ?? ''
  const join = (id: string) => ({ id, method: 'connect', params: [remoteSigner, secret] })
  const client = world.client(keyOf('alice'))
  const broken = breakStore(world.store)
  expect(await client.ask(join('one'), remoteSigner)).toMatchObject({
    error: /* biome-ignore format: one line */ 'unavailable: storage cannot be written',
  })
  expect(world.signer.sessions()).toEqual([])
  expect(world.signer.offers()).toMatchObject([{ token, usedBy: null }])
  broken.heal()
  await world.clock.run(1_000)
  expect(await client.ask(join('two'), remoteSigner)).toMatchObject({ result: 'ack' })
  await closeIn(world)
})

test('an offer, a withdrawal and an acceptance that cannot be stored reject', async () => {
  const world = await createWorld()
  const made = await world.signer.offer()
  const broken = breakStore(world.store)
  await expect(world.signer.offer()).rejects.toMatchObject({ code: 'store/failed' })
  await expect(world.signer.withdraw(made.token)).rejects.toMatchObject({ code: 'store/failed' })
  const uri = `nostrconnect://${keyOf('c').pubkey}?relay=${encodeURIComponent(RELAY)}&secret=s`
  await expect(world.signer.accept(uri, { approved: true })).rejects.toMatchObject({ code: 'store/failed' })
  expect(world.signer.offers()).toMatchObject([{ token: made.token, withdrawn: false }])
  expect(world.signer.sessions()).toEqual([])
  broken.heal()
  await world.signer.withdraw(made.token)
  expect(world.signer.offers()).toMatchObject([{ withdrawn: true }])
  await closeIn(world)
})

test('a store that fails at each point in turn never lets a request be executed twice or answered wrongly', async () => {
  for (let from = 1; from <= 6; from++) {
    const world = await createWorld()
    const { client, to } = await connect(world, 'alice')
    client.answers.splice(0)
    const broken = breakStore(world.store, from)
    const event = await client.send(sign('one'), to)
    await world.clock.run(1_000)
    broken.heal()
    await world.clock.run(10_000)
    world.net.inject(RELAY, event)
    await world.clock.settle()
    const results = new Set(client.answers.map(({ result }) => result).filter((result) => result !== ''))
    expect(results.size).toBe(1)
    expect(world.performed()).toBe(1)
    const performed = (world.store as MemoryStore).audit().filter(({ type }) => type === 'performed')
    expect(performed).toHaveLength(1)
    await closeIn(world)
  }
})

test('a store that cannot be loaded, or holds what nobody wrote, keeps the signer from starting', async () => {
  const world = await createWorld({ start: false })
  const load = world.store.load
  world.store.load = () => Promise.reject(new Error('locked'))
  await expect(world.signer.start()).rejects.toMatchObject({ code: 'store/failed' })
  world.store.load = async (now) => {
    const stored = await load(now)
    return { ...stored, keys: [{ pubkey: keyOf('a').pubkey, secret: new Uint8Array(32), createdAt: 0 }] }
  }
  await expect(world.signer.start()).rejects.toMatchObject({ code: 'store/corrupt' })
  world.store.load = load
  await world.signer.start()
  await world.signer.close()
})

test('after a restart sessions, offers and keys are there again, and what was asked is asked again', async () => {
  let questions = 0
  const hanging = approver(() => {
    questions += 1
    return new Promise(() => undefined)
  })
  const world = await createWorld({ approver: hanging })
  const { client, to } = await connect(world, 'alice', [])
  const spare = await world.signer.offer()
  await client.send(sign('one'), to)
  expect(questions).toBe(1)
  await world.signer.close()
  expect(() => world.options.crypto.importKey(new Uint8Array(32))).toThrow()

  let yes: (() => void) | undefined
  const again = await world.restart({
    approver: approver(
      () =>
        new Promise((resolve) => {
          yes = () => resolve({ allow: true })
        }),
    ),
  })
  expect(again.signer.sessions()).toMatchObject([{ clientPubkey: client.pubkey, pending: 1 }])
  expect(again.signer.offers().map(({ token }) => token)).toContain(spare.token)
  yes?.()
  await world.clock.settle()
  expect(client.answers.at(-1)).toMatchObject({ id: 'one', result: expect.stringContaining('"sig"') })
  expect(await client.ask({ id: 'p', method: 'ping', params: [] }, to)).toMatchObject({ result: 'pong' })
  await again.signer.close()
})

test('an operation that was begun and not finished is begun again after a restart, and answered once', async () => {
  const world = await createWorld({
    userSigner: (own) => ({ ...own, perform: () => new Promise(() => undefined) }),
  })
  const { client, to } = await connect(world, 'alice')
  client.answers.splice(0)
  await client.send(sign('one'), to)
  expect(world.performed()).toBe(1)
  await world.signer.close()
  const again = await createWorld({
    store: world.store,
    net: world.net,
    fakeClock: world.clock,
    user: world.user,
  })
  await world.clock.settle()
  expect(client.answers).toMatchObject([{ id: 'one', result: expect.stringContaining('"sig"') }])
  await again.signer.close()
})

test('an answer that was stored and not published is published after a restart, if it is not old', async () => {
  for (const [pause, published] of [
    [limits.OUTBOX_MEMORY_MS, 1],
    [limits.OUTBOX_MEMORY_MS + 1, 0],
  ] as const) {
    const world = await createWorld()
    const { client, to } = await connect(world, 'alice')
    await world.clock.settle()
    await world.signer.close()
    client.answers.splice(0)
    const at = world.clock.now()
    const entry = {
      id: 'entry',
      signerPubkey: to,
      to: client.pubkey,
      relays: [RELAY],
      scheme: 'nip44' as const,
      text: '{"id":"x","result":"pong"}',
      at,
    }
    await world.store.commit([{ outbox: [entry] }], at)
    world.clock.jump(pause)
    const again = await world.restart()
    await world.clock.settle()
    expect(client.answers).toHaveLength(published)
    await again.signer.close()
    expect((world.store as MemoryStore).sizes().outbox).toBe(0)
  }
})

test('an old answer is not published even if the store still has it', async () => {
  const world = await createWorld()
  const { client, to } = await connect(world, 'alice')
  await world.signer.close()
  client.answers.splice(0)
  const load = world.store.load
  const at = world.clock.now()
  world.store.load = async (now) => {
    const entry = {
      id: 'old',
      signerPubkey: to,
      to: client.pubkey,
      relays: [RELAY],
      scheme: 'nip44' as const,
    }
    return { ...(await load(now)), outbox: [{ ...entry, text: '{"id":"x","result":"pong"}', at }] }
  }
  world.clock.jump(limits.OUTBOX_MEMORY_MS + 1)
  const again = await world.restart()
  await world.clock.settle()
  expect(client.answers).toEqual([])
  await again.signer.close()
})

test('two processes on one store give one answer to each request', async () => {
  const key = keyOf('shared signer')
  const first = await createWorld({ keys: key, start: false })
  await plantOffer(first.store, {
    secret: 'shared-secret',
    signerPubkey: key.pubkey,
    userPubkey: first.user.pubkey,
    granted: EVERYTHING,
  })
  await first.signer.start()
  const second = await first.restart()
  const client = first.client(keyOf('alice'))
  const join = { id: 'c', method: 'connect', params: [key.pubkey, 'shared-secret'] }
  await client.send(join, key.pubkey)
  for (let i = 0; i < 20; i++) await client.send(sign(`s${i}`), key.pubkey)
  await first.clock.run(1_000)
  expect(client.answers.map(({ id }) => id)).toEqual(['c', ...Array.from({ length: 20 }, (_, i) => `s${i}`)])
  expect(client.answers.every(({ error }) => error === undefined)).toBe(true)
  expect(first.performed() + second.performed()).toBe(20)
  // The one that was slower learned of the session, and knows it up to its last news.
  expect(second.signer.sessions()).toMatchObject([{ clientPubkey: client.pubkey, phase: 'open' }])
  await first.signer.close()
  await second.signer.close()
})

// -- the memory store --------------------------------------------------------------------------

const pubkeys = new Map(['s', 'c', 'd', 'u'].map((name) => [name, keyOf(name).pubkey]))
const pubkey = (name: string): Pubkey => pubkeys.get(name) ?? keyOf(name).pubkey

function claim(eventId: string, at = NOW) {
  return { eventId, signerPubkey: pubkey('s'), clientPubkey: pubkey('c'), requestId: 'r', at }
}

describe('the memory store is a SignerStore that keeps records of the host', () => {
  interface MemoryUnderTest extends StoreUnderTest {
    readonly store: MemoryStore
    reopen(): Promise<MemoryUnderTest>
  }
  const remember = (store: MemoryStore): MemoryUnderTest => ({
    store,
    reopen: () => Promise.resolve(remember(store)),
    dispose: () => Promise.resolve(),
  })
  const create = (): Promise<MemoryUnderTest> => Promise.resolve(remember(memoryStore()))
  for (const { name, run } of storeCases) test(name, () => run({ createStore: create }))
  for (const { name, run } of hostRecordCases) test(name, () => run({ createRecords: create }))
})

test('the memory store keeps claims for the window and thirty minutes more', async () => {
  const store = memoryStore()
  await store.commit([{ claims: [claim('a')] }], NOW)
  const memory = coreLimits.EXECUTED_MEMORY_SECONDS * 1_000
  await store.commit([{}], NOW + memory)
  expect(store.sizes().claims).toBe(1)
  await store.commit([{}], NOW + memory + 1)
  expect(store.sizes().claims).toBe(0)
})

test('the memory store overwrites the keys it forgets', async () => {
  const store = memoryStore()
  const secret = new Uint8Array(32).fill(7)
  await store.commit([{ keys: [{ pubkey: pubkey('s'), secret, createdAt: NOW }] }], NOW)
  await store.commit([{ forgetKeys: [pubkey('s')] }], NOW)
  expect(store.sizes().keys).toBe(0)
})

test('the memory store is bounded: the oldest claims, records and client keys go', async () => {
  const store = memoryStore()
  for (const [count, expected] of [
    [limits.MEMORY_CLAIMS, limits.MEMORY_CLAIMS],
    [1, limits.MEMORY_CLAIMS],
  ] as const) {
    const claims = Array.from({ length: count }, (_, i) => claim(`${count}-${i}`))
    await store.commit([{ claims }], NOW)
    expect(store.sizes().claims).toBe(expected)
  }
  const record = {
    type: 'offer-withdrawn' as const,
    at: NOW,
    signerPubkey: pubkey('s'),
    userPubkey: pubkey('u'),
    clientPubkey: null,
  }
  const audit = Array.from({ length: limits.MEMORY_AUDIT }, (_, i) => ({ ...record, at: i }))
  await store.commit([{ audit }, { audit: [{ ...record, at: NOW }] }], NOW)
  expect(store.audit()).toHaveLength(limits.MEMORY_AUDIT)
  expect(store.audit().at(-1)?.at).toBe(NOW)
  expect(store.audit()[0]?.at).toBe(1)
  const clients = Array.from({ length: limits.CLIENT_KEYS + 1 }, (_, i) => `${i}` as Pubkey)
  await store.commit([{ clients }], NOW)
  expect(store.sizes().clients).toBe(limits.CLIENT_KEYS)
})

test('a store that never answers keeps nobody waiting after close', async () => {
  const store = memoryStore()
  const world = await createWorld({ store })
  const { token } = await world.signer.offer()
  const { client } = await connect(world, 'alice')
  store.commit = () => new Promise(() => undefined)
  const waiting = [
    world.signer.offer(),
    world.signer.withdraw(token),
    world.signer.revoke(client.pubkey),
    world.signer.accept(
      `nostrconnect://${keyOf('bob').pubkey}?relay=wss%3A%2F%2Frelay.example&secret=0123456789abcdef`,
      { approved: true },
    ),
  ]
  const settled = Promise.allSettled(waiting)
  await world.clock.settle()
  await closeIn(world)
  await world.clock.settle()
  expect(await Promise.race([settled, Promise.resolve('pending')])).toMatchObject(
    waiting.map(() => ({ status: 'rejected', reason: { code: 'closed' } })),
  )
})

test('a start that waits for a store which never loads ends with close', async () => {
  const store = memoryStore()
  store.load = () => new Promise(() => undefined)
  const world = await createWorld({ store, start: false })
  const starting = world.signer.start().catch((error: unknown) => error)
  await world.clock.settle()
  await world.signer.close()
  expect(await Promise.race([starting, world.clock.settle()])).toMatchObject({ code: 'closed' })
})
