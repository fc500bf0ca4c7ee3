/** Requests of a session, from the call to the one word that ends it. */

import { type Crypto, err } from '@nip46/core'
import { describe, expect, test } from 'vitest'
import { CONCURRENT_REQUESTS, QUEUED_REQUESTS, UsageError } from '../src/index.ts'
import { failed, okay } from './scripted-signer.ts'
import { carrier, createWorld, newKey, ONE, START, TWO } from './world.ts'

describe('signing', () => {
  test('fills in the time and the tags, names the user, and gives a plain event to change', async () => {
    const world = createWorld()
    const session = await world.login()
    const event = await session.signEvent({ kind: 1, content: 'hello' })
    expect(event).toEqual({
      kind: 1,
      content: 'hello',
      tags: [],
      created_at: START / 1_000,
      pubkey: world.signer.user.pubkey,
      id: event.id,
      sig: event.sig,
    })
    const asked = JSON.parse(world.signer.heard.at(-1)?.params[0] ?? '') as object
    expect(Object.keys(asked)).toEqual(['kind', 'created_at', 'tags', 'content', 'pubkey'])
    event.tags.push(['changed'])
    event.content = 'changed'
  })

  test('keeps the time and the tags it is given', async () => {
    const world = createWorld()
    const session = await world.login()
    const template = {
      kind: 30_023,
      content: '',
      tags: [
        ['d', 'x'],
        ['t', ''],
      ],
      created_at: 1,
    }
    expect(await session.signEvent(template)).toMatchObject(template)
    expect(template.tags).toEqual([
      ['d', 'x'],
      ['t', ''],
    ])
  })

  test.each([
    ['a kind that is none', { kind: 1.5, content: '' }],
    ['a kind over 65535', { kind: 65_536, content: '' }],
    ['no content', { kind: 1 } as { kind: number; content: string }],
    ['tags of numbers', { kind: 1, content: '', tags: [[1]] as unknown as string[][] }],
    ['a time before 1970', { kind: 1, content: '', created_at: -1 }],
    ['another user', { kind: 1, content: '', pubkey: 'a'.repeat(64) }],
    ['half a character', { kind: 1, content: '\ud800' }],
  ])('%s is a mistake of the caller and is not sent', async (_, template) => {
    const world = createWorld()
    const session = await world.login()
    world.signer.heard.length = 0
    await expect(session.signEvent(template)).rejects.toBeInstanceOf(UsageError)
    expect(world.signer.heard).toEqual([])
  })
})

test('getPublicKey answers from what is known', async () => {
  const world = createWorld()
  const session = await world.login()
  world.signer.heard.length = 0
  world.network.down(ONE)
  expect(await session.getPublicKey()).toBe(world.signer.user.pubkey)
  expect(world.signer.heard).toEqual([])
})

test('every method works when taken out of the session', async () => {
  const world = createWorld()
  const { getPublicKey, signEvent, nip04, nip44, ping, describe: describeMethods } = await world.login()
  const { encrypt, decrypt } = nip44
  const peer = newKey()
  expect(await getPublicKey()).toBe(world.signer.user.pubkey)
  expect((await signEvent({ kind: 1, content: 'x' })).kind).toBe(1)
  expect(await decrypt(peer.pubkey, await encrypt(peer.pubkey, 'grüße 👋'))).toBe('grüße 👋')
  expect(await nip04.decrypt(peer.pubkey, await nip04.encrypt(peer.pubkey, 'old'))).toBe('old')
  expect(await ping()).toBe('pong')
  expect(await describeMethods()).toEqual(['ping', 'sign_event'])
})

test('an empty plaintext is a plaintext', async () => {
  const world = createWorld()
  const session = await world.login()
  const peer = newKey().pubkey
  expect(await session.nip04.decrypt(peer, await session.nip04.encrypt(peer, ''))).toBe('')
})

test('a method that the remote signer does not know rejects with its words and a reason', async () => {
  const world = createWorld()
  const session = await world.login()
  expect(await world.failure(session.getRelays())).toMatchObject({
    code: 'remote/error',
    reason: 'unsupported',
    message: 'unsupported: get_relays',
  })
})

test('arguments that are no strings are a mistake of the caller', async () => {
  const world = createWorld()
  const session = await world.login()
  await expect(session.nip44.encrypt(7 as unknown as string, 'x')).rejects.toBeInstanceOf(UsageError)
  await expect(session.ping({ timeout: -1 })).rejects.toBeInstanceOf(UsageError)
  const unknown = session.request('toString' as 'ping', [])
  await expect(unknown).rejects.toThrow('toString is no method of NIP-46')
})

describe('a request ends in time', () => {
  test('when the remote signer is silent', async () => {
    const world = createWorld()
    const session = await world.login()
    world.signer.script('sign_event', () => undefined)
    const error = await world.failure(session.signEvent({ kind: 1, content: '' }))
    expect(error.code).toBe('timeout/no-answer')
    expect(world.clock.now() - START).toBe(60_000)
    expect(world.signer.methods().filter((method) => method === 'sign_event')).toHaveLength(1)
  })

  test('when the caller or the host said so', async () => {
    const world = createWorld()
    const session = await world.login({ timeouts: { request: 9_000 } })
    world.signer.script('ping', () => undefined)
    const [usual, short] = [session.ping(), session.ping({ timeout: 2_000 })]
    await world.failure(short)
    expect(world.clock.now() - START).toBe(2_000)
    await world.failure(usual)
    expect(world.clock.now() - START).toBe(9_000)
  })

  test('when no relay is there to take it', async () => {
    const world = createWorld()
    const session = await world.login()
    world.network.down(ONE)
    await world.clock.settle()
    expect((await world.failure(session.ping({ timeout: 30_000 }))).code).toBe('timeout/not-sent')
  })

  test('when the relay takes it and says nothing', async () => {
    const world = createWorld()
    const session = await world.login()
    world.network.hang(ONE)
    const error = await world.failure(session.signEvent({ kind: 1, content: '' }))
    expect(error.code).toBe('timeout/no-answer')
    expect(error.message).toContain('no relay confirmed')
  })

  test('when every relay refuses it', async () => {
    const world = createWorld({ relays: [ONE, TWO] })
    const session = await world.login()
    world.network.refuse(ONE, 'blocked: you')
    world.network.refuse(TWO, 'error: full')
    const error = await world.failure(session.ping())
    expect(error.code).toBe('publish/rejected')
    expect(error.relays?.map(({ reason }) => reason)).toEqual(['blocked: you', 'error: full'])
    expect(world.clock.now()).toBe(START)
  })

  test('when the caller aborts it, and a late answer changes nothing', async () => {
    const world = createWorld()
    const session = await world.login()
    const ids: string[] = []
    world.signer.script('ping', ({ id }) => void ids.push(id) as undefined)
    const controller = new AbortController()
    const ping = session.ping({ signal: controller.signal })
    await world.clock.settle()
    controller.abort()
    expect((await world.failure(ping)).code).toBe('cancelled')
    world.events.length = 0
    await world.signer.say(session.clientPubkey, okay(ids[0] ?? '', 'pong'))
    await world.clock.settle()
    expect(world.codes('ignored')).toEqual(['response/late'])
    expect((await world.failure(session.ping({ signal: controller.signal }))).code).toBe('cancelled')
    expect(ids).toHaveLength(1)
  })
})

test('a signal is let go of when its request has settled', async () => {
  const world = createWorld()
  const session = await world.login()
  const listeners = new Set<() => void>()
  const signal = {
    aborted: false,
    addEventListener: (_: 'abort', listener: () => void) => void listeners.add(listener),
    removeEventListener: (_: 'abort', listener: () => void) => void listeners.delete(listener),
  }
  const ping = session.ping({ signal })
  expect(listeners.size).toBe(1)
  await ping
  expect(listeners.size).toBe(0)
})

test('many requests at once each get their own answer, whatever the order of the answers', async () => {
  const world = createWorld()
  const session = await world.login({ concurrency: 100 })
  const held: (() => Promise<void>)[] = []
  world.signer.script('sign_event', ({ id, params }, from) => {
    const template = JSON.parse(params[0] ?? '') as Parameters<typeof world.signer.sign>[0]
    held.push(() => world.signer.say(from, okay(id, JSON.stringify(world.signer.sign(template)))))
    return undefined
  })
  const numbers = Array.from({ length: 100 }, (_, i) => i)
  const signing = Promise.all(numbers.map((i) => session.signEvent({ kind: 1, content: `note ${i}` })))
  await world.clock.settle()
  expect(held).toHaveLength(100)
  for (const answer of held.toReversed()) await answer()
  const events = await world.settled(signing)
  expect(events.map(({ content }) => content)).toEqual(numbers.map((i) => `note ${i}`))
})

test('one request more than may wait is refused, and there is room again afterwards', async () => {
  const world = createWorld()
  const session = await world.login()
  world.signer.script('describe', () => undefined)
  const most = QUEUED_REQUESTS + CONCURRENT_REQUESTS
  const waiting = Array.from({ length: most }, () => session.describe({ timeout: 10_000 }))
  await world.clock.settle()
  expect((await world.failure(session.describe())).code).toBe('request/busy')
  const outcomes = await world.settled(Promise.allSettled(waiting))
  expect(outcomes.every(({ status }) => status === 'rejected')).toBe(true)
  expect(await world.settled(session.ping())).toBe('pong')
})

test('a request that would not fit into one event is refused before it is sent', async () => {
  const world = createWorld()
  const session = await world.login()
  const room = (text: string): number => JSON.stringify({ kind: 1, content: text }).length
  expect((await world.failure(session.signEvent({ kind: 1, content: 'x'.repeat(41_000) }))).code).toBe(
    'request/too-large',
  )
  expect(room('')).toBeLessThan(100)
  const event = await world.settled(session.signEvent({ kind: 1, content: 'x'.repeat(29_000) }))
  expect(event.content).toHaveLength(29_000)
})

test('what the crypto cannot seal ends at once', async () => {
  const world = createWorld()
  const crypto: Crypto = {
    ...world.options().crypto,
    importKey: (secret) => ({
      ...world.options().crypto.importKey(secret),
      conversation: () => err('bad-pubkey'),
    }),
  }
  expect((await world.failure(world.connect({ crypto }), 1_000)).code).toBe('publish/rejected')
})

test('the host is told how far each request is', async () => {
  const world = createWorld()
  const session = await world.login()
  world.events.length = 0
  await session.ping()
  expect(world.events).toMatchObject([
    { type: 'request', method: 'ping', stage: 'queued' },
    { type: 'request', method: 'ping', stage: 'sent', relays: [ONE] },
    { type: 'request', method: 'ping', stage: 'accepted', relay: ONE },
    { type: 'request', method: 'ping', stage: 'settled' },
  ])
  world.events.length = 0
  world.signer.script('ping', ({ id }) => failed(id, 'denied: no'))
  await world.failure(session.ping())
  expect(world.events.at(-1)).toMatchObject({ stage: 'settled', code: 'remote/error' })
})

test('the host may use the session from within its own callbacks', async () => {
  const world = createWorld()
  const answers: Promise<string>[] = []
  const session = await world.login({
    onEvent: (event) => {
      if (event.type === 'request' && event.stage === 'settled' && answers.length < 3)
        answers.push(session.ping())
    },
  })
  await session.ping()
  await world.clock.settle()
  expect(await world.settled(Promise.all(answers))).toEqual(['pong', 'pong', 'pong'])
})

test('a clock that is set back does not stop the time-outs', async () => {
  const world = createWorld()
  let shift = 0
  const clock = { ...world.clock, now: () => world.clock.now() + shift }
  const session = await world.login({ clock })
  world.signer.script('ping', () => undefined)
  const ping = session.ping({ timeout: 10_000 })
  await world.clock.run(1_000)
  shift = -3_600_000
  expect((await world.failure(ping)).code).toBe('timeout/no-answer')
  // What passed since the clock was last read is not known any more: at worst a wait takes twice its time.
  expect(world.clock.now() - START).toBe(20_000)
})

test('a machine that slept, where timers stand still, waits no longer than it said once its relays tell', async () => {
  const world = createWorld()
  let shift = 0
  const clock = { ...world.clock, now: () => world.clock.now() + shift }
  const session = await world.login({ clock })
  world.signer.script('nip44_encrypt', () => undefined)
  const sealed = session.nip44Encrypt(session.userPubkey, 'x', { timeout: 60_000 })
  await world.clock.run(1_000)
  shift = 50_000
  world.network.down(ONE)
  expect((await world.failure(sealed)).code).toBe('timeout/no-answer')
  expect(world.clock.now() - START).toBe(10_000)
})

test('a remote signer whose clock is wrong is reported once, and works', async () => {
  const world = createWorld()
  const session = await world.login()
  const { key } = world.signer
  world.signer.script('ping', () => undefined)
  const ping = session.ping()
  await world.clock.settle()
  const id = world.signer.heard.at(-1)?.id ?? ''
  world.network.inject(ONE, carrier(key, session.clientPubkey, okay(id, 'pong'), START / 1_000 - 500))
  expect(await world.settled(ping)).toBe('pong')
  world.network.inject(ONE, carrier(key, session.clientPubkey, okay(id, 'pong'), START / 1_000 - 501))
  await world.clock.settle()
  expect(world.codes('alert')).toEqual(['clock/skew'])
})
