import { randomFillSync } from 'node:crypto'
import { beforeAll, describe, expect, test } from 'vitest'
import { createFixture, type Fixture } from '../src/scenario/fixture.ts'
import { messageCases } from '../src/scenario/messages.ts'
import { primitiveCases } from '../src/scenario/primitives.ts'
import { requestCases } from '../src/scenario/requests.ts'
import { BACKENDS, type Backend, loadBackend, loadBackends } from '../src/subject/backends.ts'
import { nostrToolsSubject, nostrToolsWasmSubject } from '../src/subject/nostr-tools.ts'
import { ownSubject } from '../src/subject/own.ts'
import type { Subject } from '../src/subject/subject.ts'

const random = (length: number): Uint8Array => randomFillSync(new Uint8Array(length))
let fixture: Fixture
let subjects: readonly Subject[]
let tiny: Backend

beforeAll(async () => {
  const { found } = await loadBackends()
  tiny = await loadBackend('tiny')
  fixture = await createFixture(tiny, random, 3)
  const own = await Promise.all(found.map((backend) => ownSubject(backend, fixture.keys, random)))
  subjects = [...own, nostrToolsSubject(fixture.keys), await nostrToolsWasmSubject(fixture.keys)]
})

test('every subject answers a sign_event request with the event that was asked for', () => {
  const { client, note, request } = fixture
  expect(subjects.length).toBeGreaterThanOrEqual(4)
  for (const subject of subjects) {
    expect(client.accepts(subject.answer(request), note), subject.name).toBe(true)
    expect(client.accepts(subject.answer(request), 'other'), subject.name).toBe(false)
  }
})

test('subjects read what the others encrypted', () => {
  for (const writer of subjects) {
    for (const reader of subjects) {
      expect(reader.decrypt(writer.encrypt('hi')), `${writer.name} to ${reader.name}`).toBe('hi')
      expect(reader.decryptLegacy(writer.encryptLegacy('hi')), `${writer.name} to ${reader.name}`).toBe('hi')
    }
  }
})

test('every subject reads the gift wraps', () => {
  for (const subject of subjects)
    expect(subject.unwrap(fixture.wraps), subject.name).toEqual(['wrap 0', 'wrap 1', 'wrap 2'])
})

test('our agreement is made anew on every call', async () => {
  const derived: string[] = []
  const watched: Backend = {
    name: 'watched',
    create: async (options) => {
      const crypto = await tiny.create(options)
      expect(options?.conversations === 1 || options === undefined).toBe(true)
      return {
        ...crypto,
        importKey(secret) {
          const key = crypto.importKey(secret)
          return {
            ...key,
            conversation(peer) {
              derived.push(peer)
              return key.conversation(peer)
            },
          }
        },
      }
    },
  }
  const subject = await ownSubject(watched, fixture.keys, random)
  derived.length = 0
  for (let i = 0; i < 4; i++) subject.agree()
  expect(derived).toHaveLength(4)
  for (let i = 1; i < 4; i++) expect(derived[i]).not.toBe(derived[i - 1])
})

describe('a subject with a wrong result is not timed:', () => {
  const broken = (part: Partial<Subject>): Subject => ({
    ...(subjects[0] as Subject),
    name: 'broken',
    ...part,
  })

  test('a signature that does not verify', () => {
    const sign = (content: string) => ({ ...(subjects[0] as Subject).sign(content), sig: '00'.repeat(64) })
    expect(() => primitiveCases(broken({ sign }), fixture)).toThrow('broken does not sign a note')
  })

  test('a verifier that says yes to everything', () => {
    expect(() => primitiveCases(broken({ verify: () => true }), fixture)).toThrow(
      'refuse a foreign signature',
    )
  })

  test('an encryption that nobody reads', () => {
    const encrypt = () => (subjects[0] as Subject).encrypt('something else')
    expect(() => messageCases(broken({ encrypt }), subjects[1] as Subject, [100])).toThrow('write NIP-44')
  })

  test('an answer to another question', () => {
    const answer = () => (subjects[0] as Subject).answer(fixture.client.request('other'))
    expect(() => requestCases(broken({ answer }), fixture)).toThrow('answer the request')
  })
})

describe('a backend that is not there', () => {
  test('is named with the reason, and the others are found', async () => {
    const { found, missing } = await loadBackends(['abacus', 'tiny'])
    expect(found.map(({ name }) => name)).toEqual(['tiny'])
    expect(missing).toEqual([{ name: 'abacus', reason: expect.stringMatching(/abacus/) }])
    expect(missing[0]?.reason).not.toMatch(/\/\w+\/\w+\//)
  })

  test('is one whose module has no such function, or whose function throws', async () => {
    const modules: Record<string, object> = {
      hollow: {},
      angry: {
        angryCrypto: () => {
          throw new Error('no library')
        },
      },
    }
    const { missing } = await loadBackends(['hollow', 'angry'], async (name) => modules[name])
    expect(missing).toEqual([
      { name: 'hollow', reason: '@nip46/crypto/hollow has no hollowCrypto' },
      { name: 'angry', reason: 'no library' },
    ])
  })
})

test('tiny and noble are always among the backends', async () => {
  const { found, missing } = await loadBackends()
  expect(found.map(({ name }) => name)).toEqual(expect.arrayContaining(['tiny', 'noble']))
  expect([...found, ...missing].map(({ name }) => name).toSorted()).toEqual([...BACKENDS].toSorted())
})
