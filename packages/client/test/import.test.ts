/** Sessions of other libraries: what they wrote is read, and everything else is one error that repeats nothing. */

import { encodeBech32, limits, type Pubkey } from '@nip46/core'
import { createNbunksec } from 'applesauce-signers/helpers'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  type ForeignSession,
  importSession,
  parseBunkerPointer,
  parseNbunksec,
  parseNdkPayload,
} from '../src/import.ts'
import { clientProfile, Nip46Error, resume, SAVED_SESSION_CHARS } from '../src/index.ts'
import { failed, okay } from './scripted-signer.ts'
import { createWorld, newKey, ONE, TWO, type World } from './world.ts'

const KEY = '5e'.repeat(32)
const REMOTE = newKey().pubkey
const USER = newKey().pubkey

const nbunksec = (changes: Partial<Parameters<typeof createNbunksec>[0]> = {}): string =>
  createNbunksec({ remote: REMOTE, clientKey: KEY, relays: [ONE, TWO], secret: 'spent', ...changes })

const ndkPayload = (changes: Record<string, unknown> = {}, local: unknown = undefined): string =>
  JSON.stringify({
    type: 'nip46',
    payload: {
      bunkerPubkey: REMOTE,
      userPubkey: USER,
      relayUrls: [ONE, TWO],
      secret: 'spent',
      localSignerPayload: JSON.stringify(local ?? { type: 'private-key', payload: KEY }),
      nip05: null,
      ...changes,
    },
  })

const read: ForeignSession = {
  clientSecretKey: KEY,
  remoteSigner: REMOTE,
  relays: [ONE, TWO],
  userPubkey: null,
}

describe('what is read', () => {
  test.each<[string, () => ForeignSession, ForeignSession]>([
    ['an nbunksec of applesauce', () => parseNbunksec(nbunksec()), read],
    ['one in capitals and blanks', () => parseNbunksec(` ${nbunksec().toUpperCase()}\n`), read],
    [
      'one without a secret',
      () => parseNbunksec(createNbunksec({ remote: REMOTE, clientKey: KEY, relays: [ONE, TWO] })),
      read,
    ],
    ["NDK's payload", () => parseNdkPayload(ndkPayload()), { ...read, userPubkey: USER }],
    [
      "NDK's payload as an object",
      () => parseNdkPayload(JSON.parse(ndkPayload())),
      { ...read, userPubkey: USER },
    ],
    ["NDK's payload without a user", () => parseNdkPayload(ndkPayload({ userPubkey: undefined })), read],
    ['an error that NDK took for a user', () => parseNdkPayload(ndkPayload({ userPubkey: 'error' })), read],
    [
      "nostr-tools' pointer and key",
      () =>
        parseBunkerPointer(
          { pubkey: REMOTE, relays: [ONE, TWO], secret: 'spent' },
          Uint8Array.from({ length: 32 }, () => 0x5e),
        ),
      read,
    ],
    [
      'the same as texts',
      () =>
        parseBunkerPointer(
          JSON.stringify({ pubkey: REMOTE, relays: [ONE, TWO], secret: null }),
          KEY.toUpperCase(),
        ),
      read,
    ],
    [
      'one usable relay among others',
      () =>
        parseBunkerPointer(
          { pubkey: REMOTE, relays: ['http://x', '', ONE, 7, ONE, 'wss://two.example'] },
          KEY,
        ),
      read,
    ],
    [
      'as many relays as a URI may have',
      () => parseBunkerPointer({ pubkey: REMOTE, relays: relayList(limits.URI_RELAYS) }, KEY),
      { ...read, relays: relayList(limits.SESSION_RELAYS) as ForeignSession['relays'] },
    ],
  ])('%s', (_, parse, expected) => {
    expect(parse()).toEqual(expected)
    expect(JSON.stringify(parse())).not.toContain('spent')
  })

  test('unknown parts of an nbunksec are passed over, and the first of a kind counts', () => {
    const text = encodeNbunksec([
      tlv(9, 'later'),
      tlv(0, REMOTE),
      tlv(1, KEY),
      tlv(0, USER),
      tlv(1, '7f'.repeat(32)),
      relayTlv(ONE),
    ])
    expect(parseNbunksec(text)).toEqual({ ...read, relays: [ONE] })
  })
})

describe('what is no session of another library is refused with session/import', () => {
  const thrower = new Proxy(Object.create(null) as object, {
    get: fail,
    ownKeys: fail,
    has: fail,
    getPrototypeOf: fail,
  })
  const nothing: readonly [string, unknown][] = [
    ['nothing', undefined],
    ['null', null],
    ['a number', 7],
    ['a bigint', 7n],
    ['a symbol', Symbol('x')],
    ['a function', () => read],
    ['an array', [read]],
    ['an empty text', ''],
    ['a proxy that throws', thrower],
    ['deep nesting', '['.repeat(60_000)],
    ['too much', 'x'.repeat(SAVED_SESSION_CHARS + 1)],
    ['a saved session', JSON.stringify({ v: 1, clientSecretKey: KEY })],
  ]
  const cases: readonly [string, () => unknown][] = [
    ...nothing.flatMap(([name, value]): [string, () => unknown][] => [
      [`${name}, as an nbunksec`, () => parseNbunksec(value)],
      [`${name}, as a payload of NDK`, () => parseNdkPayload(value)],
      [`${name}, as a pointer`, () => parseBunkerPointer(value, KEY)],
      [`${name}, as a key`, () => parseBunkerPointer({ pubkey: REMOTE, relays: [ONE] }, value)],
    ]),
    ['an nbunksec with a wrong checksum', () => parseNbunksec(flip(nbunksec()))],
    ['another prefix', () => parseNbunksec(encodeBech32('nsec', bytesOf(KEY)))],
    [
      'a part that is cut off',
      () => parseNbunksec(encodeNbunksec([tlv(0, REMOTE), tlv(1, KEY), relayTlv(ONE).slice(0, -1)])),
    ],
    [
      'a type without a length',
      () => parseNbunksec(encodeNbunksec([tlv(0, REMOTE), tlv(1, KEY), relayTlv(ONE), [2]])),
    ],
    ['no remote signer', () => parseNbunksec(encodeNbunksec([tlv(1, KEY), relayTlv(ONE)]))],
    ['no client key', () => parseNbunksec(encodeNbunksec([tlv(0, REMOTE), relayTlv(ONE)]))],
    ['no relay', () => parseNbunksec(encodeNbunksec([tlv(0, REMOTE), tlv(1, KEY)]))],
    [
      'a short client key',
      () => parseNbunksec(encodeNbunksec([tlv(0, REMOTE), tlv(1, KEY.slice(2)), relayTlv(ONE)])),
    ],
    [
      'a remote signer that is no point',
      () => parseNbunksec(encodeNbunksec([tlv(0, 'f'.repeat(64)), tlv(1, KEY), relayTlv(ONE)])),
    ],
    [
      'an nbunksec over the limit of a bech32 text',
      () => parseNbunksec(`${nbunksec()}${'q'.repeat(limits.BECH32_CHARS)}`),
    ],
    ['a payload of another signer of NDK', () => parseNdkPayload('{"type":"nip07","payload":""}')],
    ["NDK's payload with nothing in it", () => parseNdkPayload('{"type":"nip46","payload":null}')],
    [
      "NDK's payload with an extension as local signer",
      () => parseNdkPayload(ndkPayload({}, { type: 'nip07', payload: '' })),
    ],
    [
      "NDK's payload with a short key",
      () => parseNdkPayload(ndkPayload({}, { type: 'private-key', payload: KEY.slice(1) })),
    ],
    ["NDK's payload with no local signer", () => parseNdkPayload(ndkPayload({ localSignerPayload: null }))],
    [
      "NDK's payload with broken JSON inside",
      () => parseNdkPayload(ndkPayload({ localSignerPayload: `{"payload":"${KEY}` })),
    ],
    ["NDK's payload with no relays", () => parseNdkPayload(ndkPayload({ relayUrls: undefined }))],
    ["NDK's payload with no bunker", () => parseNdkPayload(ndkPayload({ bunkerPubkey: '' }))],
    ['a pointer with relays in a text', () => parseBunkerPointer({ pubkey: REMOTE, relays: ONE }, KEY)],
    [
      'a pointer with one relay too many',
      () => parseBunkerPointer({ pubkey: REMOTE, relays: relayList(limits.URI_RELAYS + 1) }, KEY),
    ],
    [
      'a pointer to no URL',
      () => parseBunkerPointer({ pubkey: REMOTE, relays: ['javascript:alert(1)'] }, KEY),
    ],
    [
      'a key one byte short',
      () => parseBunkerPointer({ pubkey: REMOTE, relays: [ONE] }, new Uint8Array(31).fill(0x5e)),
    ],
  ]
  test.each(cases)('%s', (_, parse) => {
    const thrown = thrownBy(parse)
    expect(thrown).toMatchObject({ name: 'Nip46Error', code: 'session/import' })
    expect(`${String(thrown)}${String((thrown as Error).cause)}`).not.toMatch(/5e5e|spent/i)
  })

  test('whatever it is', () => {
    const parsers = [
      parseNbunksec,
      parseNdkPayload,
      (value: unknown) => parseBunkerPointer(value, KEY),
      (value: unknown) => parseBunkerPointer({ pubkey: REMOTE, relays: [ONE] }, value),
    ]
    const bytes = fc.uint8Array({ maxLength: 300 }).map((value) => encodeBech32('nbunksec', value))
    const cut = fc.nat().map((at) => ndkPayload().slice(0, at % ndkPayload().length))
    const changed = fc
      .tuple(fc.nat(), fc.string({ unit: 'binary', maxLength: 3 }))
      .map(([at, text]) => splice(ndkPayload(), at, text))
    fc.assert(
      fc.property(
        fc.oneof(fc.anything({ withBigInt: true, withSparseArray: true }), fc.json(), bytes, cut, changed),
        (value) => {
          for (const parse of parsers) {
            const outcome = outcomeOf(() => parse(value))
            if (outcome instanceof Error) {
              expect(outcome).toMatchObject({
                name: 'Nip46Error',
                code: 'session/import',
                message: 'this is no session of another library',
              })
            } else {
              expect(outcome.clientSecretKey).toMatch(/^[0-9a-f]{64}$/)
              expect(outcome.relays.length).toBeGreaterThan(0)
            }
          }
        },
      ),
      { numRuns: 500 },
    )
  })
})

describe('an imported session', () => {
  const foreign = (world: World, changes: Partial<ForeignSession> = {}): ForeignSession => ({
    ...read,
    remoteSigner: world.signer.key.pubkey,
    relays: [ONE],
    ...changes,
  })

  test('asks who the user is, never connects, and is saved as one of ours', async () => {
    const world = createWorld()
    const kept: string[] = []
    const store = {
      load: async () => undefined,
      save: async (saved: unknown) => void kept.push(JSON.stringify(saved)),
      clear: async () => undefined,
    }
    const session = await world.settled(importSession(foreign(world), { ...world.options(), store }))
    expect(session.userPubkey).toBe(world.signer.user.pubkey)
    expect(world.signer.methods()).toContain('get_public_key')
    expect(world.signer.methods()).not.toContain('connect')
    expect((await world.settled(session.signEvent({ kind: 1, content: 'x' }))).pubkey).toBe(
      session.userPubkey,
    )
    const saved = session.save()
    expect(saved).toMatchObject({ v: 1, clientSecretKey: KEY })
    expect(JSON.parse(kept.at(-1) ?? '')).toEqual(saved)
    session.close()
    const again = await world.settled(resume(saved, world.options()))
    expect(await world.settled(again.ping())).toBe('pong')
    again.close()
  })

  test('whose user is named is ready at once', async () => {
    const world = createWorld()
    const userPubkey = world.signer.user.pubkey
    const session = await importSession(foreign(world, { userPubkey }), world.options())
    expect(world.signer.heard).toEqual([])
    expect(session).toMatchObject({ userPubkey, state: 'ready' })
    expect((await world.settled(session.signEvent({ kind: 1, content: 'x' }))).pubkey).toBe(userPubkey)
    session.close()
  })

  test('that the remote signer does not know is refused, and leaves nothing behind', async () => {
    const world = createWorld()
    world.signer.script('get_public_key', ({ id }) => failed(id, 'unauthorized: not connected'))
    const outcome = await world.failure(importSession(foreign(world), world.options()))
    expect(outcome).toMatchObject({ code: 'remote/error', reason: 'session-invalid' })
    expect(world.clock.pending).toBe(0)
  })

  test('that answers with no pubkey is refused', async () => {
    const world = createWorld()
    world.signer.script('get_public_key', ({ id }) => okay(id, 'error'))
    const outcome = await world.failure(importSession(foreign(world), world.options()))
    expect(outcome.code).toMatch(/^response\//)
  })

  test('that nobody answers ends in time', async () => {
    const world = createWorld()
    world.signer.script('get_public_key', () => undefined)
    const outcome = await world.failure(importSession(foreign(world), world.options()), 120_000)
    expect(outcome.code).toBe('timeout/no-answer')
    expect(world.clock.pending).toBe(0)
  })

  test('of a NIP-04 client goes on in NIP-04 where the profile says so', async () => {
    const world = createWorld({ scheme: 'nip04' })
    const profile = clientProfile('E', { scheme: 'nip04' })
    const session = await world.settled(importSession(foreign(world), { ...world.options(), profile }))
    expect(await world.settled(session.ping())).toBe('pong')
    expect(session.save().session.profile.scheme).toBe('nip04')
    session.close()
  })

  test('with a plain relay needs a word', async () => {
    const plain = 'ws://relay.example/' as ForeignSession['relays'][number]
    const world = createWorld({ relays: [plain] })
    const imported = foreign(world, { relays: [plain] })
    expect((await world.failure(importSession(imported, world.options()))).code).toBe('uri/relay-insecure')
    const session = await world.settled(importSession(imported, world.options({ allowInsecureRelays: true })))
    session.close()
  })

  test.each<[string, Partial<ForeignSession>]>([
    ['a key that is no secret key', { clientSecretKey: 'f'.repeat(64) }],
    ['the key zero', { clientSecretKey: '0'.repeat(64) }],
    ['no relay', { relays: [] }],
    ['a remote signer that is none', { remoteSigner: 'x' as Pubkey }],
  ])('with %s is none', async (_, changes) => {
    const world = createWorld()
    const outcome = await world.failure(importSession(foreign(world, changes), world.options()))
    expect(outcome.code).toBe('session/import')
    expect(outcome.message).not.toMatch(/f{64}/)
    expect(world.network.subscriptions).toBe(1)
  })
})

function fail(): never {
  throw new Error(`from a proxy, with ${KEY}`)
}

function outcomeOf<T>(run: () => T): T | Error {
  try {
    return run()
  } catch (thrown) {
    return thrown as Error
  }
}

function thrownBy(run: () => unknown): unknown {
  const outcome = outcomeOf(run)
  if (!(outcome instanceof Nip46Error)) throw new Error('expected a Nip46Error', { cause: outcome })
  return outcome
}

function relayList(count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => `wss://r${index}.example/`)
}

function splice(text: string, at: number, piece: string): string {
  return text.slice(0, at % text.length) + piece + text.slice((at % text.length) + 1)
}

function flip(text: string): string {
  return text.slice(0, -1) + (text.endsWith('q') ? 'p' : 'q')
}

function bytesOf(hex: string): Uint8Array {
  return Uint8Array.from(Buffer.from(hex, 'hex'))
}

function tlv(type: number, hex: string): readonly number[] {
  const value = /^[0-9a-f]+$/.test(hex) ? bytesOf(hex) : new TextEncoder().encode(hex)
  return [type, value.length, ...value]
}

function relayTlv(relay: string): readonly number[] {
  return [2, relay.length, ...new TextEncoder().encode(relay)]
}

function encodeNbunksec(parts: readonly (readonly number[])[]): string {
  return encodeBech32('nbunksec', Uint8Array.from(parts.flat()))
}
