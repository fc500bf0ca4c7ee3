import { expect, test } from 'vitest'
import type { Answer } from '../src/ledger.ts'
import { type LedgerChunk, openLedgerChunk, sealLedgerChunk } from '../src/ledger-chunk.ts'
import { createJsonSeal } from '../src/sealed-json.ts'
import type { RelayUrl } from '../src/value.ts'
import { createPlainSeal, utf8 } from './plain-seal.ts'

const [ONE, TWO] = ['wss://one.example/', 'wss://two.example/'] as [RelayUrl, RelayUrl]
const CONTEXT = 'part 7'

function createPlainJson() {
  const { seal, opened } = createPlainSeal()
  return { json: createJsonSeal(seal, utf8), opened }
}

function answer(text: string | null, relays: readonly RelayUrl[] = [ONE]): Answer {
  return { digest: 'd'.repeat(64), text, at: 1_700_000_000_000, relays, resends: 1 }
}

const CHUNK: LedgerChunk = Object.fromEntries([
  ['first', answer('{"id":"first","result":"\u{1f984}\u2028\u0000"}')],
  ['lean', answer(null, [TWO, ONE])],
  ['last', answer('', [])],
  ['__proto__', answer('{"id":"__proto__"}', [TWO])],
])

test('a chunk comes back as it was, its texts only when somebody looks at one, and then once', () => {
  const { json, opened } = createPlainJson()
  const chunk = openLedgerChunk(sealLedgerChunk(CHUNK, json, CONTEXT), json, CONTEXT)
  if (chunk === undefined) throw new Error('it does not open')
  expect(opened).toEqual([`${CONTEXT} index`])
  expect(Object.keys(chunk)).toEqual(Object.keys(CHUNK))
  expect(Object.hasOwn(chunk, '__proto__')).toBe(true)
  expect([chunk['lean']?.text, chunk['first']?.digest, chunk['last']?.relays]).toEqual([
    null,
    'd'.repeat(64),
    [],
  ])
  expect(opened).toHaveLength(1)
  expect(JSON.stringify(chunk)).toBe(JSON.stringify(CHUNK))
  expect({ ...chunk['first'] }).toEqual(CHUNK['first'])
  expect(opened).toEqual([`${CONTEXT} index`, `${CONTEXT} texts`])
})

test('an empty chunk is one too', () => {
  const { json } = createPlainJson()
  expect(openLedgerChunk(sealLedgerChunk({}, json, CONTEXT), json, CONTEXT, true)).toEqual({})
})

test('texts that do not open count as no longer kept, unless all of them have to', () => {
  const { json } = createPlainJson()
  const sealed = sealLedgerChunk(CHUNK, json, CONTEXT)
  const textsAt = Buffer.from(sealed).indexOf(`${CONTEXT} texts`)
  sealed[textsAt] = 0
  const chunk = openLedgerChunk(sealed, json, CONTEXT)
  expect([chunk?.['first']?.text, chunk?.['first']?.digest]).toEqual([null, 'd'.repeat(64)])
  expect(openLedgerChunk(sealed, json, CONTEXT, true)).toBeUndefined()
})

test('what was changed, cut off or moved does not open', () => {
  const { json } = createPlainJson()
  const sealed = sealLedgerChunk(CHUNK, json, CONTEXT)
  expect(openLedgerChunk(sealed, json, 'part 8')).toBeUndefined()
  expect(openLedgerChunk(sealed.subarray(1), json, CONTEXT)).toBeUndefined()
  for (const length of [0, 3, 4, 20])
    expect(openLedgerChunk(sealed.subarray(0, length), json, CONTEXT)).toBeUndefined()
  const broken = sealLedgerChunk(CHUNK, json, CONTEXT)
  broken[4 + `${CONTEXT} index:`.length] = 0x7d
  expect(openLedgerChunk(broken, json, CONTEXT)).toBeUndefined()
})

test('what was opened does not hold on to the bytes around it', () => {
  const { json } = createPlainJson()
  const sealed = sealLedgerChunk(CHUNK, json, CONTEXT)
  const page = Buffer.concat([Buffer.alloc(10), sealed, Buffer.alloc(10)])
  const chunk = openLedgerChunk(page.subarray(10, 10 + sealed.length), json, CONTEXT)
  page.fill(0)
  expect(chunk).toEqual(CHUNK)
})
