/** What relays, strangers and the remote signer itself can throw at a client. */

import { encodeRequest, encodeResponse, type KeyHandle, type Pubkey } from '@nip46/core'
import { seededRandom } from '@nip46/testing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { JUNK_EVENTS_BURST, JUNK_EVENTS_PER_SECOND, Nip46Error } from '../src/index.ts'
import { okay } from './scripted-signer.ts'
import { carrier, createWorld, newKey, ONE, random, START, TWO } from './world.ts'

const unhandled: unknown[] = []
const note = (reason: unknown): void => void unhandled.push(reason)
beforeAll(() => void process.on('unhandledRejection', note))
afterAll(() => void process.off('unhandledRejection', note))

const dice = seededRandom('hostile peer')
const pick = <T>(items: readonly T[]): T => items[dice.below(items.length)] as T

const ODD_VALUES: readonly unknown[] = [
  '',
  null,
  0,
  -1,
  1e308,
  true,
  [],
  {},
  [[]],
  'ack',
  'auth_url',
  'pong',
  'null',
  '[]',
  '{}',
  '["wss://x.example"]',
  '\u0000',
  '\u202e',
  '__proto__',
  'constructor',
  'x'.repeat(5_000),
  ['x'],
  { toString: 1 },
  { message: 'm' },
  'https://bunker.example/a',
  'javascript:alert(1)',
  '{"kind":1}',
  'a'.repeat(64),
  'f'.repeat(64),
]
const ODD_KEYS = [
  'id',
  'result',
  'error',
  'method',
  'params',
  'auth_url',
  '__proto__',
  'constructor',
  'toJSON',
]

/** One text of a hostile peer that knows the ids in flight. */
function hostileText(ids: readonly string[]): string {
  const id =
    dice.chance(0.6) && ids.length > 0 ? pick(ids) : pick(['', 'zz', '__proto__', 'constructor', '0'])
  switch (dice.below(8)) {
    case 0:
      return pick([
        '',
        'hello',
        '[]',
        'null',
        '7',
        '"x"',
        '{',
        '{"id":',
        '\ufeff{}',
        '[['.repeat(2_000),
        '{}',
      ])
    case 1:
      return JSON.stringify({ id, result: pick(ODD_VALUES) })
    case 2:
      return JSON.stringify({ id, error: pick(ODD_VALUES) })
    case 3:
      return JSON.stringify({ id, result: pick(ODD_VALUES), error: pick(ODD_VALUES) })
    case 4: {
      const members = Array.from({ length: dice.below(6) }, () => {
        return `${JSON.stringify(pick(ODD_KEYS))}:${JSON.stringify(pick(ODD_VALUES))}`
      })
      return `{"id":${JSON.stringify(id)}${members.map((member) => `,${member}`).join('')}}`
    }
    case 5:
      return encodeRequest({
        id: id === '' ? 'x' : id,
        method: pick(['connect', 'logout', 'disconnect', 'x']),
        params: [],
      })
    case 6:
      return JSON.stringify({ id, result: 'auth_url', error: pick(ODD_VALUES) })
    default: {
      const text = [...encodeResponse({ type: 'result', id, result: JSON.stringify(pick(ODD_VALUES)) ?? '' })]
      for (let i = 0; i < 3; i += 1) text[dice.below(text.length)] = pick(['"', '\\', '{', '\u0001', '0', ''])
      return text.join('')
    }
  }
}

describe('10,000 messages of a hostile remote signer', () => {
  test('throw nothing, leave nothing unhandled, and every request settles', async () => {
    const world = createWorld()
    const session = await world.login({ timeouts: { request: 20_000 } })
    const inFlight: string[] = []
    for (const method of ['sign_event', 'ping', 'describe', 'nip44_decrypt', 'get_relays', 'switch_relays']) {
      world.signer.script(method, ({ id }) => void inFlight.push(id) as undefined)
    }
    const outcomes: Promise<unknown>[] = []
    const codes = new Map<string, number>()
    const count = (code: string): void => void codes.set(code, (codes.get(code) ?? 0) + 1)
    const ask = (): void => {
      const promise: Promise<unknown> = pick([
        () => session.signEvent({ kind: 1, content: 'x' }),
        () => session.ping(),
        () => session.describe(),
        () => session.nip44.decrypt(session.userPubkey, 'x'),
        () => session.getRelays(),
        () => session.switchRelays(),
      ])()
      outcomes.push(
        promise.then(
          () => count('ok'),
          (error: unknown) => {
            if (!(error instanceof Nip46Error)) throw error
            count(error.code)
          },
        ),
      )
    }
    for (let round = 0; round < 200; round += 1) {
      for (let i = 0; i < 4; i += 1) ask()
      await world.clock.settle()
      for (let i = 0; i < 50; i += 1) {
        const text = hostileText(inFlight.slice(-20))
        // NIP-44 cannot carry an empty text.
        const createdAt = Math.floor(world.clock.now() / 1_000)
        world.network.inject(
          ONE,
          carrier(world.signer.key, session.clientPubkey, text === '' ? ' ' : text, createdAt),
        )
      }
      await world.clock.run(100)
    }
    await world.clock.run(300_000)
    await world.clock.run(300_000)
    const settled = await Promise.all(outcomes)
    expect(settled).toHaveLength(800)
    expect([...codes.keys()]).toEqual(expect.arrayContaining(['response/shape', 'remote/error', 'auth/url']))
    expect(session.state).toBe('ready')
    expect(unhandled).toEqual([])
    expect(Object.prototype).not.toHaveProperty('polluted')
    world.signer.script('ping', ({ id }) => okay(id, 'pong'))
    expect(await world.settled(session.ping())).toBe('pong')
    session.close()
    expect(world.clock.pending).toBe(0)
  })
})

test('anything at all as an event changes nothing', async () => {
  const world = createWorld()
  const session = await world.login()
  const real = carrier(world.signer.key, session.clientPubkey, 'hello', START / 1_000)
  const events: unknown[] = [
    null,
    7,
    'x',
    [],
    {},
    { kind: 24_133 },
    { ...real, id: 7 },
    { ...real, sig: null },
    { ...real, tags: 'p' },
    { ...real, tags: [[]] },
    { ...real, tags: [['p']] },
    { ...real, tags: [['p', 7]] },
    { ...real, content: '' },
    { ...real, content: {} },
    { ...real, created_at: 'now' },
    { ...real, created_at: 1e300 },
    { ...real, kind: -1 },
    { ...real, pubkey: 'f'.repeat(64) },
    { ...real, pubkey: session.clientPubkey },
    { ...real, id: 'a'.repeat(64) },
    { ...real, sig: '0'.repeat(128) },
    { ...real, content: 'x'.repeat(140_000) },
    { ...real, kind: 1 },
    {
      ...real,
      tags: [
        ['p', session.clientPubkey],
        ['p', session.remoteSigner],
      ],
    },
  ]
  for (const event of events) world.network.inject(ONE, event)
  await world.clock.settle()
  expect(await world.settled(session.ping())).toBe('pong')
  const codes = new Set(world.codes('ignored'))
  for (const code of [
    'event/shape',
    'event/kind',
    'event/self',
    'event/id',
    'event/multi-p',
    'event/too-large',
  ]) {
    expect(codes).toContain(code)
  }
})

test('a stranger who knows the id of a request cannot answer it', async () => {
  const world = createWorld()
  const session = await world.login()
  world.signer.script('ping', () => undefined)
  const ping = session.ping({ timeout: 5_000 })
  await world.clock.settle()
  const id = world.signer.heard.at(-1)?.id ?? ''
  world.network.inject(ONE, carrier(newKey(), session.clientPubkey, okay(id, 'pong'), START / 1_000))
  expect((await world.failure(ping)).code).toBe('timeout/no-answer')
})

test('an old answer that a relay kept too long is not read', async () => {
  const world = createWorld()
  const session = await world.login()
  const yesterday = START / 1_000 - 86_401
  world.network.inject(ONE, carrier(world.signer.key, session.clientPubkey, okay('x', 'x'), yesterday))
  await world.clock.settle()
  expect(world.codes('ignored')).toEqual(['event/expired'])
})

describe('a flood of junk', () => {
  const forged = (by: KeyHandle, to: Pubkey): Record<string, unknown> => ({
    ...carrier(by, to, 'x', START / 1_000),
    sig: Buffer.from(random(64)).toString('hex'),
  })

  test('of forged events is worked on at a bounded rate', async () => {
    const world = createWorld()
    const session = await world.login()
    const { key } = world.signer
    for (let i = 0; i < JUNK_EVENTS_BURST + 1; i += 1)
      world.network.inject(ONE, forged(key, session.clientPubkey))
    await world.clock.settle()
    const codes = world.codes('ignored')
    expect(codes.filter((code) => code === 'event/sig')).toHaveLength(JUNK_EVENTS_BURST)
    expect(codes.filter((code) => code === 'event/budget')).toHaveLength(1)

    world.events.length = 0
    await world.clock.run(1_000)
    for (let i = 0; i < JUNK_EVENTS_PER_SECOND + 1; i += 1) {
      world.network.inject(ONE, forged(key, session.clientPubkey))
    }
    await world.clock.settle()
    expect(world.codes('ignored').filter((code) => code === 'event/sig')).toHaveLength(JUNK_EVENTS_PER_SECOND)
    expect(world.codes('ignored').at(-1)).toBe('event/budget')
  })

  test('from one relay does not keep the other from delivering', async () => {
    const world = createWorld({ relays: [ONE, TWO] })
    const session = await world.login()
    for (let i = 0; i < 2 * JUNK_EVENTS_BURST; i += 1) {
      world.network.inject(ONE, forged(world.signer.key, session.clientPubkey))
    }
    await world.clock.settle()
    expect(await world.settled(session.ping())).toBe('pong')
  })

  test('of strangers does not keep the remote signer from taking an offer on another relay', async () => {
    const world = createWorld({ relays: [ONE, TWO] })
    const { uri, session } = world.offer()
    const url = new URL(uri.replace('nostrconnect://', 'https://'))
    const client = url.hostname as Pubkey
    await world.clock.settle()
    const strangers = Array.from({ length: 4 }, () => newKey())
    for (let i = 0; i < JUNK_EVENTS_BURST + 20; i += 1) {
      const by = strangers[i % 4] as KeyHandle
      world.network.inject(ONE, carrier(by, client, okay('x', `guess ${i}`), START / 1_000))
    }
    await world.clock.settle()
    const codes = world.codes('ignored')
    expect(codes.filter((code) => code === 'connect/secret')).toHaveLength(JUNK_EVENTS_BURST)
    expect(codes.filter((code) => code === 'event/budget')).toHaveLength(20)
    await world.signer.say(client, okay('x', url.searchParams.get('secret') ?? ''))
    expect((await world.settled(session)).remoteSigner).toBe(world.signer.key.pubkey)
  })

  test('of strangers after the login costs nothing, so that it is not even counted', async () => {
    const world = createWorld()
    const session = await world.login()
    const stranger = newKey()
    for (let i = 0; i < JUNK_EVENTS_BURST + 20; i += 1) {
      world.network.inject(ONE, carrier(stranger, session.clientPubkey, `junk ${i}`, START / 1_000))
    }
    await world.clock.settle()
    expect(new Set(world.codes('ignored'))).toEqual(new Set(['event/author']))
  })

  test('of the remote signer itself is no junk: answers are never dropped for their number', async () => {
    const world = createWorld()
    const session = await world.login()
    const many = 3 * JUNK_EVENTS_BURST
    const pings = Array.from({ length: many }, () => session.ping())
    const outcomes = await world.settled(Promise.allSettled(pings))
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(many)
    expect(world.codes('ignored')).toEqual([])
  })
})

test('a relay that claims the id of a known event for a forged one changes nothing', async () => {
  const world = createWorld()
  const session = await world.login()
  world.signer.script('ping', () => undefined)
  const ping = session.ping({ timeout: 5_000 })
  await world.clock.settle()
  const id = world.signer.heard.at(-1)?.id ?? ''
  const answer = carrier(world.signer.key, session.clientPubkey, okay(id, 'pong'), START / 1_000)
  world.network.inject(ONE, { ...answer, sig: '0'.repeat(128) })
  world.network.inject(ONE, answer)
  expect(await world.settled(ping)).toBe('pong')
})
