import { encodeRequest, type Pubkey, parseNostrConnectUri } from '@nip46/core'
import { expect, test } from 'vitest'
import { clientProfile, offer, UsageError } from '../src/index.ts'
import { failed, okay } from './scripted-signer.ts'
import { carrier, createWorld, newKey, ONE, random, START, TWO, type World, watchCrypto } from './world.ts'

/** The parts of an offer that a remote signer reads. */
function read(uri: string): { readonly client: Pubkey; readonly secret: string } {
  const parsed = parseNostrConnectUri(uri)
  if (!parsed.ok) throw new Error(parsed.error)
  return { client: parsed.value.clientPubkey, secret: parsed.value.secret ?? '' }
}

function inject(world: World, by: ReturnType<typeof newKey>, to: Pubkey, text: string): void {
  world.network.inject(ONE, carrier(by, to, text, Math.floor(world.clock.now() / 1_000)))
}

test('an offer names the relays, a fresh secret, the wishes and the app', () => {
  const world = createWorld({ relays: [ONE, TWO] })
  const first = world.offer({
    perms: ['sign_event:1', 'nip44_decrypt'],
    metadata: { name: 'Test app', url: 'https://app.example', image: 'https://app.example/logo.png' },
  })
  const parsed = parseNostrConnectUri(first.uri)
  expect(parsed).toMatchObject({
    ok: true,
    value: {
      relays: [ONE, TWO],
      permissions: [{ method: 'sign_event', kind: 1 }, { method: 'nip44_decrypt' }],
      metadata: { name: 'Test app', url: 'https://app.example', image: 'https://app.example/logo.png' },
    },
  })
  expect(read(first.uri).secret).toMatch(/^[0-9a-f]{32}$/)
  const second = world.offer()
  expect(read(second.uri).secret).not.toBe(read(first.uri).secret)
  expect(read(second.uri).client).not.toBe(read(first.uri).client)
})

test('a remote signer takes the offer with its secret', async () => {
  const world = createWorld()
  const { uri, session } = world.offer()
  const { client, secret } = read(uri)
  await world.clock.run(20_000)
  await world.signer.say(client, okay('any', secret))
  const taken = await world.settled(session)
  expect(taken.userPubkey).toBe(world.signer.user.pubkey)
  expect(taken.remoteSigner).toBe(world.signer.key.pubkey)
  expect(world.signer.methods()).toEqual(['switch_relays', 'get_public_key'])
  expect(await world.settled(taken.signEvent({ kind: 1, content: 'hi' }))).toMatchObject({ content: 'hi' })
})

test('an older remote signer takes it with a connect request, and is answered', async () => {
  const world = createWorld()
  const { uri, session } = world.offer()
  const { client, secret } = read(uri)
  await world.clock.settle()
  const request = { id: 'theirs', method: 'connect', params: [world.signer.key.pubkey, secret] }
  await world.signer.say(client, encodeRequest(request))
  const taken = await world.settled(session)
  expect(taken.remoteSigner).toBe(world.signer.key.pubkey)
})

test('junk, errors and wrong secrets of strangers leave the offer standing', async () => {
  const world = createWorld()
  const { uri, session } = world.offer()
  const { client, secret } = read(uri)
  await world.clock.settle()
  const stranger = newKey()
  const texts = [
    'hello',
    '[]',
    '{}',
    okay('1', 'ack'),
    okay('1', ''),
    okay('1', secret.slice(0, -1)),
    okay('1', secret.toUpperCase()),
    failed('1', 'go away'),
    '{"id":"1","result":"auth_url","error":"https://evil.example"}',
    JSON.stringify({ id: '1', result: { secret } }),
    JSON.stringify({ id: '1', method: 'connect', params: [stranger.pubkey, 'wrong'] }),
    JSON.stringify({ id: '1', method: 'logout', params: [] }),
    JSON.stringify({ id: '1', result: secret, error: 'no' }),
  ]
  for (const text of texts) inject(world, stranger, client, text)
  inject(world, stranger, client, okay('2', 'nip04')) // and once in the other scheme
  world.network.inject(ONE, carrier(stranger, client, okay('1', secret), START / 1_000, 'nip04'))
  await world.clock.settle()
  expect(world.events.some(({ type }) => type === 'connected')).toBe(false)
  expect(world.authUrls).toEqual([])
  await world.signer.say(client, okay('any', secret))
  expect((await world.settled(session)).remoteSigner).toBe(world.signer.key.pubkey)
})

test('a stranger that says ack becomes the signer only if the profile allows it', async () => {
  const strict = createWorld()
  const pending = strict.offer({ timeouts: { offer: 10_000 } })
  await strict.clock.settle()
  inject(strict, strict.signer.key, read(pending.uri).client, okay('1', 'ack'))
  expect((await strict.failure(pending.session)).code).toBe('timeout/connect')

  const lax = createWorld()
  const { uri, session } = lax.offer({ profile: clientProfile('E', { allowLegacyAck: true }) })
  await lax.clock.settle()
  inject(lax, lax.signer.key, read(uri).client, okay('1', 'ack'))
  expect((await lax.settled(session)).remoteSigner).toBe(lax.signer.key.pubkey)
})

test('after half a minute only the remote signer is listened to', async () => {
  const world = createWorld()
  const { uri, session } = world.offer()
  const { client, secret } = read(uri)
  await world.clock.settle()
  await world.signer.say(client, okay('any', secret))
  await world.settled(session)
  const second = newKey()
  inject(world, second, client, okay('any', secret))
  await world.clock.settle()
  expect(world.codes('alert')).toEqual(['connect/two-signers'])
  await world.clock.run(31_000)
  world.events.length = 0
  inject(world, second, client, okay('any', secret))
  await world.clock.settle()
  expect(world.codes('alert')).toEqual([])
  expect(world.codes('ignored')).toEqual(['event/author'])
  expect(await world.settled((await session).ping())).toBe('pong')
  expect(world.network.subscriptions).toBe(2)
})

test('the narrower subscription is made before the wide one is closed', async () => {
  const world = createWorld({ latencyMs: 25 })
  const open = new Set<string>()
  const least: number[] = []
  const { transport } = world
  const { uri, session } = world.offer({
    transport: {
      ...transport,
      subscribe(request) {
        const name = `${request.filters[0]?.authors?.[0] ?? 'anybody'}`
        open.add(name)
        const subscription = transport.subscribe(request)
        return {
          close() {
            open.delete(name)
            least.push(open.size)
            subscription.close()
          },
        }
      },
    },
  })
  await world.clock.run(1_000)
  await world.settled(world.signer.say(read(uri).client, okay('any', read(uri).secret)))
  const taken = await world.settled(session)
  expect([...open]).toEqual(['anybody'])
  await world.clock.run(31_000)
  expect([...open]).toEqual([world.signer.key.pubkey])
  expect(least).toEqual([1])
  taken.close()
  expect(least).toEqual([1, 0])
})

test('an offer that nobody takes ends with a time-out', async () => {
  const world = createWorld()
  expect((await world.failure(world.offer().session, 400_000)).code).toBe('timeout/connect')
  expect(world.clock.now() - START).toBe(300_000)
  expect(world.network.subscriptions).toBe(1)
  expect(world.clock.pending).toBe(0)
})

test('an offer can be taken back, once', async () => {
  const world = createWorld()
  const { uri, session, cancel } = world.offer()
  await world.clock.settle()
  cancel()
  cancel()
  expect((await world.failure(session)).code).toBe('cancelled')
  await world.signer.say(read(uri).client, okay('any', read(uri).secret))
  await world.clock.settle()
  expect(world.network.subscriptions).toBe(1)
  expect(world.clock.pending).toBe(0)
})

test('taking back an offer that was taken does nothing', async () => {
  const world = createWorld()
  const { uri, session, cancel } = world.offer()
  await world.clock.settle()
  await world.signer.say(read(uri).client, okay('any', read(uri).secret))
  const taken = await world.settled(session)
  cancel()
  expect(await world.settled(taken.ping())).toBe('pong')
})

test('an offer outlives relays that are down at first', async () => {
  const world = createWorld({ relays: [ONE, TWO] })
  world.network.down(ONE)
  world.network.down(TWO)
  const { uri, session } = world.offer()
  await world.clock.run(60_000)
  world.network.up(TWO)
  await world.clock.settle()
  await world.signer.say(read(uri).client, okay('any', read(uri).secret))
  await world.settled(session)
})

test('an answer that the relay kept is found when it comes back', async () => {
  const world = createWorld({ retention: { events: 10, seconds: 600 } })
  world.network.down(ONE)
  const { uri, session } = world.offer()
  await world.clock.run(120_000)
  world.network.up(ONE)
  // Published to the relay before the client's connection is back.
  await world.signer.say(read(uri).client, okay('any', read(uri).secret))
  await world.settled(session)
})

test.each([
  ['no relay', { relays: [] }],
  [
    'more relays than remote signers keep',
    { relays: Array.from({ length: 11 }, (_, i) => `wss://r${i}.example`) },
  ],
  ['a relay that is none', { relays: ['https://one.example'] }],
  ['an unencrypted relay', { relays: ['ws://one.example'] }],
  [
    'more permissions than remote signers read',
    { perms: Array.from({ length: 60 }, (_, i) => `sign_event:${i}`) },
  ],
])('an offer that cannot work throws at once: %s', (_, changes) => {
  const world = createWorld()
  const watched = watchCrypto()
  const options = { ...world.options(), crypto: watched.crypto, relays: [ONE], clientKey: random(32) }
  expect(() => offer({ ...options, ...changes })).toThrow(UsageError)
  for (const key of watched.keys) expect(key).toEqual({ destroyed: true, secret: new Uint8Array(32) })
  expect(world.network.subscriptions).toBe(1)
  expect(world.clock.pending).toBe(0)
})
