import { ok } from '@nip46/core'
import { expect, test } from 'vitest'
import { createJsonSeal } from '../src/sealed-json.ts'
import { createPlainSeal, utf8 } from './plain-seal.ts'

test('a value comes back from its own place only', () => {
  const json = createJsonSeal(createPlainSeal().seal, utf8)
  for (const value of [null, false, 0, '', '\u{1f984}\ud800', [1, { a: [] }]]) {
    const sealed = json.seal(value, 'place 1')
    expect(json.open(sealed, 'place 1')).toEqual(value)
    expect(json.open(sealed, 'place 2')).toBeUndefined()
  }
})

test('what opens and is no JSON, or no UTF-8, was not written by a store', () => {
  const { seal } = createPlainSeal()
  const json = createJsonSeal(seal, utf8)
  for (const plain of [[0x7b], [0x22, 0xff, 0x22], []])
    expect(json.open(seal.seal(Uint8Array.from(plain), 'place'), 'place')).toBeUndefined()
})

test('the bytes of the plaintext are wiped, those that were sealed and those that were opened', () => {
  const plaintexts: Uint8Array[] = []
  const keep = (bytes: Uint8Array): Uint8Array => {
    plaintexts.push(bytes)
    return bytes
  }
  const json = createJsonSeal(
    { seal: (plain) => plain.slice(), open: (sealed) => ok(keep(sealed.slice())) },
    { encode: (text) => keep(utf8.encode(text)), decode: utf8.decode },
  )
  expect(json.open(json.seal('canary', ''), '')).toBe('canary')
  expect(json.open(Uint8Array.of(0x7b), '')).toBeUndefined()
  const failing = createJsonSeal(
    {
      seal() {
        throw new Error('too large')
      },
      open: ok,
    },
    { encode: (text) => keep(utf8.encode(text)), decode: utf8.decode },
  )
  expect(() => failing.seal('canary', '')).toThrow('too large')
  expect(plaintexts).toHaveLength(4)
  for (const bytes of plaintexts) expect(bytes.every((byte) => byte === 0)).toBe(true)
})
