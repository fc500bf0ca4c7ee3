import type { Pubkey } from '@nip46/core'
import { describe, expect, test } from 'vitest'
import { connect, Nip46Error, UsageError } from '../src/index.ts'
import { failed, okay } from './scripted-signer.ts'
import { createWorld, newKey, ONE, SECRET, START, TWO } from './world.ts'

test('a bunker URI logs in', async () => {
  const world = createWorld()
  const session = await world.login({
    metadata: { name: 'Test app', url: 'https://app.example' },
    perms: ['sign_event:1', 'nip44_encrypt'],
  })
  expect(world.signer.methods()).toEqual(['connect', 'switch_relays', 'get_public_key'])
  expect(world.signer.heard[0]?.params).toEqual([
    world.signer.key.pubkey,
    SECRET,
    'sign_event:1,nip44_encrypt',
    JSON.stringify({ name: 'Test app', url: 'https://app.example' }),
  ])
  expect(session.userPubkey).toBe(world.signer.user.pubkey)
  expect(session.remoteSigner).toBe(world.signer.key.pubkey)
  expect(session.clientPubkey).toBe(world.signer.heard[0]?.from)
  expect(session.relays).toEqual([ONE])
  expect(session.state).toBe('ready')
})

test('nothing is published before the answer can be heard', async () => {
  const order: string[] = []
  const world = createWorld({ latencyMs: 40, onPublish: () => void order.push('published') })
  await world.login({
    onEvent: (event) => {
      if (event.type === 'relay' && event.live) order.push('listening')
      if (event.type === 'request' && event.stage === 'sent') order.push(`sent ${event.method}`)
    },
  })
  expect(order.slice(0, 3)).toEqual(['listening', 'sent connect', 'published'])
})

test('the host is told how the login goes', async () => {
  const world = createWorld()
  await world.login()
  const { key, user } = world.signer
  expect(world.events.filter(({ type }) => type !== 'ignored')).toMatchObject([
    { type: 'relay', relay: ONE, live: true },
    { type: 'request', method: 'connect', stage: 'sent', relays: [ONE] },
    { type: 'request', method: 'connect', stage: 'accepted', relay: ONE },
    { type: 'connected', remoteSigner: key.pubkey },
    { type: 'request', method: 'switch_relays', stage: 'sent' },
    { type: 'request', method: 'switch_relays', stage: 'accepted' },
    { type: 'request', method: 'get_public_key', stage: 'sent' },
    { type: 'request', method: 'get_public_key', stage: 'accepted' },
    { type: 'ready', userPubkey: user.pubkey },
  ])
})

test('each login uses a fresh key, or the one it is given', async () => {
  const world = createWorld()
  const first = await world.login()
  const second = await world.login()
  expect(first.clientPubkey).not.toBe(second.clientPubkey)
  const given = new Uint8Array(32).fill(7)
  const third = await world.login({ clientKey: given })
  expect(third.save().clientSecretKey).toBe('07'.repeat(32))
  third.close()
  expect(given).toEqual(new Uint8Array(32).fill(7))
})

test('the secret may come back instead of ack, but no other', async () => {
  const world = createWorld()
  world.signer.script('connect', ({ id }) => okay(id, SECRET))
  await world.login()
  world.signer.script('connect', ({ id }) => okay(id, 'another'))
  expect((await world.failure(world.connect())).code).toBe('connect/secret')
})

test('a refusal says why, without the secret', async () => {
  const world = createWorld()
  world.signer.script('connect', ({ id }) => failed(id, `unauthorized: secret ${SECRET} is used up`))
  const error = await world.failure(world.connect())
  expect(error).toMatchObject({ code: 'remote/error', name: 'Nip46Error' })
  expect(error.message).not.toContain(SECRET)
  world.signer.script('connect', ({ id }) => failed(id, 'denied: \u202eby\u0007 the user'))
  expect((await world.failure(world.connect())).message).toBe('denied: by the user')
})

test.each([
  ['', 'uri/empty'],
  ['hello', 'uri/scheme'],
  ['nostrconnect://x', 'uri/scheme'],
  [`bunker://${'f'.repeat(63)}?relay=wss://a.example`, 'uri/pubkey'],
  [`bunker://${START}?relay=wss://a.example`, 'uri/pubkey'],
])('a text that is no bunker URI is refused with a code: %s', async (text, code) => {
  const world = createWorld()
  const error = await world.failure(connect(text, world.options()))
  expect(error.code).toBe(code)
})

test('an unencrypted relay needs a word of consent', async () => {
  const world = createWorld()
  const uri = `bunker://${world.signer.key.pubkey}?relay=${encodeURIComponent('ws://plain.example/')}&secret=x`
  expect((await world.failure(connect(uri, world.options()))).code).toBe('uri/relay-insecure')
  world.signer.listen(['ws://plain.example/' as typeof ONE])
  await world.settled(connect(uri, world.options({ allowInsecureRelays: true })))
})

test('a message of the error never holds the URI', async () => {
  const world = createWorld()
  const error = await world.failure(
    connect(`bunker://${SECRET}?relay=wss://a.example&secret=${SECRET}`, world.options()),
  )
  expect(JSON.stringify([error.message, error.stack, error])).not.toContain(SECRET)
})

test('metadata is sent as far as it can be shown', async () => {
  const world = createWorld()
  await world.login({ metadata: { name: ` ${'x'.repeat(9_000)}\u202e`, url: 'javascript:alert(1)' } })
  expect(world.signer.heard[0]?.params.slice(2)).toEqual(['', JSON.stringify({ name: 'x'.repeat(64) })])
})

describe('mistakes of the caller are UsageErrors', () => {
  test.each([
    ['a clientKey of 31 bytes', { clientKey: new Uint8Array(31) }],
    ['a clientKey of zeros', { clientKey: new Uint8Array(32) }],
    ['an unknown permission', { perms: ['be_evil'] }],
    ['a time-out of zero', { timeouts: { connect: 0 } }],
    ['a time-out over a day', { timeouts: { request: 86_400_001 } }],
    ['a time-out that is no number', { timeouts: { offer: Number.NaN } }],
    ['an npub for the user', { userPubkey: 'npub1xyz' }],
    ['a random that is too short', { random: () => new Uint8Array(3) }],
    ['the name of an era', { profile: 'B' as never }],
    ['no such era', { profile: { era: 'Z' as 'E' } }],
    ['no such habit', { profile: { scheme: 'rot13' as 'nip44' } }],
  ])('%s', async (_, changes) => {
    const world = createWorld()
    await expect(world.settled(world.connect(changes))).rejects.toBeInstanceOf(UsageError)
    expect(world.network.subscriptions).toBe(1)
    expect(world.clock.pending).toBe(0)
  })

  test('no crypto, no transport', async () => {
    const world = createWorld()
    const bare = world.options()
    await expect(connect(world.uri, { ...bare, crypto: undefined as never })).rejects.toBeInstanceOf(
      UsageError,
    )
    await expect(connect(world.uri, { ...bare, transport: undefined as never })).rejects.toBeInstanceOf(
      UsageError,
    )
  })
})

describe('the login ends in time', () => {
  test('when no relay can be reached', async () => {
    const world = createWorld({ relays: [ONE, TWO] })
    world.network.down(ONE)
    world.network.down(TWO)
    const error = await world.failure(world.connect())
    expect(error.code).toBe('transport/no-relay')
    expect(error.message).toContain(ONE)
    expect(world.clock.now() - START).toBe(15_000)
  })

  test('when the remote signer never answers', async () => {
    const world = createWorld()
    world.signer.script('connect', () => undefined)
    const error = await world.failure(world.connect(), 70_000)
    expect(error.code).toBe('timeout/no-answer')
    expect(error.message).toContain('a relay took the request')
    expect(world.clock.now() - START).toBe(65_000)
  })

  test('when the host wants it earlier, or later', async () => {
    const world = createWorld()
    world.signer.script('connect', () => undefined)
    await world.failure(world.connect({ timeouts: { connect: 5_000 } }))
    expect(world.clock.now() - START).toBe(5_000)
    const later = world.connect({ timeouts: { connect: 100_000 } })
    expect((await world.failure(later, 100_000)).code).toBe('timeout/no-answer')
    expect(world.clock.now() - START).toBe(105_000)
  })

  test('when the remote signer does not say who the user is', async () => {
    const world = createWorld()
    world.signer.script('get_public_key', () => undefined)
    expect((await world.failure(world.connect())).code).toBe('timeout/no-answer')
    expect(world.clock.now() - START).toBe(30_000)
  })

  test('when no relay takes the request', async () => {
    const world = createWorld({ relays: [ONE, TWO] })
    world.network.refuse(ONE, 'blocked: \u0000no')
    world.network.refuse(TWO, 'restricted: members only')
    const error = await world.failure(world.connect())
    expect(error.code).toBe('publish/rejected')
    expect(error.relays).toEqual([
      { relay: ONE, reason: 'blocked: no' },
      { relay: TWO, reason: 'restricted: members only' },
    ])
  })

  test('when the host calls it off', async () => {
    const world = createWorld()
    world.signer.script('connect', () => undefined)
    const controller = new AbortController()
    const login = world.connect({ signal: controller.signal })
    await world.clock.run(1_000)
    controller.abort()
    expect((await world.failure(login)).code).toBe('cancelled')
    expect(world.clock.pending).toBe(0)
    expect((await world.failure(world.connect({ signal: controller.signal }))).code).toBe('cancelled')
    expect(world.network.subscriptions).toBe(1)
  })
})

test('the signal of a login is let go of when the login is over', async () => {
  const world = createWorld()
  const listeners = new Set<() => void>()
  const signal = {
    aborted: false,
    addEventListener: (_: 'abort', listener: () => void) => void listeners.add(listener),
    removeEventListener: (_: 'abort', listener: () => void) => void listeners.delete(listener),
  }
  const login = world.connect({ signal })
  expect(listeners.size).toBe(1)
  await world.settled(login)
  expect(listeners.size).toBe(0)
  world.signer.script('connect', ({ id }) => failed(id, 'denied: no'))
  await world.failure(world.connect({ signal }))
  expect(listeners.size).toBe(0)
})

test('an abort after the login changes nothing', async () => {
  const world = createWorld()
  const controller = new AbortController()
  const session = await world.login({ signal: controller.signal })
  controller.abort()
  expect(await session.ping()).toBe('pong')
})

test('a relay that comes up within fifteen seconds is waited for', async () => {
  const world = createWorld({ latencyMs: 20 })
  world.network.down(ONE)
  const login = world.connect()
  await world.clock.run(14_000)
  world.network.up(ONE)
  await world.settled(login)
})

test('a relay that is lost for a moment does not end a login that waits for the user', async () => {
  const world = createWorld()
  world.signer.script('connect', async ({ id }) => {
    await new Promise<void>((resolve) => void world.clock.setTimer(resolve, 40_000))
    return okay(id, 'ack')
  })
  const login = world.connect()
  await world.clock.run(20_000)
  world.network.down(ONE)
  await world.clock.run(3_000)
  world.network.up(ONE)
  await world.settled(login)
})

test('connect sent twice and refused the second time is asked about, not given up', async () => {
  const world = createWorld()
  let spent = false
  world.signer.script('connect', ({ id }) => {
    if (spent) return failed(id, 'unauthorized: secret invalid or already used')
    spent = true
    return undefined
  })
  const login = world.connect()
  await world.clock.run(1_000)
  world.network.down(ONE)
  await world.clock.run(1_000)
  world.network.up(ONE)
  await world.settled(login)
  expect(world.signer.methods().slice(0, 3)).toEqual(['connect', 'connect', 'get_public_key'])
})

test('only the user that was expected is accepted', async () => {
  const world = createWorld()
  await world.login({ userPubkey: world.signer.user.pubkey })
  const stranger = newKey().pubkey as Pubkey
  expect((await world.failure(world.connect({ userPubkey: stranger }))).code).toBe('session/identity-changed')
})

test('a login that nobody waits for leaves no unhandled rejection', async () => {
  const unhandled: unknown[] = []
  const note = (reason: unknown): void => void unhandled.push(reason)
  process.on('unhandledRejection', note)
  const world = createWorld()
  world.network.down(ONE)
  void connect('nonsense', world.options())
  void world.connect()
  void world.offer({ timeouts: { offer: 1_000 } })
  await world.clock.run(60_000)
  await new Promise((resolve) => setTimeout(resolve, 20))
  process.off('unhandledRejection', note)
  expect(unhandled).toEqual([])
})

test('an error of ours is an Error with a code and nothing to leak', () => {
  const error = new Nip46Error({ code: 'remote/error', message: 'no\u0000 \u202eway', reason: 'rejected' })
  expect(error).toBeInstanceOf(Error)
  expect(error.message).toBe('no way')
  expect(error.relays).toBeUndefined()
})
