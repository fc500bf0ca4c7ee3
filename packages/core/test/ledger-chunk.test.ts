import { err, ok } from '@nip46/core'
import { expect, test } from 'vitest'
import type { Answer } from '../src/ledger.ts'
import { type ChunkSealing, type LedgerChunk, openLedgerChunk, sealLedgerChunk } from '../src/ledger-chunk.ts'
import type { StoreSeal } from '../src/signer-store.ts'
import type { RelayUrl } from '../src/value.ts'

const [ONE, TWO] = ['wss://one.example/', 'wss://two.example/'] as [RelayUrl, RelayUrl]
const CONTEXT = 'part 7'

/** Its context in front, in plain sight: nothing here is about encryption. */
function createPlainSealing() {
  const opened: string[] = []
  const seal: StoreSeal = {
    seal: (plain, context) => Uint8Array.from([...Buffer.from(`${context}:`), ...plain]),
    open(sealed, context) {
      const prefix = Buffer.from(`${context}:`)
      if (!prefix.equals(sealed.subarray(0, prefix.length))) return err('bad-seal')
      opened.push(context)
      return ok(sealed.slice(prefix.length))
    },
  }
  const sealing: ChunkSealing = {
    seal,
    context: CONTEXT,
    encode: (text) => new TextEncoder().encode(text),
    decode: (bytes) => new TextDecoder('utf-8', { fatal: true }).decode(bytes),
  }
  return { sealing, opened }
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
  const { sealing, opened } = createPlainSealing()
  const chunk = openLedgerChunk(sealLedgerChunk(CHUNK, sealing), sealing)
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
  const { sealing } = createPlainSealing()
  expect(openLedgerChunk(sealLedgerChunk({}, sealing), sealing, true)).toEqual({})
})

test('texts that do not open count as no longer kept, unless all of them have to', () => {
  const { sealing } = createPlainSealing()
  const sealed = sealLedgerChunk(CHUNK, sealing)
  const textsAt = Buffer.from(sealed).indexOf(`${CONTEXT} texts`)
  sealed[textsAt] = 0
  const chunk = openLedgerChunk(sealed, sealing)
  expect([chunk?.['first']?.text, chunk?.['first']?.digest]).toEqual([null, 'd'.repeat(64)])
  expect(openLedgerChunk(sealed, sealing, true)).toBeUndefined()
})

test('what was changed, cut off or moved does not open', () => {
  const { sealing } = createPlainSealing()
  const sealed = sealLedgerChunk(CHUNK, sealing)
  expect(openLedgerChunk(sealed, { ...sealing, context: 'part 8' })).toBeUndefined()
  expect(openLedgerChunk(sealed.subarray(1), sealing)).toBeUndefined()
  for (const length of [0, 3, 4, 20])
    expect(openLedgerChunk(sealed.subarray(0, length), sealing)).toBeUndefined()
  const broken = sealLedgerChunk(CHUNK, sealing)
  broken[4 + `${CONTEXT} index:`.length] = 0x7d
  expect(openLedgerChunk(broken, sealing)).toBeUndefined()
})

test('what was opened does not hold on to the bytes around it', () => {
  const { sealing } = createPlainSealing()
  const sealed = sealLedgerChunk(CHUNK, sealing)
  const page = Buffer.concat([Buffer.alloc(10), sealed, Buffer.alloc(10)])
  const chunk = openLedgerChunk(page.subarray(10, 10 + sealed.length), sealing)
  page.fill(0)
  expect(chunk).toEqual(CHUNK)
})
