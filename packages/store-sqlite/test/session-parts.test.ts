import { type SignerSession, sealLedgerChunk } from '@nip46/core/remote-signer'
import { expect, test } from 'vitest'
import { LOOSE_ANSWERS } from '../src/limits.ts'
import { Packer } from '../src/packer.ts'
import { createRecordCodec } from '../src/record.ts'
import { type Entry, layOut, type Part } from '../src/session-parts.ts'
import { hexOf, sessionOf } from './calls.ts'
import { testSeal } from './folder.ts'

type Chunk = SignerSession['ledger']['chunks'][number]
type Answer = Chunk[string]

const FIRST = 1_000

function answerOf(n: number): Answer {
  return { digest: `digest ${n}`, text: `answer ${n}`, at: n, relays: [], resends: 0 } as unknown as Answer
}

function chunkOf(from: number, count: number): Chunk {
  return Object.fromEntries(Array.from({ length: count }, (_, i) => [`id-${from + i}`, answerOf(from + i)]))
}

test('an answer is written when it is given, and once more with its full chunk', () => {
  const full = chunkOf(0, LOOSE_ANSWERS + 1)
  const young = chunkOf(100, 2)
  const first = layOut([full, young], { chunks: [], parts: [] }, FIRST)
  expect(first).toEqual({
    parts: [FIRST, [FIRST + 1, FIRST + 2]],
    fresh: [full, ...Object.entries(young)],
    dropped: [],
  })

  const older = { ...young, 'id-102': answerOf(102) }
  const second = layOut([full, older], { chunks: [full, young], parts: first.parts }, 2_000)
  expect(second).toEqual({
    parts: [FIRST, [FIRST + 1, FIRST + 2, 2_000]],
    fresh: [['id-102', older['id-102']]],
    dropped: [],
  })

  const next = chunkOf(200, 1)
  const joined = { ...older, ...chunkOf(300, LOOSE_ANSWERS) }
  const third = layOut([joined, next], { chunks: [full, older], parts: second.parts }, 3_000)
  expect(third).toEqual({
    parts: [3_000, [3_001]],
    fresh: [joined, ...Object.entries(next)],
    dropped: [FIRST, FIRST + 1, FIRST + 2, 2_000],
  })
})

test('an answer that changed is written anew, the others of its chunk are not; one that goes takes its row along', () => {
  const chunk = chunkOf(0, 3)
  const stored = { chunks: [chunk], parts: [[1, 2, 3]] as readonly Part[] }
  const changed = { ...chunk, 'id-1': answerOf(9) }
  expect(layOut([changed], stored, FIRST)).toEqual({
    parts: [[1, FIRST, 3]],
    fresh: [['id-1', changed['id-1']]] satisfies Entry[],
    dropped: [2],
  })
  expect(layOut([], stored, FIRST)).toEqual({ parts: [], fresh: [], dropped: [1, 2, 3] })
})

test('a first chunk that goes leaves the rows of the others where they are', () => {
  const chunks = [chunkOf(0, LOOSE_ANSWERS + 1), chunkOf(100, LOOSE_ANSWERS + 1), chunkOf(200, 1)]
  const stored = { chunks, parts: [1, 2, [3]] as readonly Part[] }
  expect(layOut(chunks.slice(1), stored, FIRST)).toEqual({ parts: [2, [3]], fresh: [], dropped: [1] })
})

test('the chunk that was being filled is read where earlier stores kept it, and then written as rows', () => {
  const seal = testSeal()
  const codec = createRecordCodec(seal)
  const [signer, client] = [hexOf('signer', 0), hexOf('client', 1)]
  const last = chunkOf(0, 2)
  const { ledger: _, ...rest } = sessionOf(1)
  const head = { ...rest, ledger: { chars: 7, parts: [], last } }
  const bytes = seal.seal(new TextEncoder().encode(JSON.stringify(head)), `session ${signer} ${client} 5`)
  const row = { signer, client, revision: 5, head: [0, bytes.length] as const, parts: [] }
  const { value } = codec.session(row, new Uint8Array(bytes).buffer)
  expect(value.ledger).toEqual({ chunks: [last], chars: 7 })

  const { signerPubkey, clientPubkey } = value
  const change = { signerPubkey, clientPubkey, revision: 5, before: value, after: { ...value } }
  const plain = codec.encode({ session: change }, new Packer())
  expect(plain.session).toMatchObject({ dropped: 'all', parts: [{ length: 2 }, { length: 2 }] })
})

test('a full chunk is read from two pieces, its texts when they are needed, and from one where earlier stores kept it so', () => {
  const seal = testSeal()
  const codec = createRecordCodec(seal)
  const [signer, client] = [hexOf('signer', 0), hexOf('client', 1)]
  const full = chunkOf(0, LOOSE_ANSWERS + 1)
  const { ledger: _, ...rest } = sessionOf(1)
  const json = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value))
  const place = { seal, context: `part ${signer} ${client} 3` }
  const encode = (text: string): Uint8Array => new TextEncoder().encode(text)
  const two = sealLedgerChunk(full, { ...place, encode, decode: (bytes) => new TextDecoder().decode(bytes) })
  const damaged = Uint8Array.from(two)
  damaged[damaged.length - 1] = (damaged.at(-1) ?? 0) ^ 1
  const read = (part: Uint8Array, whole?: boolean) => {
    const head = seal.seal(
      json({ ...rest, ledger: { chars: 7, parts: [3] } }),
      `session ${signer} ${client} 5`,
    )
    const bytes = new Uint8Array([...head, ...part]).buffer
    const parts = [[3, [head.length, part.length]]] as const
    return codec.session({ signer, client, revision: 5, head: [0, head.length], parts }, bytes, whole).value
      .ledger
  }
  for (const part of [two, seal.seal(json(full), place.context)])
    for (const whole of [false, true]) expect(read(part, whole)).toEqual({ chunks: [full], chars: 7 })
  expect(read(damaged).chunks[0]?.['id-0']).toEqual({ ...full['id-0'], text: null })
  expect(() => read(damaged, true)).toThrow('a session')
})
