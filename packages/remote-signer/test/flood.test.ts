import type { Crypto, KeyHandle, SignedEvent } from '@nip46/core'
import { expect, test } from 'vitest'
import { limits } from '../src/index.ts'
import { connect, createWorld, crypto, keyOf, RELAY, RELAY_2, type World } from './world.ts'

const ping = (id: string): string => JSON.stringify({ id, method: 'ping', params: [] })
const hex64 = (i: number): string => i.toString(16).padStart(64, '0')

/** So many events that nobody signed, each other than the ones before. */
let invented = 0
async function flood(world: World, event: SignedEvent, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    world.net.inject(RELAY_2, { ...event, id: hex64(invented++) })
    if (i % 500 === 499) await world.clock.run(0)
  }
  await world.clock.run(0)
}

test('of what strangers send over one relay so much is looked at, and clients go on over all of them', async () => {
  const world = await createWorld({ relays: [RELAY, RELAY_2] })
  const { client, to } = await connect(world, 'alice')
  const before = world.signer.stats().dropped
  expect(before).toEqual({})
  const garbage = world.client(keyOf('stranger')).sealed(ping('s'), to)
  // The connect of the client above was one of a stranger, too.
  await world.clock.run(1_000)
  await flood(world, garbage, limits.STRANGER_LOOKS_BURST)
  expect(world.signer.stats().dropped).toEqual({ 'event/id': limits.STRANGER_LOOKS_BURST })
  await flood(world, garbage, 1)
  const unseen = { 'event/id': limits.STRANGER_LOOKS_BURST, 'event/budget': 1 }
  expect(world.signer.stats().dropped).toEqual(unseen)
  world.net.inject(RELAY_2, 'not even an event')
  await world.clock.settle()
  expect(world.signer.stats().dropped).toEqual({ ...unseen, 'event/budget': 2 })

  for (const relay of [RELAY_2, RELAY]) {
    world.net.inject(relay, client.sealed(ping(relay), to))
    await world.clock.settle()
    expect(client.answers.at(-1)).toMatchObject({ id: relay, result: 'pong' })
  }
  await world.clock.run(1_000)
  await flood(world, garbage, limits.STRANGER_LOOKS_PER_SECOND + 1)
  expect(world.signer.stats().dropped).toEqual({
    'event/id': limits.STRANGER_LOOKS_BURST + limits.STRANGER_LOOKS_PER_SECOND,
    'event/budget': 3,
  })
  await world.signer.close()
})

test('a relay that invents events of clients is not looked at for a while, and others are', async () => {
  const world = await createWorld({ relays: [RELAY, RELAY_2] })
  const { client, to } = await connect(world, 'alice')
  await flood(world, client.sealed(ping('p'), to), limits.FORGED_CLAIMS_BURST)
  expect(world.signer.stats().dropped).toEqual({ 'event/id': limits.FORGED_CLAIMS_BURST })
  const genuine = client.sealed(ping('genuine'), to)
  world.net.inject(RELAY_2, genuine)
  await world.clock.settle()
  expect(world.signer.stats().dropped).toMatchObject({ 'event/budget': 1 })
  world.net.inject(RELAY, genuine)
  await world.clock.settle()
  expect(client.answers.at(-1)).toMatchObject({ id: 'genuine', result: 'pong' })
  await world.clock.run(1_000)
  world.net.inject(RELAY_2, client.sealed(ping('later'), to))
  await world.clock.settle()
  expect(client.answers.at(-1)).toMatchObject({ id: 'later', result: 'pong' })
  await world.signer.close()
})

test('a relay that sends what clients signed, however often and however much at once, uses up nothing', async () => {
  const world = await createWorld({ relays: [RELAY, RELAY_2] })
  const { client, to } = await connect(world, 'alice')
  const event = client.sealed(ping('once'), to)
  for (let round = 0; round < 3; round++) {
    for (let i = 0; i < limits.FORGED_CLAIMS_BURST; i++) world.net.inject(RELAY_2, event)
    for (let step = 0; step < 20; step++) await world.clock.run(0)
  }
  // Late by its clock, and in a scheme that the session does not use: signed by the client all the same.
  const late = client.sealed(ping('late'), to, 'nip44', 0)
  const other = client.sealed(ping('other'), to, 'nip04')
  for (let i = 0; i <= limits.FORGED_CLAIMS_BURST; i++) {
    world.net.inject(RELAY_2, i % 2 === 0 ? late : other)
    if (i % 500 === 0) for (let step = 0; step < 20; step++) await world.clock.run(0)
  }
  for (let step = 0; step < 20; step++) await world.clock.run(0)
  expect(world.signer.stats().dropped).not.toHaveProperty('event/budget')
  world.net.inject(RELAY_2, client.sealed(ping('last'), to))
  await world.clock.settle()
  expect(client.answers.at(-1)).toMatchObject({ id: 'last', result: 'pong' })
  await world.signer.close()
})

test('whoever invents events of clients cannot make it ask a relay again and again', async () => {
  const world = await createWorld({ relays: [RELAY, RELAY_2] })
  const { transport } = world.options
  const subscribe = transport.subscribe.bind(transport)
  let asked = 0
  ;(transport as { subscribe: typeof subscribe }).subscribe = (request) => {
    if (request.relays.includes(RELAY_2)) asked += 1
    return subscribe(request)
  }
  const { client, to } = await connect(world, 'alice')
  const forged = client.sealed(ping('p'), to)
  await world.clock.settle()
  asked = 0
  const SECONDS = 40
  for (let second = 0; second < SECONDS; second++) {
    for (let i = 0; i < 1.5 * limits.INTAKE_PER_RELAY; i++)
      world.net.inject(RELAY_2, { ...forged, id: hex64(invented++) })
    // The client is there over both relays, as far as they let it.
    for (const relay of [RELAY, RELAY_2])
      world.net.inject(relay, client.sealed(ping(`${relay} ${second}`), to))
    await world.clock.run(1_000)
    expect(client.answers.some(({ id }) => id === `${RELAY} ${second}`)).toBe(true)
  }
  expect(world.signer.stats().dropped['intake/full']).toBeGreaterThan(0)
  // At 1, 3, 7, 15 and 31 s if it were always owed something; of a relay that lies it is not.
  expect(asked).toBeGreaterThan(0)
  expect(asked).toBeLessThanOrEqual(6)
  await world.signer.close()
})

test(`${limits.COPIES_BURST} copies of an event are looked at, and then one a second`, async () => {
  const world = await createWorld()
  const { client, to } = await connect(world, 'alice')
  const event = client.sealed(ping('once'), to)
  world.net.inject(RELAY, event)
  await world.clock.settle()
  client.answers.splice(0)
  for (let i = 0; i < limits.COPIES_BURST + 5; i++) {
    world.net.inject(RELAY, event)
    await world.clock.settle()
  }
  const resent = 3
  expect(client.answers).toHaveLength(resent)
  const worn = { 'request/resends': limits.COPIES_BURST - resent, 'event/seen': 5 }
  expect(world.signer.stats().dropped).toEqual(worn)
  await world.clock.run(1_000 / limits.COPIES_PER_SECOND)
  for (let i = 0; i < 2; i++) {
    world.net.inject(RELAY, event)
    await world.clock.settle()
  }
  expect(world.signer.stats().dropped).toEqual({
    'request/resends': worn['request/resends'] + 1,
    'event/seen': worn['event/seen'] + 1,
  })
  expect(await client.ask({ id: 'more', method: 'ping', params: [] }, to)).toMatchObject({ result: 'pong' })
  await world.signer.close()
})

const engineFaults = (world: World): number | undefined => world.signer.stats().failures['engine']

/** A crypto with a fault of its own: it throws on the events of these ids. */
function faultyOn(ids: ReadonlySet<string>, looked: () => void): Crypto {
  const look = ({ id }: { readonly id: string }): void => {
    if (!ids.has(id)) return
    looked()
    throw new Error('a fault')
  }
  return {
    ...crypto,
    verify(event) {
      look(event)
      return crypto.verify(event)
    },
    verifyBatch(events) {
      for (const event of events) look(event)
      return crypto.verifyBatch(events)
    },
  }
}

test('an event that makes the code throw is dropped, counted and not opened again; those beside it are answered', async () => {
  const ids = new Set<string>()
  let looks = 0
  const world = await createWorld({ crypto: faultyOn(ids, () => (looks += 1)) })
  const { client, to } = await connect(world, 'alice')
  const faulty = client.sealed(ping('faulty'), to)
  ids.add(faulty.id)
  client.answers.splice(0)
  const others = Array.from({ length: limits.INTAKE_BATCH - 1 }, (_, i) => client.sealed(ping(`p${i}`), to))
  for (const event of [...others.slice(0, 30), faulty, ...others.slice(30)]) world.net.inject(RELAY, event)
  await world.clock.run(100)
  expect(client.answers.map(({ id }) => id)).toEqual(others.map((_, i) => `p${i}`))
  expect(world.signer.stats()).toMatchObject({ dropped: { 'event/fault': 1 }, failures: { engine: 1 } })

  const looksSoFar = looks
  for (let i = 0; i < 10; i++) world.net.inject(RELAY, faulty)
  await world.clock.run(1_000)
  expect(looks).toBe(looksSoFar)
  expect(world.signer.stats()).toMatchObject({ dropped: { 'event/fault': 11 }, failures: { engine: 1 } })

  // Another one under its id and signature is not taken for it, and it is not let through after that.
  ids.clear()
  world.net.inject(RELAY, { ...faulty, content: others[0]?.content })
  world.net.inject(RELAY, faulty)
  await world.clock.run(100)
  expect(world.signer.stats().dropped).toEqual({ 'event/fault': 12, 'event/id': 1 })
  await world.signer.close()
})

test('the same where it throws while it is decrypted', async () => {
  const key = keyOf('signer')
  let content = ''
  const conversation: KeyHandle['conversation'] = (peer) => {
    const made = key.conversation(peer)
    if (!made.ok) return made
    const value = Object.create(made.value, {
      nip44Decrypt: {
        value(payload: string) {
          if (payload === content) throw new Error('a fault')
          return made.value.nip44Decrypt(payload)
        },
      },
    })
    return { ok: true, value }
  }
  const world = await createWorld({ keys: Object.create(key, { conversation: { value: conversation } }) })
  const { client, to } = await connect(world, 'alice')
  const faulty = client.sealed(ping('faulty'), to)
  content = faulty.content
  for (let i = 0; i < 3; i++) {
    world.net.inject(RELAY, faulty)
    expect(await client.ask({ id: `p${i}`, method: 'ping', params: [] }, to)).toMatchObject({
      result: 'pong',
    })
  }
  expect(world.signer.stats()).toMatchObject({ dropped: { 'event/fault': 3 }, failures: { engine: 1 } })
  await world.signer.close()
})

test(`${limits.FAULTY_EVENTS} events that threw are remembered; the oldest is opened once more`, async () => {
  const ids = new Set<string>()
  let looks = 0
  const world = await createWorld({ crypto: faultyOn(ids, () => (looks += 1)) })
  const { client, to } = await connect(world, 'alice')
  const faulty = Array.from({ length: limits.FAULTY_EVENTS + 1 }, (_, i) => client.sealed(ping(`${i}`), to))
  for (const { id } of faulty) ids.add(id)
  for (const event of faulty.slice(0, -1)) world.net.inject(RELAY, event)
  await world.clock.run(100)
  world.net.inject(RELAY, faulty[0])
  await world.clock.run(100)
  expect(engineFaults(world)).toBe(limits.FAULTY_EVENTS)
  const looksSoFar = looks
  world.net.inject(RELAY, faulty.at(-1))
  await world.clock.run(100)
  world.net.inject(RELAY, faulty[0])
  await world.clock.run(100)
  expect(engineFaults(world)).toBe(limits.FAULTY_EVENTS + 2)
  expect(looks).toBeGreaterThan(looksSoFar)
  await world.signer.close()
})
