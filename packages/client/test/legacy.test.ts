import { UsageError } from '@nip46/core'
import { smallCrypto } from '@nip46/crypto/small'
import { smallNip04 } from '@nip46/crypto/small-nip04'
import { describe, expect, test } from 'vitest'
import { clientProfile, createAccount, nip44GetKey, offer } from '../src/index.ts'
import { failed, okay } from './scripted-signer.ts'
import { carrier, createWorld, newKey, ONE, START } from './world.ts'

describe('a remote signer of the text of 2024-02 (SEED)', () => {
  test('is reached with NIP-04, without a secret, and nothing newer is asked of it', async () => {
    const world = createWorld({ scheme: 'nip04', secret: null })
    const session = await world.login({
      profile: clientProfile('SEED'),
      metadata: { name: 'App' },
      perms: ['sign_event:1'],
    })
    expect(world.signer.heard.map(({ method, params }) => [method, params])).toEqual([
      ['connect', [world.signer.key.pubkey, '', 'sign_event:1']],
      ['get_public_key', []],
    ])
    expect(world.signer.heard[0]?.event.content).toContain('?iv=')
    await world.settled(session.logout())
    expect(world.signer.methods()).not.toContain('logout')
  })

  test('needs crypto that has NIP-04, and says so before anything is sent', async () => {
    const world = createWorld({ scheme: 'nip04', secret: null })
    const without = { crypto: smallCrypto(), profile: clientProfile('SEED') } as const
    const login = world.login(without)
    await expect(login).rejects.toThrow(UsageError)
    await expect(login).rejects.toThrow(/small-nip04/)
    expect(() => offer({ ...without, relays: [ONE], transport: world.transport })).toThrow(/small-nip04/)
    expect(world.signer.heard).toEqual([])
    const session = await world.login({ ...without, crypto: smallCrypto({ nip04: smallNip04 }) })
    expect(session.userPubkey).toBe(world.signer.user.pubkey)
  })

  test('answers get_relays and nip44_get_key', async () => {
    const world = createWorld({ scheme: 'nip04', secret: null })
    const relays = { 'wss://a.example': { read: true, write: false } }
    world.signer.script('get_relays', ({ id }) => okay(id, JSON.stringify(relays)))
    world.signer.script('nip44_get_key', ({ id, params }) => {
      const conversation = world.signer.user.conversation(params[0] ?? '')
      return conversation.ok
        ? okay(id, conversation.value.dangerouslyExportKey())
        : failed(id, 'invalid: key')
    })
    const session = await world.login({ profile: clientProfile('SEED') })
    expect({ ...(await world.settled(session.getRelays())) }).toEqual(relays)
    const peer = newKey()
    const expected = peer.conversation(session.userPubkey)
    if (!expected.ok) throw new Error('no conversation')
    expect(await world.settled(nip44GetKey(session, peer.pubkey))).toBe(expected.value.dangerouslyExportKey())
  })

  test('is listened to in NIP-04 only', async () => {
    const world = createWorld({ scheme: 'nip04' })
    const session = await world.login({ profile: clientProfile('SEED') })
    world.signer.script('ping', () => undefined)
    const ping = session.ping({ timeout: 5_000 })
    await world.clock.settle()
    const id = world.signer.heard.at(-1)?.id ?? ''
    world.network.inject(
      ONE,
      carrier(world.signer.key, session.clientPubkey, okay(id, 'pong'), START / 1_000),
    )
    expect((await world.failure(ping)).code).toBe('timeout/no-answer')
    expect(world.codes('ignored')).toEqual(['transport/nip44'])
  })

  test('that has no get_public_key is taken for the user itself', async () => {
    const world = createWorld({ scheme: 'nip04' })
    world.signer.script('get_public_key', ({ id }) => failed(id, 'unsupported: get_public_key'))
    const session = await world.login({ profile: clientProfile('SEED') })
    expect(session.userPubkey).toBe(world.signer.key.pubkey)
    world.signer.script('get_public_key', ({ id }) => failed(id, 'unsupported: get_public_key'))
    const strict = createWorld()
    strict.signer.script('get_public_key', ({ id }) => failed(id, 'unsupported: get_public_key'))
    expect((await strict.failure(strict.connect())).reason).toBe('unsupported')
  })

  test('takes a nostrconnect offer in NIP-04', async () => {
    const world = createWorld({ scheme: 'nip04' })
    const { uri, session } = world.offer({ profile: clientProfile('SEED') })
    const url = new URL(uri.replace('nostrconnect://', 'https://'))
    expect(JSON.parse(url.searchParams.get('metadata') ?? '')).toEqual({ name: '' })
    await world.clock.settle()
    const client = url.hostname as typeof world.signer.key.pubkey
    await world.signer.say(client, okay('1', url.searchParams.get('secret') ?? ''))
    expect((await world.settled(session)).userPubkey).toBe(world.signer.user.pubkey)
  })
})

test('what connect names first depends on the era', async () => {
  const world = createWorld({ scheme: 'nip04' })
  const { key, user, heard } = world.signer
  const firstParam = async (era: 'A0' | 'A1' | 'B', userPubkey?: string): Promise<string | undefined> => {
    heard.length = 0
    const profile = clientProfile(era)
    const session = await world.login({ profile, ...(userPubkey !== undefined && { userPubkey }) })
    return heard[0]?.params[0]?.replace(session.clientPubkey, 'client')
  }
  expect(await firstParam('A0')).toBe('client')
  expect(await firstParam('A1')).toBe('client')
  expect(await firstParam('B')).toBe(key.pubkey)
  expect(await firstParam('B', user.pubkey)).toBe(user.pubkey)
})

test('a null answer to connect was once how it was said', async () => {
  const world = createWorld({ scheme: 'nip04' })
  world.signer.script('connect', ({ id }) => JSON.stringify({ id, result: null }))
  await world.login({ profile: clientProfile('A1') })
  const today = createWorld()
  today.signer.script('connect', ({ id }) => JSON.stringify({ id, result: null }))
  expect((await today.failure(today.connect())).code).toBe('connect/secret')
})

test('answers of 2023 as JSON values instead of texts are understood', async () => {
  const world = createWorld({ scheme: 'nip04' })
  const { signer } = world
  signer.script('sign_event', ({ id, params }) => {
    return JSON.stringify({ id, result: signer.sign(JSON.parse(params[0] ?? '')), error: null })
  })
  signer.script('nip04_decrypt', ({ id }) => JSON.stringify({ id, result: ['plain'], error: null }))
  signer.script('describe', ({ id }) => JSON.stringify({ id, result: ['a', 'b'] }))
  const session = await world.login({ profile: clientProfile('A0') })
  expect(await world.settled(session.signEvent({ kind: 1, content: 'x' }))).toMatchObject({ content: 'x' })
  expect(await world.settled(session.nip04.decrypt(newKey().pubkey, 'x'))).toBe('plain')
  expect(await world.settled(session.describe())).toEqual(['a', 'b'])
})

test('an account can be asked for in era B', async () => {
  const world = createWorld({ scheme: 'nip04' })
  const fresh = newKey().pubkey
  world.signer.script('create_account', ({ id }) => okay(id, fresh))
  const session = await world.login({ profile: clientProfile('B') })
  const account = { username: 'ada', domain: 'bunker.example' }
  expect(await world.settled(createAccount(session, account))).toBe(fresh)
  await world.settled(createAccount(session, { ...account, perms: 'sign_event:1' }))
  const asked = world.signer.heard.filter(({ method }) => method === 'create_account')
  expect(asked.map(({ params }) => params)).toEqual([
    ['ada', 'bunker.example'],
    ['ada', 'bunker.example', '', 'sign_event:1'],
  ])
  expect(session.userPubkey).toBe(world.signer.user.pubkey)
})

test.each([
  ['an era', clientProfile('E', { switchRelays: false })],
  ["today's text", { switchRelays: false }],
])('a profile can be %s with changes of one connection', async (_, profile) => {
  const world = createWorld()
  const session = await world.login({ profile })
  expect(world.signer.methods()).toEqual(['connect', 'get_public_key'])
  expect(session.save().session.profile).toEqual({ ...clientProfile('E'), switchRelays: false })
})
