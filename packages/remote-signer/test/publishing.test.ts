import type { RelayUrl, SignedEvent, SubscribeRequest } from '@nip46/core'
import { expect, test } from 'vitest'
import { limits } from '../src/index.ts'
import { connect, createWorld, EVERYTHING, keyOf, NOW_SECONDS, RELAY, RELAY_2, type World } from './world.ts'

const PING = { id: 'p', method: 'ping', params: [] }

interface Published {
  readonly at: number
  readonly relays: readonly RelayUrl[]
  readonly event: SignedEvent
}

/** Watches what goes to the transport. */
function watch(world: World): Published[] {
  const published: Published[] = []
  const { transport, clock } = world.options
  const publish = transport.publish
  ;(transport as { publish: typeof publish }).publish = (relays, event, options) => {
    published.push({ at: clock?.now() ?? 0, relays, event })
    return publish(relays, event, options)
  }
  return published
}

async function closeIn(world: World): Promise<void> {
  const closed = world.signer.close()
  await world.clock.run(limits.CLOSE_PATIENCE_MS)
  await closed
}

test('an answer that every relay refuses is sealed afresh and tried again until its time is over, and then given up', async () => {
  const world = await createWorld()
  const { client, to } = await connect(world, 'alice')
  const published = watch(world)
  const event = client.sealed(JSON.stringify(PING), to)
  world.net.refuse(RELAY, 'blocked: no')
  const start = world.clock.now()
  world.net.inject(RELAY, event)
  await world.clock.run(limits.OUTBOX_MEMORY_MS)
  expect(published.map(({ at }) => at - start)).toEqual([
    0, 200, 600, 1_400, 3_000, 6_200, 12_600, 25_400, 38_200, 51_000,
  ])
  expect(new Set(published.map(({ event: sealed }) => sealed.id)).size).toBe(10)
  expect(published.map(({ event: sealed }) => sealed.created_at - NOW_SECONDS)).toEqual([
    0, 0, 0, 1, 3, 6, 12, 25, 38, 51,
  ])
  expect(world.events.at(-1)).toMatchObject({
    type: 'publish-failed',
    clientPubkey: client.pubkey,
    requestId: 'p',
    refusals: [{ relay: RELAY, reason: 'blocked: no' }],
  })
  expect(world.signer.stats()).toMatchObject({ publishFailures: 1, waiting: { answers: 0 } })
  world.net.up(RELAY)
  expect(await client.ask({ ...PING, id: 'p2' }, to)).toMatchObject({ result: 'pong' })
  await world.signer.close()
})

test('an answer goes out as soon as one relay takes it', async () => {
  const world = await createWorld({ relays: [RELAY, RELAY_2] })
  const { client, to } = await connect(world, 'alice')
  world.net.refuse(RELAY_2, 'blocked: no')
  const published = watch(world)
  expect(await client.ask(PING, to)).toMatchObject({ result: 'pong' })
  await world.clock.run(10_000)
  expect(published).toHaveLength(1)
  await world.signer.close()
})

test('three refusals for created_at within five minutes mean that our clock is wrong', async () => {
  const world = await createWorld()
  const { client, to } = await connect(world, 'alice')
  world.net.refuse(RELAY, 'invalid: ephemeral event expired, created_at too old')
  world.net.inject(RELAY, client.sealed(JSON.stringify(PING), to))
  await world.clock.run(599)
  expect(world.signer.stats().ailments).toEqual([])
  await world.clock.run(1)
  expect(world.signer.stats().ailments).toEqual(['clock-skew'])
  expect(world.events.filter(({ type }) => type === 'degraded')).toMatchObject([{ ailment: 'clock-skew' }])
  world.net.up(RELAY)
  await world.clock.run(10_000)
  expect(world.signer.stats().ailments).toEqual([])
  await world.signer.close()
})

test('refusals for created_at that are far apart mean nothing', async () => {
  const world = await createWorld()
  const { client, to } = await connect(world, 'alice')
  for (let i = 0; i < 3; i++) {
    world.net.refuse(RELAY, 'invalid: created_at')
    world.net.inject(RELAY, client.sealed(JSON.stringify({ ...PING, id: `p${i}` }), to))
    await world.clock.run(100)
    world.net.up(RELAY)
    await world.clock.run(limits.CLOCK_SKEW_WINDOW_MS)
  }
  expect(world.events.filter(({ type }) => type === 'degraded')).toEqual([])
  await world.signer.close()
})

test('a relay that demands authentication gets it from the transport key, for the URL that was dialled', async () => {
  const world = await createWorld({ start: false })
  world.net.demandAuth(RELAY, 'prove it')
  const answered: SignedEvent[] = []
  const { transport } = world.options
  const subscribe = transport.subscribe
  ;(transport as { subscribe: typeof subscribe }).subscribe = (request: SubscribeRequest) =>
    subscribe({
      ...request,
      authenticate: (relay, challenge) => {
        const event = request.authenticate?.(relay, challenge)
        if (event !== undefined) answered.push(event)
        expect(request.authenticate?.(relay, 'x'.repeat(1_025))).toBe(undefined)
        return event
      },
    })
  await world.signer.start()
  const { uri, remoteSigner } = await world.signer.offer({ granted: EVERYTHING })
  expect(uri).toContain(remoteSigner)
  expect(answered).toMatchObject([{ kind: 22242, pubkey: remoteSigner }])
  expect(answered[0]?.tags).toEqual([
    ['relay', RELAY],
    ['challenge', 'prove it'],
  ])
  expect(world.signer.stats().relays).toEqual({ live: [RELAY], down: [] })
  await world.signer.close()
})

test('subscriptions name the keys, look back over the window, and never ask for nothing', async () => {
  const requests: SubscribeRequest[] = []
  const world = await createWorld({ start: false })
  const { transport } = world.options
  const subscribe = transport.subscribe
  ;(transport as { subscribe: typeof subscribe }).subscribe = (request: SubscribeRequest) => {
    requests.push(request)
    return subscribe(request)
  }
  await world.signer.start()
  const keys: string[] = []
  for (let i = 0; i < 201; i++) keys.push((await world.signer.offer()).remoteSigner)
  const last = requests.at(-1)
  expect(last?.relays).toEqual([RELAY])
  expect(last?.filters).toEqual([
    { kinds: [24133], '#p': keys.slice(0, 200), since: NOW_SECONDS - 600 },
    { kinds: [24133], '#p': keys.slice(200), since: NOW_SECONDS - 600 },
  ])
  await world.clock.settle()
  // Each REQ replaced the one before.
  expect(world.net.subscriptions).toBe(1)
  await world.signer.close()
  expect(world.net.subscriptions).toBe(0)
})

test('more keys than one REQ holds get another REQ, and the first is left alone', async () => {
  const world = await createWorld()
  const key = { method: 'sign_event' }
  const per = limits.KEYS_PER_FILTER * limits.FILTERS_PER_SUBSCRIPTION
  for (let i = 0; i < 1_000; i += 1) await world.signer.offer({ granted: [key] })
  await world.clock.settle()
  expect(per).toBe(1_000)
  expect(world.net.subscriptions).toBe(1)
  // Offers are bounded by core; a nostrconnect session brings one key more.
  const uri = `nostrconnect://${keyOf('c').pubkey}?relay=${encodeURIComponent(RELAY)}&secret=s`
  await world.signer.accept(uri, { approved: true })
  await world.clock.settle()
  expect(world.net.subscriptions).toBe(2)
  await expect(world.signer.offer()).rejects.toMatchObject({ code: 'offers/full' })
  await closeIn(world)
})

test('a relay that goes down and comes back is told of, and requests meanwhile are served afterwards', async () => {
  const world = await createWorld()
  const { client, to } = await connect(world, 'alice')
  world.net.down(RELAY)
  await world.clock.settle()
  expect(world.signer.stats()).toMatchObject({ relays: { live: [], down: [RELAY] }, ailments: ['no-relay'] })
  expect(world.events.at(-1)).toMatchObject({ type: 'degraded', ailment: 'no-relay' })
  world.net.up(RELAY)
  await world.clock.settle()
  expect(world.signer.stats()).toMatchObject({ relays: { live: [RELAY], down: [] }, ailments: [] })
  expect(await client.ask(PING, to)).toMatchObject({ result: 'pong' })
  await world.signer.close()
})

test('a relay that ends a subscription for good is asked again later', async () => {
  const world = await createWorld({ start: false })
  let refuse = true
  const { transport } = world.options
  const subscribe = transport.subscribe
  ;(transport as { subscribe: typeof subscribe }).subscribe = (request: SubscribeRequest) => {
    if (!refuse) return subscribe(request)
    queueMicrotask(() => request.onDown?.(RELAY, 'restricted: go away', true))
    return { close: () => undefined }
  }
  await world.signer.start()
  const offered = world.signer.offer()
  await world.clock.run(limits.LIVE_PATIENCE_MS)
  await offered
  expect(world.events).toMatchObject([
    { type: 'relay-down', final: true, reason: 'restricted: go away' },
    { type: 'degraded', ailment: 'no-relay' },
  ])
  refuse = false
  await world.clock.run(limits.RESUBSCRIBE_MS)
  expect(world.signer.stats().relays.live).toEqual([RELAY])
  await world.signer.close()
  expect(world.clock.pending).toBe(0)
})

test('a transport that rejects is a refusal', async () => {
  const world = await createWorld()
  const { client, to } = await connect(world, 'alice')
  const { transport } = world.options
  ;(transport as { publish: unknown }).publish = () => Promise.reject(new Error('bug'))
  world.net.inject(RELAY, client.sealed(JSON.stringify(PING), to))
  await world.clock.run(limits.OUTBOX_MEMORY_MS)
  expect(world.signer.stats()).toMatchObject({ publishFailures: 1, failures: { transport: 10 } })
  await closeIn(world)
})
