import { canonicalJson } from '@nip46/core/remote-signer'
import { expect, test } from 'vitest'

test('equal values are one text, whatever the order of their members', () => {
  const text = '{"a":[1,{"b":null,"c":"\\"\\ud800"}],"z":true}'
  expect(canonicalJson({ z: true, a: [1, { c: '"\ud800', b: null }] })).toBe(text)
  expect(canonicalJson({ a: [1, { b: null, c: '"\ud800', d: undefined }], z: true })).toBe(text)
  expect(canonicalJson(JSON.parse(text))).toBe(text)
})

test('members are sorted by their code units, numbers among them', () => {
  expect(canonicalJson({ b: 1, '10': 2, '9': 3, B: 4, '\u{1f984}': 5, '\uffff': 6 })).toBe(
    '{"10":2,"9":3,"B":4,"b":1,"\u{1f984}":5,"\uffff":6}',
  )
})
