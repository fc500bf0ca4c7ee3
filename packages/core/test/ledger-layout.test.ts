import { expect, test } from 'vitest'
import { type Answer, SMALL_CHUNK } from '../src/ledger.ts'
import type { LedgerChunk } from '../src/ledger-chunk.ts'
import { type Entry, layOut, type Part } from '../src/ledger-layout.ts'

const FIRST = 1_000

function answerOf(n: number): Answer {
  return { digest: `digest ${n}`, text: `answer ${n}`, at: n, relays: [], resends: 0 } as unknown as Answer
}

function chunkOf(from: number, count: number): LedgerChunk {
  return Object.fromEntries(Array.from({ length: count }, (_, i) => [`id-${from + i}`, answerOf(from + i)]))
}

test('an answer is written when it is given, and once more with its full chunk', () => {
  const full = chunkOf(0, SMALL_CHUNK + 1)
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
  const joined = { ...older, ...chunkOf(300, SMALL_CHUNK) }
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
  const chunks = [chunkOf(0, SMALL_CHUNK + 1), chunkOf(100, SMALL_CHUNK + 1), chunkOf(200, 1)]
  const stored = { chunks, parts: [1, 2, [3]] as readonly Part[] }
  expect(layOut(chunks.slice(1), stored, FIRST)).toEqual({ parts: [2, [3]], fresh: [], dropped: [1] })
})
