import type { SignedEvent } from '@nip46/core'
import { createFakeClock, createMemoryRelay } from '@nip46/testing'
import { expect, test } from 'vitest'
import { limits } from '../src/index.ts'
import {
  connect,
  createWorld,
  EVERYTHING,
  keyOf,
  NOW_SECONDS,
  RELAY,
  RELAY_2,
  RELAY_3,
  secretOf,
} from './world.ts'

const NOTE = { kind: 1, content: 'once', tags: [], created_at: NOW_SECONDS }
const SIGN = { id: 'sign', method: 'sign_event', params: [JSON.stringify(NOTE)] }

test('a request that three relays deliver is executed once and answered once', async () => {
  const world = await createWorld({ relays: [RELAY, RELAY_2, RELAY_3] })
  const { client, to } = await connect(world, 'alice')
  client.answers.splice(0)
  const event = client.sealed(JSON.stringify(SIGN), to)
  for (const relay of [RELAY, RELAY_2, RELAY_3]) world.net.inject(relay, event)
  await world.clock.settle()
  expect(world.performed()).toBe(1)
  expect(client.answers).toHaveLength(1)
  await world.clock.run(60_000)
  expect(client.answers).toHaveLength(1)
  await world.signer.close()
})

test('an invalid copy that comes first does not keep the genuine event out', async () => {
  const world = await createWorld({ relays: [RELAY, RELAY_2] })
  const { client, to } = await connect(world, 'alice')
  const genuine = client.sealed(JSON.stringify(SIGN), to)
  const other = client.sealed('{}', to)
  const copies: unknown[] = [
    { ...genuine, sig: '0'.repeat(128) },
    { ...genuine, sig: other.sig },
    { ...genuine, content: other.content },
    { ...genuine, created_at: genuine.created_at + 1 },
    { ...genuine, pubkey: to },
    { ...genuine, tags: [...genuine.tags, ['x']] },
  ]
  for (const copy of copies) world.net.inject(RELAY_2, copy)
  await world.clock.settle()
  expect(world.performed()).toBe(0)
  client.answers.splice(0)
  world.net.inject(RELAY, genuine)
  await world.clock.settle()
  expect(world.performed()).toBe(1)
  expect(client.answers).toMatchObject([{ id: 'sign' }])
  await world.signer.close()
})

test('a thousand copies of one event under invented ids are executed once', async () => {
  const world = await createWorld()
  const { client, to } = await connect(world, 'alice')
  const genuine = client.sealed(JSON.stringify(SIGN), to)
  for (let i = 0; i < 1_000; i++) {
    world.net.inject(RELAY, { ...genuine, id: i.toString(16).padStart(64, '0') })
  }
  world.net.inject(RELAY, genuine)
  await world.clock.run(1_000)
  expect(world.performed()).toBe(1)
  expect(world.signer.stats().dropped['event/id']).toBe(
    1_000 - (world.signer.stats().dropped['intake/full'] ?? 0),
  )
  await world.signer.close()
})

test('an executed request replayed after a restart gets the stored answer, at most three times', async () => {
  const world = await createWorld()
  const { client, to } = await connect(world, 'alice')
  const event = client.sealed(JSON.stringify(SIGN), to)
  await client.publish(event)
  const [first] = client.answers.splice(0).slice(-1)
  expect(world.performed()).toBe(1)
  await world.signer.close()

  const again = await world.restart()
  for (let i = 0; i < 6; i++) {
    again.net.inject(RELAY, event)
    await world.clock.settle()
  }
  expect(again.performed()).toBe(0)
  expect(client.answers.map(({ result }) => result)).toEqual([first?.result, first?.result, first?.result])
  expect(again.signer.stats().dropped).toMatchObject({ 'request/resends': 3 })
  await again.signer.close()
})

test('what came while it was away is answered after a restart, however much the relay kept, and once', async () => {
  const clock = createFakeClock(NOW_SECONDS * 1_000)
  const net = createMemoryRelay({ clock, retention: { events: 10_000, seconds: 600 } })
  const world = await createWorld({ net, fakeClock: clock, rates: limits.UNLIMITED_RATES })
  const clients: Awaited<ReturnType<typeof connect>>[] = []
  for (let c = 0; c < 20; c++) clients.push(await connect(world, `client ${c}`))
  await world.signer.close()
  const transport = net.connect()
  const each = Math.ceil((2.2 * limits.INTAKE_PER_RELAY) / clients.length)
  for (let i = 0; i < each; i++)
    for (const { client, to } of clients) {
      const text = JSON.stringify({ id: `p${i}`, method: 'ping', params: [] })
      await transport.publish([RELAY], client.sealed(text, to, 'nip44', NOW_SECONDS - each + i))
    }
  await clock.settle()
  for (const { client } of clients) client.answers.splice(0)

  const again = await world.restart()
  await clock.settle()
  expect(again.signer.stats().dropped['intake/full']).toBeGreaterThan(limits.INTAKE_PER_RELAY)
  // The newest are kept: their clients still wait.
  for (let step = 0; step < 20; step++) await clock.run(50)
  expect(clients[0]?.client.answers.map(({ id }) => id)).toContain(`p${each - 1}`)
  await clock.run(20_000)
  const wanted = Array.from({ length: each }, (_, i) => `p${i}`).sort()
  for (const { client } of clients) {
    const ids = client.answers.flatMap(({ id }) => (id?.startsWith('p') === true ? [id] : []))
    expect(ids.sort()).toEqual(wanted)
  }
  await again.signer.close()
})

test('after a restart what was answered before waits behind what nobody answered, and gets its answer again', async () => {
  const clock = createFakeClock(NOW_SECONDS * 1_000)
  const net = createMemoryRelay({ clock, retention: { events: 1_000, seconds: 600 } })
  const world = await createWorld({ net, fakeClock: clock, rates: limits.UNLIMITED_RATES })
  const { client, to } = await connect(world, 'alice')
  const ping = (id: string): string => JSON.stringify({ id, method: 'ping', params: [] })
  const old = 2 * limits.RECALL_BATCH
  for (let i = 0; i < old; i++) await client.send(ping(`old ${i}`), to)
  await world.signer.close()
  for (let i = 0; i < 5; i++) await client.send(ping(`new ${i}`), to)
  client.answers.splice(0)

  const before = clock.now()
  const again = await world.restart()
  await clock.settle()
  expect(clock.now()).toBe(before)
  expect(client.answers.map(({ id }) => id).sort()).toEqual([0, 1, 2, 3, 4].map((i) => `new ${i}`))
  client.answers.splice(0)
  await clock.run(limits.RECALL_MS)
  expect(client.answers).toHaveLength(limits.RECALL_BATCH)
  await clock.run(10 * limits.RECALL_MS)
  // The connect was claimed too; an old \`ack\` is not repeated.
  const ids = client.answers.map(({ id }) => id)
  expect(ids.filter((id) => id.startsWith('old')).sort()).toEqual(
    Array.from({ length: old }, (_, i) => `old ${i}`).sort(),
  )
  expect(again.performed()).toBe(0)
  await again.signer.close()
})

test('an event replayed after its answer was forgotten is not executed again', async () => {
  const world = await createWorld()
  const { client, to } = await connect(world, 'alice')
  const event = client.sealed(JSON.stringify(SIGN), to, 'nip44', NOW_SECONDS + 590)
  await client.publish(event)
  await world.signer.close()
  // Past the ten minutes of the answer, within the window of the event and its claim.
  await world.clock.run(11 * 60_000)
  const again = await world.restart()
  client.answers.splice(0)
  again.net.inject(RELAY, event)
  await world.clock.settle()
  expect(again.performed()).toBe(0)
  expect(client.answers).toEqual([])
  await again.signer.close()
})

test('a connect that is replayed after the client logged out opens nothing', async () => {
  const world = await createWorld()
  const { uri, remoteSigner } = await world.signer.offer({ granted: EVERYTHING })
  const client = world.client((await connect(world, 'spare')).client.key)
  const join = client.sealed(
    JSON.stringify({ id: 'c', method: 'connect', params: [remoteSigner, secretOf(uri)] }),
    remoteSigner,
  )
  await client.publish(join)
  expect(await client.ask({ id: 'bye', method: 'logout', params: [] }, remoteSigner)).toMatchObject({
    result: 'ack',
  })
  await world.signer.close()
  const again = await world.restart()
  again.net.inject(RELAY, join)
  await world.clock.settle()
  expect(again.signer.sessions().map(({ signerPubkey }) => signerPubkey)).not.toContain(remoteSigner)
  await again.signer.close()
})

test('a request is answered without waiting for any timer', async () => {
  const world = await createWorld()
  const { client, to } = await connect(world, 'alice')
  const before = world.clock.now()
  expect(await client.ask(SIGN, to)).toMatchObject({ id: 'sign' })
  expect(world.clock.now()).toBe(before)
  await world.signer.close()
})

test('many requests of one turn are stored in one commit and answered in order', async () => {
  const commits: number[] = []
  const world = await createWorld()
  const { client, to } = await connect(world, 'alice')
  const { store } = world
  const commit = store.commit.bind(store)
  store.commit = (changes, now) => {
    commits.push(changes.length)
    return commit(changes, now)
  }
  client.answers.splice(0)
  for (let i = 0; i < 50; i++) {
    world.net.inject(RELAY, client.sealed(JSON.stringify({ id: `p${i}`, method: 'ping', params: [] }), to))
  }
  await world.clock.settle()
  expect(client.answers.map(({ id }) => id)).toEqual(Array.from({ length: 50 }, (_, i) => `p${i}`))
  expect(commits.length).toBeLessThanOrEqual(3)
  await world.signer.close()
})

test('what clients of sessions send is served before what strangers send', async () => {
  const world = await createWorld()
  const { client, to } = await connect(world, 'alice')
  const strangers = Array.from({ length: 100 }, (_, i) => {
    const random = world.client(keyOf(`stranger ${i}`))
    return random.sealed(JSON.stringify({ id: 's', method: 'ping', params: [] }), to)
  })
  for (const event of strangers) world.net.inject(RELAY, event)
  world.net.inject(RELAY, client.sealed(JSON.stringify({ id: 'first', method: 'ping', params: [] }), to))
  await world.clock.settle()
  expect(client.answers.at(-1)).toMatchObject({ id: 'first', result: 'pong' })
  expect(world.signer.stats().waiting.events).toBe(101 - 1 - limits.INTAKE_STRANGERS)
  await world.clock.run(100)
  expect(world.signer.stats().waiting.events).toBe(0)
  await world.signer.close()
})

test('answers go to the relay the request came from and to all relays of the session', async () => {
  const published: [string, string][] = []
  const world = await createWorld({ relays: [RELAY, RELAY_2] })
  const { client, to } = await connect(world, 'alice')
  const transport = world.options.transport
  const publish = transport.publish
  ;(transport as { publish: typeof publish }).publish = (relays, event: SignedEvent, options) => {
    for (const relay of relays) published.push([relay, event.id])
    return publish(relays, event, options)
  }
  await client.ask({ id: 'p', method: 'ping', params: [] }, to)
  expect(published.map(([relay]) => relay).sort()).toEqual([RELAY_2, RELAY].sort())
  expect(new Set(published.map(([, id]) => id)).size).toBe(1)
  await world.signer.close()
})
