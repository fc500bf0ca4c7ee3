/** Many requests at once: who goes first, what is asked only once, and what is kept. */

import { type RelayUrl, UsageError } from '@nip46/core'
import { expect, onTestFinished, test } from 'vitest'
import {
  CONCURRENT_REQUESTS,
  CONCURRENT_REQUESTS_MAX,
  createPlaintextCache,
  createRelayHealth,
  PLAINTEXT_CACHE_BYTES_MAX,
  QUEUED_REQUESTS,
} from '../src/index.ts'
import { HEALTH_RELAYS } from '../src/limits.ts'
import { failed, okay } from './scripted-signer.ts'
import { createWorld, newKey, ONE, random } from './world.ts'

const PEER = newKey().pubkey

test('a thousand decrypts do not hold up a signature, and keep going beside it', async () => {
  const world = createWorld()
  const session = await world.login()
  const open: string[] = []
  world.signer.script('nip44_decrypt', ({ id }) => void open.push(id) as undefined)
  const texts = Array.from({ length: 1_000 }, (_, i) => session.nip44Decrypt(PEER, `ciphertext ${i}`))
  await world.clock.settle()
  expect(open).toHaveLength(CONCURRENT_REQUESTS - CONCURRENT_REQUESTS / 4)
  const before = world.clock.now()
  expect(await world.settled(session.signEvent({ kind: 1, content: 'first' }))).toMatchObject({
    content: 'first',
  })
  expect(world.clock.now()).toBe(before)
  expect(world.signer.heard.at(-1)?.method).toBe('sign_event')
  world.signer.script('nip44_decrypt', ({ id, params }) => okay(id, `plain ${params[1]}`))
  for (const id of open) await world.signer.say(session.clientPubkey, okay(id, 'held'))
  const plain = await world.settled(Promise.all(texts))
  expect(plain.at(-1)).toBe('plain ciphertext 999')
  expect(world.signer.heard.filter(({ method }) => method === 'nip44_decrypt')).toHaveLength(1_000)
})

test('no more requests are under way than the session was told', async () => {
  const world = createWorld()
  const session = await world.login({ concurrency: 2 })
  world.signer.script('describe', () => undefined)
  for (let i = 0; i < 5; i += 1) void session.describe()
  await world.clock.settle()
  expect(world.signer.methods().filter((method) => method === 'describe')).toHaveLength(2)
  await expect(createWorld().connect({ concurrency: 0 })).rejects.toThrow('concurrency')
  await expect(createWorld().connect({ concurrency: CONCURRENT_REQUESTS_MAX + 1 })).rejects.toThrow(
    'concurrency',
  )
})

test('a source of random bytes that repeats itself is refused, each time, and takes no place from other requests', async () => {
  const world = createWorld()
  let stuck: Uint8Array | undefined
  const session = await world.login({
    concurrency: 2,
    random: (length) => (stuck !== undefined && length === 16 ? stuck : random(length)),
  })
  world.signer.script('describe', () => undefined)
  stuck = random(16)
  const first = session.describe()
  for (const call of [() => session.describe(), () => session.ping(), () => session.nip44Decrypt(PEER, 'x')])
    await expect(call()).rejects.toThrow(UsageError)
  // Nobody joined the one that goes on.
  await world.clock.settle()
  const [asked] = world.signer.heard.filter(({ method }) => method === 'describe')
  await world.signer.say(session.clientPubkey, okay(asked?.id ?? '', '["ping"]'))
  expect(await world.settled(first)).toEqual(['ping'])
  for (let i = 0; i < 10; i += 1) await expect(session.ping()).rejects.toThrow('the same bytes again')
  expect(world.signer.methods().filter((method) => method === 'ping')).toEqual([])
  stuck = undefined
  // All places are there still.
  const both = [session.ping(), session.signEvent({ kind: 1, content: 'hello' })]
  await world.settled(Promise.all(both))
})

test('a request that waits for its turn can be cancelled, runs out of its own time, and ends with the session', async () => {
  const world = createWorld()
  const session = await world.login({ concurrency: 1 })
  world.signer.script('describe', () => undefined)
  const first = session.describe({ timeout: 30_000 })
  const controller = new AbortController()
  const cancelled = session.ping({ signal: controller.signal })
  const impatient = session.ping({ timeout: 5_000 })
  const last = session.ping()
  controller.abort()
  expect((await world.failure(cancelled)).code).toBe('cancelled')
  expect((await world.failure(impatient)).code).toBe('timeout/not-sent')
  session.close()
  expect((await world.failure(first)).code).toBe('closed')
  expect((await world.failure(last)).code).toBe('closed')
  expect(world.clock.pending).toBe(0)
})

test('a time-out of a waiting request counts from the call, the usual one from its turn', async () => {
  const world = createWorld()
  const session = await world.login({ concurrency: 1, timeouts: { request: 10_000 } })
  world.signer.script('describe', () => undefined)
  world.signer.script('ping', () => undefined)
  const began = world.clock.now()
  void session.describe({ timeout: 8_000 })
  const usual = session.ping()
  const own = session.ping({ timeout: 12_000 })
  expect((await world.failure(own)).code).toBe('timeout/not-sent')
  expect(world.clock.now() - began).toBe(12_000)
  expect((await world.failure(usual)).code).toBe('timeout/no-answer')
  expect(world.clock.now() - began).toBe(18_000)
})

test('a ciphertext that is being decrypted is not asked for again, whoever gives up', async () => {
  const world = createWorld()
  const session = await world.login()
  const open: string[] = []
  world.signer.script('nip44_decrypt', ({ id }) => void open.push(id) as undefined)
  world.signer.script('nip04_decrypt', () => undefined)
  world.signer.script('nip04_decrypt', ({ id }) => failed(id, 'denied: no'))
  const controller = new AbortController()
  const one = session.nip44.decrypt(PEER, 'same')
  const two = session.nip44Decrypt(PEER, 'same', { signal: controller.signal })
  const other = session.nip04.decrypt(PEER, 'same')
  await world.clock.settle()
  controller.abort()
  expect((await world.failure(two)).code).toBe('cancelled')
  await world.signer.say(session.clientPubkey, okay(open[0] ?? '', 'plain'))
  expect(await world.settled(one)).toBe('plain')
  expect(open).toHaveLength(1)
  world.signer.script('nip44_decrypt', ({ id }) => okay(id, 'again'))
  expect(await world.settled(session.nip44.decrypt(PEER, 'same'))).toBe('again')
  // Another scheme is another question.
  expect((await world.failure(other)).code).toBe('remote/error')
})

test('when all who wait for a decrypt give up, a later one is asked anew', async () => {
  const world = createWorld()
  const session = await world.login()
  world.signer.script('nip44_decrypt', () => undefined)
  const controller = new AbortController()
  const given = session.nip44.decrypt(PEER, 'same', { signal: controller.signal })
  await world.clock.settle()
  controller.abort()
  expect((await world.failure(given)).code).toBe('cancelled')
  world.signer.script('nip44_decrypt', ({ id }) => okay(id, 'plain'))
  expect(await world.settled(session.nip44.decrypt(PEER, 'same'))).toBe('plain')
})

test('plaintexts are kept only if asked for, and not beyond the session', async () => {
  const world = createWorld()
  const session = await world.login({ plaintextCache: createPlaintextCache(1_000) })
  let asked = 0
  world.signer.script('nip44_decrypt', ({ id }) => {
    asked += 1
    return okay(id, `plain ${asked}`)
  })
  expect(await world.settled(session.nip44.decrypt(PEER, 'c'))).toBe('plain 1')
  expect(await world.settled(session.nip44.decrypt(PEER, 'c'))).toBe('plain 1')
  expect(asked).toBe(1)
  world.signer.script('nip44_decrypt', ({ id }) => failed(id, 'denied: no'))
  expect((await world.failure(session.nip44.decrypt(PEER, 'd'))).code).toBe('remote/error')
  session.close()
  expect((await world.failure(session.nip44.decrypt(PEER, 'c'))).code).toBe('closed')
  createPlaintextCache(PLAINTEXT_CACHE_BYTES_MAX)
  expect(() => createPlaintextCache(PLAINTEXT_CACHE_BYTES_MAX + 1)).toThrow('maxBytes')
})

test('a cache can be shared: a session that ends wipes it, the other goes on to use it, and no user reads for another', async () => {
  const plaintextCache = createPlaintextCache(10_000)
  const users = [createWorld(), createWorld({ userKey: '7'.repeat(64) })].map(async (world, index) => {
    const session = await world.login({ plaintextCache })
    let asked = 0
    world.signer.script('nip44_decrypt', ({ id }) => {
      asked += 1
      return okay(id, `plain ${asked} of user ${index}`)
    })
    const decrypt = () => world.settled(session.nip44.decrypt(PEER, 'c'))
    return { session, decrypt }
  })
  const [one, two] = await Promise.all(users)
  expect(one?.session.userPubkey).not.toBe(two?.session.userPubkey)
  expect(await one?.decrypt()).toBe('plain 1 of user 0')
  expect(await two?.decrypt()).toBe('plain 1 of user 1')
  one?.session.close()
  expect(await two?.decrypt()).toBe('plain 2 of user 1')
  expect(await two?.decrypt()).toBe('plain 2 of user 1')
})

test('a session that its signer no longer knows forgets the plaintexts', async () => {
  const world = createWorld()
  const plaintextCache = createPlaintextCache(1_000)
  const session = await world.login({ plaintextCache })
  world.signer.script('nip44_decrypt', ({ id }) => okay(id, 'plain'))
  expect(await world.settled(session.nip44.decrypt(PEER, 'c'))).toBe('plain')
  world.signer.script('ping', ({ id }) => failed(id, 'unauthorized: session unknown'))
  await world.failure(session.ping())
  expect(session.state).toBe('unpaired')
  expect((await world.failure(session.nip44.decrypt(PEER, 'c'))).code).toBe('session/unpaired')
})

test('the cache is given plaintexts only, and none that nobody will ask it for', async () => {
  const kept: string[] = []
  const plaintextCache = {
    get: () => undefined,
    set: (_: string, text: string) => void kept.push(text),
    clear() {},
  }
  const world = createWorld()
  const session = await world.login({ plaintextCache })
  world.signer.script('nip44_decrypt', ({ id, params }) => okay(id, `plain ${params[1]}`))
  await world.settled(session.ping())
  await world.settled(session.signEvent({ kind: 1, content: 'x' }))
  await world.settled(session.nip44.decrypt(PEER, 'alone', { timeout: 1_000 }))
  await world.settled(session.nip44.decrypt(PEER, 'c'))
  expect(kept).toEqual(['plain c'])
})

test('a decrypt with a time-out of its own joins no other, and none joins it', async () => {
  const world = createWorld()
  const session = await world.login()
  let asked = 0
  world.signer.script('nip44_decrypt', () => {
    asked += 1
    return undefined
  })
  const patient = [session.nip44.decrypt(PEER, 'c'), session.nip44.decrypt(PEER, 'c')]
  const impatient = session.nip44.decrypt(PEER, 'c', { timeout: 1_000 })
  await world.clock.settle()
  expect(asked).toBe(2)
  const began = world.clock.now()
  expect((await world.failure(impatient)).code).toBe('timeout/no-answer')
  expect(world.clock.now() - began).toBe(1_000)
  for (const one of patient) {
    expect((await world.failure(one, 120_000)).code).toBe('timeout/no-answer')
    expect(world.clock.now() - began).toBeGreaterThan(30_000)
  }
})

test('the cache holds as many bytes as it was told, and the longest unused goes first', () => {
  const cache = createPlaintextCache(10)
  cache.set('a', '1234')
  cache.set('b', '1234')
  expect(cache.get('a')).toBe('1234')
  cache.set('c', '12')
  expect([cache.get('a'), cache.get('b'), cache.get('c')]).toEqual(['1234', undefined, '12'])
  cache.set('d', '123456789')
  expect(cache.get('d')).toBe('123456789')
  expect(cache.get('a')).toBe(undefined)
  cache.set('e', '1234567890')
  expect(cache.get('e')).toBe(undefined)
  cache.clear()
  expect(cache.get('d')).toBe(undefined)
  cache.set('f', '')
  expect(cache.get('f')).toBe('')
})

test('a plaintext comes out of the cache as it went in', () => {
  const cache = createPlaintextCache(100)
  cache.set('a', '\ufeffplain')
  expect(cache.get('a')).toBe('\ufeffplain')
})

test('a cache of the host that fails holds up neither a decrypt nor the end of the session', async () => {
  const uncaught: string[] = []
  const note = (error: unknown): void => void uncaught.push(String(error))
  const others = process.listeners('uncaughtException')
  process.removeAllListeners('uncaughtException').on('uncaughtException', note)
  onTestFinished(() => {
    process.removeAllListeners('uncaughtException')
    for (const listener of others) process.on('uncaughtException', listener)
  })
  const fail = (what: string) => () => {
    throw new Error(what)
  }
  const world = createWorld()
  const session = await world.login({
    plaintextCache: { get: fail('get'), set: fail('set'), clear: fail('clear') },
  })
  world.signer.script('nip44_decrypt', ({ id }) => okay(id, 'plain'))
  expect(await world.settled(session.nip44.decrypt(PEER, 'c'))).toBe('plain')
  await world.settled(session.logout())
  expect(session.state).toBe('closed')
  await expect.poll(() => uncaught).toEqual(expect.arrayContaining(['Error: set', 'Error: clear']))
})

test('low priority leaves the reserved places free, and each kind goes in order', async () => {
  const world = createWorld()
  const session = await world.login({ concurrency: 4 })
  const open: string[] = []
  for (const method of ['nip44_decrypt', 'nip44_encrypt']) {
    world.signer.script(
      method,
      ({ params: [, text = ''], id }) => void open.push(`${text} ${id}`) as undefined,
    )
  }
  const asked = () => open.map((line) => line.split(' ')[0])
  for (const text of ['1', '2', '3', '4', '5']) void session.nip44Decrypt(PEER, text)
  await world.clock.settle()
  expect(asked()).toEqual(['1', '2', '3'])
  for (const text of ['a', 'b']) void session.nip44Encrypt(PEER, text)
  await world.clock.settle()
  expect(asked()).toEqual(['1', '2', '3', 'a'])
  const end = async (index: number): Promise<void> => {
    await world.signer.say(session.clientPubkey, okay(open[index]?.split(' ')[1] ?? '', 'plain'))
    await world.clock.settle()
  }
  await end(0)
  expect(asked()).toEqual(['1', '2', '3', 'a', 'b'])
  await end(1)
  expect(asked()).toEqual(['1', '2', '3', 'a', 'b', '4'])
  session.close()
})

test('so many requests wait for their turn, and the next one is refused', async () => {
  const world = createWorld()
  const session = await world.login({ concurrency: 1 })
  world.signer.script('ping', () => undefined)
  for (let i = 0; i <= QUEUED_REQUESTS; i += 1) void session.ping()
  expect((await world.failure(session.ping())).code).toBe('request/busy')
  session.close()
  expect(world.clock.pending).toBe(0)
})

test('the health of relays is counted from what a session tells', async () => {
  const world = createWorld({ latencyMs: 10 })
  const health = createRelayHealth(world.clock.now)
  const session = await world.login({ onEvent: health.hear })
  const read = () => health.read(session.relays)[0]
  await world.settled(session.ping())
  expect(read()).toMatchObject({ relay: ONE, live: true, drops: 0, refused: 0 })
  expect(read()?.accepted).toBeGreaterThan(0)
  expect(read()?.roundTripMs).toBeGreaterThan(0)
  world.network.refuse(ONE, 'blocked: no')
  expect((await world.failure(session.ping())).code).toBe('publish/rejected')
  expect(read()?.refused).toBe(1)
  await world.clock.run(1_000)
  const lostAt = world.clock.now()
  world.network.down(ONE)
  await world.clock.run(1)
  expect(read()).toMatchObject({ live: false, drops: 1, since: lostAt, reason: 'unreachable' })
  world.network.up(ONE)
  await world.clock.run(60_000)
  expect(read()).toMatchObject({ live: true, drops: 1 })
  expect(read()?.reason).toBe(undefined)
  session.close()
  expect(read()).toMatchObject({ live: false, since: world.clock.now(), drops: 1 })
})

test('the health of so many relays is kept, and the one heard of longest ago is forgotten first', () => {
  const health = createRelayHealth(() => 0)
  const relays = Array.from({ length: HEALTH_RELAYS + 1 }, (_, i) => `wss://r${i}.example/` as RelayUrl)
  for (const relay of relays.slice(0, HEALTH_RELAYS)) health.hear({ type: 'relay', relay, live: true })
  expect(health.read(relays).filter(({ live }) => live)).toHaveLength(HEALTH_RELAYS)
  health.hear({ type: 'relay', relay: relays[HEALTH_RELAYS] as RelayUrl, live: true })
  expect(health.read(relays).map(({ live }) => live)).toEqual(relays.map((_, i) => i > 0))
})
