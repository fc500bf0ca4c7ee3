import { limits } from '@nip46/core'
import { describe, expect, test } from 'vitest'
import {
  clientProfile,
  Nip46Error,
  parseSavedSession,
  resume,
  SAVED_SESSION_CHARS,
  type SavedSession,
} from '../src/index.ts'
import { okay } from './scripted-signer.ts'
import { createWorld, newKey, ONE, TWO } from './world.ts'

async function saved(world = createWorld()): Promise<{ world: typeof world; record: SavedSession }> {
  const session = await world.login()
  const record = session.save()
  session.close()
  world.signer.heard.length = 0
  return { world, record }
}

test('a saved session goes on in a new process without a connect', async () => {
  const { world, record } = await saved()
  const text = JSON.stringify(record)
  const session = await world.settled(resume(parseSavedSession(text), world.options()))
  expect(await session.getPublicKey()).toBe(world.signer.user.pubkey)
  expect(session.state).toBe('ready')
  const event = await world.settled(session.signEvent({ kind: 1, content: 'again' }))
  expect(event.pubkey).toBe(world.signer.user.pubkey)
  expect(world.signer.methods()).toEqual(['sign_event'])
})

test('it is ready at once, and its requests wait for a relay', async () => {
  const { world, record } = await saved()
  world.network.down(ONE)
  const session = await resume(record, world.options())
  const event = session.signEvent({ kind: 1, content: 'later' })
  await world.clock.run(20_000)
  expect(world.signer.heard).toEqual([])
  world.network.up(ONE)
  expect(await world.settled(event)).toMatchObject({ content: 'later' })
})

test('after a day it asks for its relays again, as soon as one is there to ask', async () => {
  const { world, record } = await saved()
  await world.clock.run(86_400_001)
  world.network.down(ONE)
  const session = await resume(record, world.options())
  await world.clock.run(30_000)
  world.network.up(ONE)
  await world.settled(session.ping())
  await world.clock.run(1)
  expect(world.signer.methods().toSorted()).toEqual(['ping', 'switch_relays'])
  expect(session.save().session.lastSwitchAt).toBe(world.clock.now() - 1)
})

test('what was saved holds what is needed and no more', async () => {
  const { world, record } = await saved()
  expect(Object.keys(record)).toEqual(['v', 'clientSecretKey', 'session'])
  expect(record.clientSecretKey).toMatch(/^[0-9a-f]{64}$/)
  expect(record.session).toMatchObject({
    v: 1,
    remoteSigner: world.signer.key.pubkey,
    userPubkey: world.signer.user.pubkey,
    relays: [ONE],
    originRelays: [ONE],
  })
  expect(parseSavedSession(record)).toEqual(record)
})

test('the relays of a switch are saved, with those of the token to fall back on', async () => {
  const world = createWorld({ signerRelays: [ONE, TWO] })
  world.signer.script('switch_relays', ({ id }) => okay(id, JSON.stringify([TWO])))
  const session = await world.login()
  await world.clock.run(6_000)
  expect(world.events).toContainEqual({ type: 'relays', relays: [TWO] })
  expect(session.save().session).toMatchObject({ relays: [TWO], originRelays: [ONE] })
})

test('times from the future do not keep a session from hearing answers and asking for its relays', async () => {
  const { world, record } = await saved()
  const future = { lastSwitchAt: Number.MAX_SAFE_INTEGER }
  const spoilt = { ...record, session: { ...record.session, ...future } }
  const session = await resume(spoilt, world.options())
  expect(await world.settled(session.ping())).toBe('pong')
  const now = world.clock.now()
  expect(session.save().session).toMatchObject({ lastSwitchAt: now })
})

test('a clock that tells fractions of a millisecond logs in, saves and resumes', async () => {
  const world = createWorld()
  const clock = { ...world.clock, now: () => world.clock.now() + 0.25 }
  const session = await world.login({ clock })
  const record = session.save()
  session.close()
  const again = await resume(parseSavedSession(JSON.stringify(record)), world.options({ clock }))
  expect(await world.settled(again.ping())).toBe('pong')
  expect(again.save()).toEqual(record)
})

test('unencrypted relays of a saved session need a word of consent', async () => {
  const { world, record } = await saved()
  const plain = { ...record, session: { ...record.session, relays: ['ws://plain.example/' as typeof ONE] } }
  expect((await world.failure(resume(plain, world.options()))).code).toBe('uri/relay-insecure')
  const session = await resume(plain, world.options({ allowInsecureRelays: true }))
  expect(session.relays).toEqual(['ws://plain.example/'])
  session.close()
})

test('a login can be called off while a session is resumed', async () => {
  const { world, record } = await saved()
  const error = await world.failure(resume(record, world.options({ signal: AbortSignal.abort() })))
  expect(error.code).toBe('cancelled')
  expect(world.network.subscriptions).toBe(1)
})

describe('what is no saved session is refused with session/saved', async () => {
  const { record } = await saved()
  const { session } = record
  const circle: Record<string, unknown> = {}
  circle['me'] = circle
  const thrower = {
    get v(): number {
      throw new RangeError('from a getter')
    },
  }
  const proxy = new Proxy(
    {},
    {
      get() {
        throw new Error('from a proxy')
      },
      ownKeys() {
        throw new Error('from a proxy')
      },
    },
  )
  test.each<[string, unknown]>([
    ['nothing', undefined],
    ['null', null],
    ['a number', 7],
    ['a bigint', 7n],
    ['a symbol', Symbol('x')],
    ['a function', () => record],
    ['an array', [record]],
    ['an empty text', ''],
    ['a text that is no JSON', '{'],
    ['JSON of something else', '"hello"'],
    ['deep nesting', '['.repeat(60_000)],
    ['an object with a circle', circle],
    ['an object that throws when read', thrower],
    ['a proxy that throws', proxy],
    ['a toJSON that throws', { toJSON: () => thrower.v }],
    ['too much', { ...record, more: 'x'.repeat(SAVED_SESSION_CHARS) }],
    ['another version', { ...record, v: 2 }],
    ['no key', { ...record, clientSecretKey: undefined }],
    ['a key in capitals', { ...record, clientSecretKey: 'A'.repeat(64) }],
    ['a short key', { ...record, clientSecretKey: 'a'.repeat(63) }],
    ['no session', { ...record, session: null }],
    ['a session of another version', { ...record, session: { ...session, v: 0 } }],
    ['no user', { ...record, session: { ...session, userPubkey: null } }],
    ['a user who is no point', { ...record, session: { ...session, userPubkey: 'f'.repeat(64) } }],
    ['a remote signer as npub', { ...record, session: { ...session, remoteSigner: 'npub1x' } }],
    ['no relays', { ...record, session: { ...session, relays: [] } }],
    [
      'too many relays',
      { ...record, session: { ...session, relays: Array(limits.SWITCH_RELAYS + 1).fill(ONE) } },
    ],
    ['a relay that is none', { ...record, session: { ...session, relays: ['javascript:alert(1)'] } }],
    ['relays in a text', { ...record, session: { ...session, relays: ONE } }],
    ['no relays of the token', { ...record, session: { ...session, originRelays: undefined } }],
    ['no profile', { ...record, session: { ...session, profile: 'E' } }],
    ['an unknown era', { ...record, session: { ...session, profile: { ...session.profile, era: 'F' } } }],
    [
      'an unknown scheme',
      { ...record, session: { ...session, profile: { ...session.profile, scheme: 'rot13' } } },
    ],
    [
      'an unknown word in the profile',
      { ...record, session: { ...session, profile: { ...session.profile, resendSignEvent: 'always' } } },
    ],
    [
      'a flag that is a text',
      { ...record, session: { ...session, profile: { ...session.profile, switchRelays: 'no' } } },
    ],
    ['a time that is none', { ...record, session: { ...session, lastSwitchAt: -1 } }],
    ['a time in a text', { ...record, session: { ...session, lastSwitchAt: 'now' } }],
  ])('%s', (_, value) => {
    let error: unknown
    try {
      parseSavedSession(value)
    } catch (caught) {
      error = caught
    }
    expect(error).toBeInstanceOf(Nip46Error)
    expect((error as Nip46Error).code).toBe('session/saved')
    expect(String(error)).not.toContain(record.clientSecretKey)
  })

  test('a record just small enough is read', () => {
    const padding = SAVED_SESSION_CHARS - JSON.stringify({ ...record, more: '' }).length
    expect(parseSavedSession(JSON.stringify({ ...record, more: 'x'.repeat(padding) }))).toEqual(record)
  })

  test('habits that an older version did not save are those of today', () => {
    const profile = { era: 'SEED', scheme: 'nip04' } as const
    const older = { ...record, session: { ...session, profile } }
    expect(parseSavedSession(older).session.profile).toEqual(clientProfile('E', profile))
  })

  test('members that are not known do not travel on', () => {
    const poisoned = JSON.parse(
      JSON.stringify({ ...record, extra: 1, session: { ...session, extra: 1 } }).replace(
        '{',
        '{"__proto__":{"polluted":true},',
      ),
    ) as unknown
    const read = parseSavedSession(poisoned)
    expect(read).toEqual(record)
    expect('polluted' in read).toBe(false)
  })
})

test.each([
  ['a key of another client', (record: SavedSession) => ({ ...record, clientSecretKey: '01'.repeat(32) })],
  ['a key that is no secret key', (record: SavedSession) => ({ ...record, clientSecretKey: 'f'.repeat(64) })],
  [
    'a client of another key',
    (record: SavedSession) => ({ ...record, session: { ...record.session, clientPubkey: newKey().pubkey } }),
  ],
])('a saved session with %s is refused', async (_, change) => {
  const { world, record } = await saved()
  expect((await world.failure(resume(change(record), world.options()))).code).toBe('session/saved')
  expect(world.network.subscriptions).toBe(1)
})
