import { ok, type Result } from '@nip46/core'
import { expect, test } from 'vitest'
import { limits, type MemoryStore, RemoteSignerError } from '../src/index.ts'
import { approver, connect, createWorld, keyOf, NOW_SECONDS, RELAY, type World } from './world.ts'

const SIGN = {
  id: 'sign',
  method: 'sign_event',
  params: [JSON.stringify({ kind: 1, content: '', tags: [], created_at: NOW_SECONDS })],
}

async function closeIn(world: World): Promise<void> {
  const closed = world.signer.close()
  await world.clock.run(limits.CLOSE_PATIENCE_MS)
  await closed
}

test('a logout is acknowledged, and then the session is gone', async () => {
  const world = await createWorld({ keys: keyOf('signer') })
  const { client, to } = await connect(world, 'alice')
  expect(await client.ask({ id: 'bye', method: 'logout', params: [] }, to)).toMatchObject({ result: 'ack' })
  expect(world.signer.sessions()).toEqual([])
  expect(world.events.at(-1)).toMatchObject({ type: 'session-ended', reason: 'logout' })
  expect((await world.store.load(0)).sessions).toEqual([])
  expect(await client.ask(SIGN, to)).toMatchObject({ error: 'unauthorized: not connected' })
  expect(world.performed()).toBe(0)
  await world.signer.close()
})

test('a logout whose answer no relay takes ends all the same', async () => {
  const world = await createWorld()
  const { client, to } = await connect(world, 'alice')
  const bye = client.sealed(JSON.stringify({ id: 'bye', method: 'logout', params: [] }), to)
  world.net.refuse(RELAY, 'blocked: no')
  world.net.inject(RELAY, bye)
  await world.clock.run(4_999)
  expect(world.signer.sessions()).toMatchObject([{ phase: 'ending' }])
  await world.clock.run(1)
  expect(world.signer.sessions()).toEqual([])
  await closeIn(world)
})

test('once revoke has resolved, nothing is executed and nothing in flight is delivered', async () => {
  let finish: (outcome: Result<string, string>) => void = () => undefined
  const world = await createWorld({
    userSigner: (own) => ({ ...own, perform: () => new Promise((resolve) => (finish = resolve)) }),
  })
  const { client, to } = await connect(world, 'alice')
  await client.send(SIGN, to)
  expect(world.performed()).toBe(1)
  expect(await world.signer.revoke(client.pubkey)).toBe(1)
  finish(ok('{"signed":true}'))
  await world.clock.settle()
  expect(client.answers.at(-1)).toMatchObject({ id: 'sign', error: 'unauthorized: session revoked' })
  // The key was used, and nobody got what it made: both are on record, after the end of the session.
  expect((world.store as MemoryStore).audit().slice(-2)).toMatchObject([
    { type: 'session-ended' },
    { type: 'performed', clientPubkey: client.pubkey, error: null, delivered: false },
  ])
  expect(await client.ask({ ...SIGN, id: 'again' }, to)).toMatchObject({
    error: 'unauthorized: session revoked',
  })
  expect(world.performed()).toBe(1)
  expect(await world.signer.revoke(client.pubkey)).toBe(0)
  expect(JSON.stringify(client.answers)).not.toContain('signed')
  await world.signer.close()
})

test('a request that arrives in the same turn as the revocation is not executed', async () => {
  const world = await createWorld()
  const { client, to } = await connect(world, 'alice')
  world.net.inject(RELAY, client.sealed(JSON.stringify(SIGN), to))
  const revoked = world.signer.revoke(client.pubkey)
  await revoked
  await world.clock.settle()
  expect(world.performed()).toBe(0)
  expect(client.answers.at(-1)).toMatchObject({ error: 'unauthorized: session revoked' })
  await world.signer.close()
})

test('a revocation comes before requests that wait for the store', async () => {
  const world = await createWorld()
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
  const ping = (id: string) => ({ id, method: 'ping', params: [] })
  await client.send(ping('under way'), to)
  await client.send(ping('waiting'), to)
  const revoked = world.signer.revoke(client.pubkey)
  release()
  expect(await revoked).toBe(1)
  await world.clock.settle()
  expect(client.answers.slice(1)).toMatchObject([
    { id: 'under way', result: 'pong' },
    { id: 'waiting', error: 'unauthorized: session revoked' },
  ])
  await world.signer.close()
})

test('a client that logs out in the same breath has nothing executed', async () => {
  const world = await createWorld()
  const { client, to } = await connect(world, 'alice')
  world.net.inject(RELAY, client.sealed(JSON.stringify(SIGN), to))
  world.net.inject(RELAY, client.sealed(JSON.stringify({ id: 'bye', method: 'logout', params: [] }), to))
  await world.clock.settle()
  expect(world.performed()).toBe(0)
  expect(client.answers.slice(1)).toMatchObject([
    { id: 'sign', error: 'unauthorized: session revoked' },
    { id: 'bye', result: 'ack' },
  ])
  await world.signer.close()
})

test('a revocation takes back the questions that are open', async () => {
  let aborted: () => boolean = () => false
  const world = await createWorld({
    approver: approver((_question, { signal }) => {
      aborted = () => signal.aborted
      return new Promise(() => undefined)
    }),
  })
  const { client, to } = await connect(world, 'alice', [])
  await client.send(SIGN, to)
  expect(aborted()).toBe(false)
  await world.signer.revoke(client.pubkey)
  expect(aborted()).toBe(true)
  expect(client.answers.at(-1)).toMatchObject({ id: 'sign', error: 'unauthorized: session revoked' })
  expect(world.signer.stats().waiting.questions).toBe(0)
  await world.signer.close()
})

test('a revoked client is told so for a day, also after a restart, and then forgotten with its key', async () => {
  const world = await createWorld()
  const { client, to } = await connect(world, 'alice')
  await world.signer.revoke(client.pubkey)
  await world.signer.close()
  const again = await world.restart()
  expect(await client.ask({ id: 'p', method: 'ping', params: [] }, to)).toMatchObject({
    error: 'unauthorized: session revoked',
  })
  await world.clock.run(limits.ENDED_MEMORY_MS - limits.SWEEP_MS)
  expect(again.signer.stats().keys).toBe(1)
  await world.clock.run(2 * limits.SWEEP_MS)
  expect(await again.store.load(world.clock.now())).toMatchObject({ sessions: [], keys: [], offers: [] })
  expect(again.signer.stats()).toMatchObject({ keys: 0, sessions: 0, offers: 0 })
  await again.signer.close()
})

test('a revocation that cannot be stored rejects, holds all the same, and is stored later', async () => {
  const world = await createWorld()
  const { client, to } = await connect(world, 'alice')
  const commit = world.store.commit
  world.store.commit = () => Promise.reject(new Error('disk full'))
  const error = await world.signer.revoke(client.pubkey).catch((cause: unknown) => cause)
  expect(error).toBeInstanceOf(RemoteSignerError)
  expect(error).toMatchObject({ code: 'store/failed' })
  await client.send(SIGN, to)
  expect(world.performed()).toBe(0)
  world.store.commit = commit
  await world.clock.run(10_000)
  expect(world.signer.sessions()).toEqual([])
  expect(world.performed()).toBe(0)
  expect(client.answers.at(-1)).toMatchObject({ id: 'sign', error: 'unauthorized: session revoked' })
  await world.signer.close()
})

test('a token that ran out and was never used is forgotten with its key', async () => {
  const world = await createWorld()
  await world.signer.offer({ expiresInMs: 60_000 })
  await world.clock.run(limits.OFFER_AFTERLIFE_MS)
  expect(world.signer.offers()).toHaveLength(1)
  await world.clock.run(60_000 + limits.SWEEP_MS)
  expect(world.signer.offers()).toEqual([])
  await world.clock.run(limits.SWEEP_MS)
  expect(world.signer.stats().keys).toBe(0)
  expect(world.net.subscriptions).toBe(0)
  await world.signer.close()
})

test('methods reject before start and after close, and close can be called twice', async () => {
  const world = await createWorld({ start: false })
  await expect(world.signer.offer()).rejects.toMatchObject({ code: 'not-started' })
  await expect(world.signer.accept('nostrconnect://')).rejects.toMatchObject({ code: 'not-started' })
  await expect(world.signer.revoke(keyOf('a').pubkey)).rejects.toMatchObject({ code: 'not-started' })
  await world.signer.start()
  await expect(world.signer.start()).rejects.toThrow('once')
  await expect(world.signer.withdraw('nothing')).rejects.toMatchObject({ code: 'offer/unknown' })
  await Promise.all([world.signer.close(), world.signer.close()])
  await expect(world.signer.offer()).rejects.toMatchObject({ code: 'closed' })
  await expect(world.signer.start()).rejects.toMatchObject({ code: 'closed' })
  expect(world.clock.pending).toBe(0)
  expect(world.net.subscriptions).toBe(0)
})

test('close ends within its patience even if the store and every relay hang', async () => {
  const world = await createWorld()
  const { client, to } = await connect(world, 'alice')
  world.net.hang(RELAY)
  world.store.commit = () => new Promise(() => undefined)
  world.net.up(RELAY)
  await world.clock.settle()
  world.net.inject(RELAY, client.sealed(JSON.stringify(SIGN), to))
  await world.clock.settle()
  const revoked = world.signer.revoke(client.pubkey).catch((cause: unknown) => cause)
  let closed = false
  const closing = world.signer.close().then(() => {
    closed = true
  })
  await world.clock.run(limits.CLOSE_PATIENCE_MS - 1)
  expect(closed).toBe(false)
  await world.clock.run(1)
  await closing
  expect(await revoked).toMatchObject({ code: 'closed' })
})

test('a client that logged out can be offered a new session', async () => {
  const world = await createWorld({ keys: keyOf('signer') })
  const first = await connect(world, 'alice')
  await first.client.ask({ id: 'bye', method: 'logout', params: [] }, first.to)
  const second = await connect(world, 'alice')
  expect(await second.client.ask({ ...SIGN, id: 'new' }, second.to)).toMatchObject({ id: 'new' })
  expect(world.signer.sessions()).toHaveLength(1)
  await world.signer.close()
})

test('a key that answers after its session logged out does not disturb the session that came after it', async () => {
  let finish: (outcome: Result<string, string>) => void = () => undefined
  const world = await createWorld({
    keys: keyOf('signer'),
    userSigner: (own) => ({
      ...own,
      perform: () =>
        new Promise((resolve) => {
          finish = resolve
        }),
    }),
  })
  const first = await connect(world, 'alice')
  await first.client.send(SIGN, first.to)
  const late = finish
  await first.client.ask({ id: 'bye', method: 'logout', params: [] }, first.to)
  expect(world.signer.sessions()).toEqual([])
  const second = await connect(world, 'alice')
  late(ok('late'))
  await world.clock.settle()
  expect(JSON.stringify(second.client.answers)).not.toContain('late')
  expect(await second.client.ask({ id: 'p', method: 'ping', params: [] }, second.to)).toMatchObject({
    result: 'pong',
  })
  expect(world.signer.sessions()).toHaveLength(1)
  expect(await world.signer.revoke(second.client.pubkey)).toBe(1)
  await world.signer.close()
})
