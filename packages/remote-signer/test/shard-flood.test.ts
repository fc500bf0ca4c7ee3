/** What one relay sends to a sharded signer in a flood: what of it is looked at, and what is left for the other relays. In counts. */

import type { Pubkey, RelayUrl, SignedEvent, SubscribeRequest, Transport } from '@nip46/core'
import { createFakeClock } from '@nip46/testing'
import { expect, test } from 'vitest'
import { createRemoteSigner, denyAll, limits, localUserSigner, memoryStore } from '../src/index.ts'
import { createPortTransport } from '../src/port-transport.ts'
import { createShardGate } from '../src/shard-gate.ts'
import type { FromShard, ToShard } from '../src/shard-message.ts'
import { createShardRelay } from '../src/shard-relay.ts'
import { random, sealRequest } from './throughput.ts'
import { crypto, secretOf } from './world.ts'

const FLOOD = 'wss://flood.example/' as RelayUrl
const CALM = 'wss://calm.example/' as RelayUrl
const to = crypto.importKey(random(32))
const client = crypto.importKey(random(32))
const eventOf = (key = client): SignedEvent =>
  sealRequest(crypto, { key, to: to.pubkey, secret: '' }, 'x', 'ping', [])
const OF_CLIENT = eventOf()
const OF_STRANGER = eventOf(crypto.importKey(random(32)))

/** The main thread's half, with a worker that says what the test says. */
function createMainThread() {
  const clock = createFakeClock(Date.now())
  const sent: ToShard[] = []
  const requests = new Map<RelayUrl, SubscribeRequest>()
  let dropped = 0
  let looked = 0
  const transport: Transport = {
    publish: () => Promise.reject(new Error('nothing is published here')),
    subscribe(request) {
      for (const relay of request.relays) requests.set(relay, request)
      return { close: () => undefined }
    },
    close: () => Promise.resolve(),
  }
  const shard = createShardRelay({
    transport,
    clock,
    gate: createShardGate(() => clock.now()),
    send: (message) => sent.push(message),
    isElsewhere: () => false,
    onDrop: () => {
      dropped += 1
    },
  })
  const filters = [{ kinds: [24133], '#p': [to.pubkey] }]
  shard.take({ type: 'subscribe', id: 1, relays: [FLOOD, CALM], filters })
  shard.take({ type: 'serves', pubkey: client.pubkey, isServed: true })
  return {
    clock,
    shard,
    inject(relay: RelayUrl, event: SignedEvent, count = 1): void {
      const watched = {
        ...event,
        get content() {
          looked += 1
          return event.content
        },
      }
      for (let i = 0; i < count; i++) requests.get(relay)?.onEvent(watched, relay)
    },
    handed: (relay: RelayUrl): number =>
      sent.filter((message) => message.type === 'event' && message.relay === relay).length,
    takeAll: () => shard.take({ type: 'took', events: shard.waiting }),
    get dropped() {
      return dropped
    },
    /** Whether anything of the last events was read but their pubkey. */
    looks(run: () => void): boolean {
      const before = looked
      run()
      return looked > before
    },
  }
}

test('a flood of strangers over one relay takes what strangers may, and nothing of another relay', () => {
  const main = createMainThread()
  main.inject(FLOOD, OF_STRANGER, 20_000)
  expect(main.handed(FLOOD)).toBe(limits.STRANGER_LOOKS_BURST)
  expect(main.dropped).toBe(20_000 - limits.STRANGER_LOOKS_BURST)
  expect(main.looks(() => main.inject(FLOOD, OF_STRANGER))).toBe(false)

  main.inject(CALM, OF_STRANGER, limits.STRANGER_LOOKS_BURST)
  expect(main.handed(CALM)).toBe(limits.STRANGER_LOOKS_BURST)
  main.inject(CALM, OF_CLIENT, 1_000)
  expect(main.handed(CALM)).toBe(limits.STRANGER_LOOKS_BURST + 1_000)
  main.inject(FLOOD, OF_CLIENT)
  expect(main.handed(FLOOD)).toBe(limits.STRANGER_LOOKS_BURST + 1)

  main.takeAll()
  main.clock.advance(1_000)
  main.inject(FLOOD, OF_STRANGER, 20_000)
  expect(main.handed(FLOOD)).toBe(limits.STRANGER_LOOKS_BURST + 1 + limits.STRANGER_LOOKS_PER_SECOND)
})

test('forgeries under the pubkey of a client use up the budget of their relay only', () => {
  const main = createMainThread()
  for (let i = 0; i < 20; i++) {
    main.inject(FLOOD, OF_CLIENT, 1_000)
    main.takeAll()
  }
  expect(main.handed(FLOOD)).toBe(limits.FORGED_CLAIMS_BURST)
  expect(main.looks(() => main.inject(FLOOD, OF_CLIENT))).toBe(false)
  for (let i = 0; i < 20; i++) {
    main.inject(CALM, OF_CLIENT, 1_000)
    main.takeAll()
    main.shard.take({ type: 'refund', relay: CALM, events: 1_000 })
  }
  expect(main.handed(CALM)).toBe(20_000)
  main.clock.advance(1_000)
  main.inject(FLOOD, OF_CLIENT, 3_000)
  expect(main.handed(FLOOD)).toBe(limits.FORGED_CLAIMS_BURST + limits.FORGED_CLAIMS_PER_SECOND)
})

test('events of another shape, or of nobody here, are charged as in a worker', () => {
  const main = createMainThread()
  const shapeless = { pubkey: client.pubkey } as Partial<SignedEvent> as SignedEvent
  const elsewhere = { ...OF_CLIENT, tags: [['p', client.pubkey]] } as SignedEvent
  for (let i = 0; i < 5; i++) main.inject(CALM, elsewhere, limits.FORGED_CLAIMS_BURST)
  main.inject(CALM, OF_CLIENT)
  expect(main.handed(CALM)).toBe(1)
  main.inject(FLOOD, shapeless, limits.FORGED_CLAIMS_BURST)
  main.inject(FLOOD, OF_CLIENT)
  expect(main.handed(FLOOD)).toBe(0)
})

test('a relay that fills its places leaves as many to the next', () => {
  const main = createMainThread()
  main.inject(FLOOD, OF_CLIENT, limits.SHARD_EVENTS / 2)
  main.shard.take({ type: 'refund', relay: FLOOD, events: limits.SHARD_EVENTS / 2 })
  main.inject(FLOOD, OF_CLIENT, 1_000)
  expect(main.handed(FLOOD)).toBe(limits.SHARD_EVENTS / 2)
  main.inject(CALM, OF_CLIENT, limits.SHARD_EVENTS / 2)
  expect(main.handed(CALM)).toBe(limits.SHARD_EVENTS / 4)
  main.takeAll()
  expect(main.shard.waiting).toBe(0)
  main.shard.take({ type: 'took', events: 7 })
  expect(main.shard.waiting).toBe(0)
})

test('a client whom no worker serves any more is a stranger, also when its worker died', () => {
  const gate = createShardGate(() => 0)
  const pubkey = client.pubkey
  gate.serve(pubkey, true)
  gate.serve(pubkey, true)
  gate.serve(pubkey, false)
  expect(gate.admit(OF_CLIENT, CALM)).toBe('client')
  gate.serve(pubkey, false)
  expect(gate.admit(OF_CLIENT, CALM)).toBe('stranger')
  for (const value of [null, 7, 'text', {}, { pubkey: 7 }]) expect(gate.admit(value, CALM)).toBe('stranger')

  const main = createMainThread()
  main.shard.close()
  expect(main.shard.waiting).toBe(0)
})

/** A worker's half: an ordinary remote signer on a port transport, on a clock that stands still. */
async function createWorkerSide() {
  const clock = createFakeClock(Date.now())
  const said: FromShard[] = []
  let settle = (_: FromShard): void => undefined
  const relays = createPortTransport((message) => {
    said.push(message)
    settle(message)
  })
  // Every relay delivers, and takes every answer.
  settle = (message) => {
    if (message.type === 'subscribe')
      for (const relay of message.relays)
        queueMicrotask(() => relays.take({ type: 'live', subscription: message.id, relay }))
    if (message.type === 'publish') {
      const result = { ok: true, value: { relay: CALM } } as const
      queueMicrotask(() => relays.take({ type: 'published', id: message.id, result }))
    }
  }
  const signer = createRemoteSigner({
    crypto,
    transport: relays.transport,
    userSigner: localUserSigner(crypto.importKey(random(32)), { crypto }),
    approver: denyAll,
    relays: [FLOOD, CALM],
    store: memoryStore(),
    clock,
    rates: limits.UNLIMITED_RATES,
  })
  await signer.start()
  const { uri, remoteSigner } = await signer.offer({})
  const subscription = said.findLast((message) => message.type === 'subscribe')?.id ?? -1
  const inject = async (relay: RelayUrl, ...events: readonly SignedEvent[]): Promise<void> => {
    for (const event of events) relays.take({ type: 'event', subscription, event, relay })
    await clock.run(1_000)
  }
  const request = (id: string, method = 'ping', params: readonly string[] = []): SignedEvent =>
    sealRequest(crypto, { key: client, to: remoteSigner, secret: '' }, id, method, params)
  const refunded = (relay: RelayUrl): number =>
    said.reduce(
      (sum, message) => (message.type === 'refund' && message.relay === relay ? sum + message.events : sum),
      0,
    )
  const served = (): readonly (readonly [Pubkey, boolean])[] =>
    said.flatMap((message) =>
      message.type === 'serves' ? [[message.pubkey, message.isServed] as const] : [],
    )
  await inject(CALM, request('connect', 'connect', [remoteSigner, secretOf(uri)]))
  return { signer, inject, request, refunded, served }
}

test('a worker tells whom it serves, and gives back what a client sent, new or again, but nothing that was made up', async () => {
  const { signer, inject, request, refunded, served } = await createWorkerSide()
  expect(served()).toEqual([[client.pubkey, true]])
  // The connect itself was a stranger's.
  expect(refunded(CALM)).toBe(0)

  const requests = Array.from({ length: 100 }, (_, i) => request(`ping ${i}`))
  await inject(CALM, ...requests)
  expect(refunded(CALM)).toBe(100)
  await inject(CALM, ...requests)
  expect(refunded(CALM)).toBe(200)
  const [first = OF_CLIENT] = requests
  await inject(CALM, ...Array.from({ length: 300 }, () => first))
  expect(refunded(CALM)).toBe(500)

  const forged = requests.map((event) => ({ ...event, id: '0'.repeat(64) }))
  const wrong = requests.map((event, i) => ({ ...request(`wrong ${i}`), sig: event.sig }))
  await inject(FLOOD, ...forged, ...wrong.slice(0, 50))
  expect(refunded(FLOOD)).toBe(0)
  const { dropped } = signer.stats()
  expect([dropped['event/id'], dropped['event/sig']]).toEqual([100, 50])

  await signer.revoke(client.pubkey)
  expect(served()).toEqual([
    [client.pubkey, true],
    [client.pubkey, false],
  ])
  await signer.close()
})
