import { EventEmitter } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import {
  type Authenticate,
  type KeyHandle,
  open,
  type Pubkey,
  type RelayUrl,
  type SignedEvent,
  sealAuth,
} from '@nip46/core'
import { createFakeClock, createMemoryRelay, type MemoryRelay } from '@nip46/testing'
import { afterEach, describe, expect, test } from 'vitest'
import { limits } from '../src/index.ts'
import { createShardedSigner, type ShardEvent, type ShardedSigner, type ShardWorker } from '../src/sharded.ts'
import type { ShardData } from './shard-entry.ts'
import { random, sealRequest } from './throughput.ts'
import { crypto, secretOf } from './world.ts'

const RELAY = 'wss://relay.example/' as RelayUrl
const FLOOD = 'wss://flood.example/' as RelayUrl
const PATIENCE_MS = 60_000

interface Rig {
  readonly net: MemoryRelay
  readonly signer: ShardedSigner
  /** The newest worker of each shard. */
  readonly workers: (Worker | undefined)[]
  readonly events: ShardEvent[]
  readonly user: Pubkey
  connect(): Promise<Caller>
}

interface Caller {
  readonly key: KeyHandle
  readonly to: Pubkey
  send(id: string, method: string, params: readonly string[]): Promise<void>
  /** The answer to this request, once it is there. */
  answer(id: string): Promise<{ readonly result: string; readonly error?: string }>
  /** Signs a note; the signed event, or the error. */
  sign(id: string): Promise<string>
}

const ends: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end()
})

async function createRig(
  shards: number,
  {
    stored = false,
    relays = [RELAY],
    fault,
  }: {
    readonly stored?: boolean
    readonly relays?: readonly RelayUrl[]
    readonly fault?: NonNullable<ShardData['fault']>
  } = {},
): Promise<Rig> {
  const net = createMemoryRelay()
  const folder = stored ? mkdtempSync(join(tmpdir(), 'nip46-shards-')) : undefined
  if (folder !== undefined) ends.push(() => rmSync(folder, { recursive: true }))
  const userSecret = random(32)
  const workers: (Worker | undefined)[] = []
  const events: ShardEvent[] = []
  const signer = createShardedSigner({
    shards,
    transport: net.connect(),
    onEvent: (event) => events.push(event),
    createWorker(shard) {
      const workerData: ShardData = {
        backend: 'tiny',
        relays,
        userSecret,
        ...(folder !== undefined && { file: join(folder, String(shard)) }),
        ...(fault !== undefined && shard === 1 && { fault }),
      }
      const worker = new Worker(new URL('./shard-entry.ts', import.meta.url), {
        workerData,
        execArgv: ['--conditions=@nip46/source'],
      })
      workers[shard] = worker
      return worker
    },
  })
  ends.push(() => signer.close())
  await signer.start()
  const user = crypto.importKey(userSecret.slice()).pubkey
  return { net, signer, workers, events, user, connect: () => connect(net, signer) }
}

async function connect(net: MemoryRelay, signer: ShardedSigner): Promise<Caller> {
  const { uri, remoteSigner: to } = await signer.offer({ granted: [{ method: 'sign_event' }] })
  const caller = listen(net, to)
  await caller.send('connect', 'connect', [to, secretOf(uri)])
  expect((await caller.answer('connect')).result).toBe('ack')
  return caller
}

function listen(net: MemoryRelay, to: Pubkey): Caller {
  const key = crypto.importKey(random(32))
  const transport = net.connect()
  ends.push(() => transport.close())
  const authenticate: Authenticate = (relay, challenge) =>
    sealAuth({ relay, challenge, key, createdAt: Math.floor(Date.now() / 1_000) }, { crypto, random })
  const answers = new Map<string, { readonly result: string; readonly error?: string }>()
  transport.subscribe({
    relays: [RELAY],
    filters: [{ kinds: [24133], '#p': [key.pubkey] }],
    authenticate,
    onEvent(event) {
      const opened = open(event, {
        crypto,
        key: (pubkey) => (pubkey === key.pubkey ? key : undefined),
        scheme: () => 'nip44',
        now: Math.floor(Date.now() / 1_000),
      })
      if (!opened.ok) return
      const { id, ...said } = JSON.parse(opened.value.text) as { id: string; result: string; error?: string }
      answers.set(id, said)
    },
  })
  const caller: Caller = {
    key,
    to,
    async send(id, method, params) {
      const event = sealRequest(crypto, { key, to, secret: '' }, id, method, params)
      await transport.publish([RELAY], event, { authenticate })
    },
    async answer(id) {
      await until(() => answers.has(id))
      return answers.get(id) ?? { result: '' }
    },
    async sign(id) {
      const template = { kind: 1, content: id, tags: [], created_at: 1_767_225_600 }
      await caller.send(id, 'sign_event', [JSON.stringify(template)])
      const { result, error } = await caller.answer(id)
      return error ?? result
    },
  }
  return caller
}

async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  const end = Date.now() + PATIENCE_MS
  while (!(await isSo())) {
    if (Date.now() > end) throw new Error('waited too long')
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

describe('A remote signer in two workers', () => {
  test('answers 20 clients, each from the one worker that has its key, and a revoked one no more', async () => {
    const { signer, connect, user } = await createRig(2)
    const callers = await Promise.all(Array.from({ length: 20 }, connect))
    const signed = await Promise.all(callers.map((caller, i) => caller.sign(`note ${i}`)))
    signed.forEach((text, i) => {
      const event = JSON.parse(text) as SignedEvent
      expect(event).toMatchObject({ pubkey: user, content: `note ${i}` })
      expect(crypto.verify(event)).toBe(true)
    })
    const stats = await signer.stats()
    expect(stats.map((shard) => shard.signer?.sessions)).toEqual([10, 10])
    // Two events of each of ten clients, and nothing of the other ten.
    expect(stats.map((shard) => shard.signer?.received)).toEqual([20, 20])
    expect(stats.map((shard) => shard.signer?.performed)).toEqual([10, 10])
    expect(stats.map((shard) => shard.waiting)).toEqual([
      { events: 0, calls: 0 },
      { events: 0, calls: 0 },
    ])

    const [revoked, other] = callers
    expect(await signer.revoke(revoked?.key.pubkey as Pubkey)).toBe(1)
    expect(await revoked?.sign('too late')).toBe('unauthorized: session revoked')
    expect(await other?.sign('still here')).toContain('still here')
    expect(await signer.sessions()).toHaveLength(19)

    expect(await signer.setPolicy(other?.key.pubkey as Pubkey, { notes: 3 })).toBe(1)
    const policies = (await signer.sessions()).map(({ policy }) => policy)
    expect(policies.filter((policy) => policy !== null)).toEqual([{ notes: 3 }])

    const { token } = await signer.offer()
    await signer.withdraw(token)
    await expect(signer.withdraw('no such token')).rejects.toMatchObject({ code: 'offer/unknown' })
  })

  test('starts a worker that was killed again, with its own keys, while the other one goes on', async () => {
    const { signer, connect, workers, events } = await createRig(2, { stored: true })
    const callers = [await connect(), await connect()]
    await workers[0]?.terminate()
    await until(() => events.some(({ type }) => type === 'shard-died'))
    expect(await callers[1]?.sign('meanwhile')).toContain('meanwhile')
    await until(() => events.filter(({ type }) => type === 'shard-started').length === 3)
    expect(await callers[0]?.sign('again')).toContain('again')
    const stats = await signer.stats()
    expect(stats.map(({ restarts, state }) => ({ restarts, state }))).toEqual([
      { restarts: 1, state: 'running' },
      { restarts: 0, state: 'running' },
    ])
    expect(stats.map((shard) => shard.signer?.sessions)).toEqual([1, 1])
    expect(events.find(({ type }) => type === 'shard-died')).toMatchObject({ shard: 0, restartInMs: 100 })
  })

  test('closes in time though a worker hangs, and settles what was asked of it', async () => {
    const { signer, workers, connect, net } = await createRig(2)
    await connect()
    workers[0]?.postMessage([{ type: 'hang' }])
    const asked = signer.sessions()
    const failed = expect(asked).rejects.toMatchObject({ code: 'closed' })
    const start = performance.now()
    await signer.close()
    expect(performance.now() - start).toBeLessThan(limits.SHARD_CLOSE_MS + 60_000)
    await failed
    await until(() => net.subscriptions === 1)
    await expect(signer.offer()).rejects.toMatchObject({ code: 'closed' })
  })

  test('serves on a relay that demands AUTH: the worker signs, with the key of the connection', async () => {
    const { net, connect } = await createRig(1)
    net.demandAuth(RELAY, 'who are you')
    const caller = await connect()
    expect(await caller.sign('known')).toContain('known')
  })

  test('answers over one relay while another one floods it, from strangers and under the pubkey of the client', async () => {
    const { net, signer, connect } = await createRig(2, { relays: [RELAY, FLOOD] })
    const caller = await connect()
    const own = { key: caller.key, to: caller.to, secret: '' }
    const forged = { ...sealRequest(crypto, own, 'forged', 'ping', []), id: '0'.repeat(64) }
    const stranger = sealRequest(
      crypto,
      { ...own, key: crypto.importKey(random(32)) },
      'stranger',
      'ping',
      [],
    )
    for (let round = 0; round < 3; round++) {
      for (let i = 0; i < 10_000; i++) {
        net.inject(FLOOD, stranger)
        net.inject(FLOOD, forged)
      }
      const notes = await Promise.all(Array.from({ length: 10 }, (_, i) => caller.sign(`note ${round} ${i}`)))
      notes.forEach((note, i) => {
        expect(note).toContain(`note ${round} ${i}`)
      })
    }
    const dropped = (await signer.stats()).reduce((sum, shard) => sum + shard.dropped, 0)
    // Of each round at least what one relay has no places for, since no worker takes any within it.
    expect(dropped).toBeGreaterThanOrEqual(3 * (20_000 - limits.SHARD_EVENTS / 2))
  })

  test('does not start if one of them cannot, and says why', async () => {
    await expect(createRig(2, { fault: 'no-start' })).rejects.toThrow('the safe is locked')
    await expect(createRig(2, { fault: 'throws' })).rejects.toThrow('this worker is broken')
  })
})

// -- limits, with workers that do nothing -------------------------------------------------------

class IdleWorker extends EventEmitter implements ShardWorker {
  readonly posted: { readonly type: string }[] = []
  ended = false
  postMessage(messages: unknown): void {
    this.posted.push(...(messages as readonly { readonly type: string }[]))
  }
  say(...messages: readonly object[]): void {
    this.emit('message', messages)
  }
  terminate(): Promise<unknown> {
    this.ended = true
    return Promise.resolve()
  }
}

async function createIdle() {
  const clock = createFakeClock(Date.now())
  const net = createMemoryRelay({ clock })
  const workers: IdleWorker[] = []
  const events: ShardEvent[] = []
  const signer = createShardedSigner({
    shards: 1,
    transport: net.connect(),
    clock,
    onEvent: (event) => events.push(event),
    createWorker() {
      const worker = new IdleWorker()
      workers.push(worker)
      return worker
    },
  })
  const starting = signer.start()
  return { clock, net, workers, events, signer, starting, worker: workers[0] as IdleWorker }
}

async function createStarted() {
  const idle = await createIdle()
  idle.worker.say({ type: 'started' })
  await idle.starting
  return idle
}

describe('The bounds of shards', () => {
  test(`there are 1 to ${limits.SHARDS} of them`, () => {
    const make = (shards: number) =>
      createShardedSigner({
        shards,
        transport: createMemoryRelay(),
        createWorker: () => new IdleWorker(),
      })
    expect(() => make(1)).not.toThrow()
    expect(() => make(limits.SHARDS)).not.toThrow()
    for (const wrong of [0, limits.SHARDS + 1, 1.5, Number.NaN])
      expect(() => make(wrong)).toThrow('shards is a whole number')
  })

  test(`a worker that takes nothing has ${limits.SHARD_EVENTS / 2} events of one relay waiting and loses the next`, async () => {
    const { worker, net, clock } = await createStarted()
    const to = crypto.importKey(random(32))
    worker.say({ type: 'serves', pubkey: to.pubkey, isServed: true })
    const event = sealRequest(crypto, { key: to, to: to.pubkey, secret: '' }, 'x', 'ping', [])
    worker.say({
      type: 'subscribe',
      id: 7,
      relays: [RELAY],
      filters: [{ kinds: [24133], '#p': [to.pubkey] }],
    })
    await clock.settle()
    const most = limits.SHARD_EVENTS / 2
    for (let i = 0; i < most; i++) net.inject(RELAY, event)
    await clock.settle()
    const handed = () => worker.posted.filter(({ type }) => type === 'event').length
    expect(handed()).toBe(most)
    worker.say({ type: 'refund', relay: RELAY, events: most })
    net.inject(RELAY, event)
    await clock.settle()
    expect(handed()).toBe(most)
    worker.say({ type: 'took', events: 1 })
    net.inject(RELAY, event)
    await clock.settle()
    expect(handed()).toBe(most + 1)
  })

  test('what is addressed to nobody in a shard never gets there', async () => {
    const { worker, net, clock } = await createStarted()
    const to = crypto.importKey(random(32))
    worker.say({
      type: 'subscribe',
      id: 7,
      relays: [RELAY],
      filters: [{ kinds: [24133], '#p': [to.pubkey] }],
    })
    const other = crypto.importKey(random(32)).pubkey
    await clock.settle()
    net.inject(RELAY, sealRequest(crypto, { key: to, to: other, secret: '' }, 'x', 'ping', []))
    net.inject(RELAY, { kind: 'nonsense' })
    await clock.settle()
    expect(worker.posted.filter(({ type }) => type === 'event')).toEqual([])
  })

  test(`${limits.SHARD_CALLS} calls wait for a worker, the next is refused, and each ends after ${limits.SHARD_CALL_MS} ms`, async () => {
    const { signer, clock } = await createStarted()
    const calls = Array.from({ length: limits.SHARD_CALLS }, () => signer.sessions())
    const settled = Promise.allSettled(calls)
    await expect(signer.sessions()).rejects.toMatchObject({ code: 'shard/busy' })
    await clock.advance(limits.SHARD_CALL_MS)
    for (const outcome of await settled)
      expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'shard/timeout' } })
  })

  test('a worker that does not say that it started is ended, and start() rejects', async () => {
    const { clock, worker, starting } = await createIdle()
    const failed = expect(starting).rejects.toThrow('did not start in time')
    await clock.advance(limits.SHARD_START_MS)
    await failed
    expect(worker.ended).toBe(true)
  })

  test('a worker that dies again and again is started after longer and longer pauses', async () => {
    const { clock, workers, events, signer } = await createStarted()
    const pauses = [...limits.SHARD_PAUSES_MS, limits.SHARD_PAUSES_MS.at(-1) ?? 0]
    for (const [i, pause] of pauses.entries()) {
      const asked =
        i === 0 ? expect(signer.sessions()).rejects.toMatchObject({ code: 'shard/down' }) : undefined
      workers.at(-1)?.emit('error', new Error('out of memory'))
      workers.at(-1)?.emit('exit', 1)
      await asked
      expect(events.at(-1)).toMatchObject({ type: 'shard-died', restartInMs: pause })
      await clock.advance(pause - 1)
      expect(workers).toHaveLength(i + 1)
      await clock.advance(1)
      expect(workers).toHaveLength(i + 2)
    }
    workers.at(-1)?.say({ type: 'started' })
    await clock.advance(limits.SHARD_STABLE_MS)
    workers.at(-1)?.emit('exit', 1)
    expect(events.at(-1)).toMatchObject({ restartInMs: limits.SHARD_PAUSES_MS[0] })
    await signer.close()
    await clock.advance(limits.SHARD_STABLE_MS)
    expect(workers).toHaveLength(pauses.length + 1)
  })
})
