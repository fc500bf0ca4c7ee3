import { seededRandom } from '@nip46/testing'
import { describe, expect, test } from 'vitest'
import { base64Bytes, base64Chars } from '../src/base64-codec.ts'
import { bufferBase64 } from '../src/base64-node.ts'
import { HAS_NATIVE, nativeBase64, webBase64 } from '../src/base64-portable.ts'

const codecs = [
  { name: 'web', ...webBase64 },
  { name: 'buffer', ...bufferBase64 },
  ...(HAS_NATIVE ? [{ name: 'native', ...nativeBase64 }] : []),
]

if (!HAS_NATIVE) console.log('left out: this host has no Uint8Array.prototype.setFromBase64')

describe.each(codecs)('base64 with the $name codec', ({ encode, decode }) => {
  const decoded = (text: string): Uint8Array | undefined => {
    const length = base64Bytes(text)
    if (length === undefined) return undefined
    const into = new Uint8Array(length)
    return decode(text, into) ? into : undefined
  }

  test('agrees with Node on every length from 0 to 300, at any place in a buffer', () => {
    const random = seededRandom('base64')
    for (let length = 0; length <= 300; length++) {
      const bytes = random.bytes(length + 3).subarray(3)
      const text = encode(bytes)
      expect(text).toBe(Buffer.from(bytes).toString('base64'))
      expect(text).toHaveLength(base64Chars(length))
      expect(decoded(text)).toEqual(Uint8Array.from(bytes))
    }
  })

  test('has exactly one text for each byte string', () => {
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
    let accepted = 0
    for (const last of alphabet) {
      if (decoded(`A${last}==`) !== undefined) accepted++
      if (decoded(`AA${last}=`) !== undefined) accepted++
    }
    expect(accepted).toBe(4 + 16)
  })

  test.each([
    'A',
    'AA',
    'AAA',
    'AAAAA',
    'A===',
    '====',
    '=AAA',
    'A=AA',
    'AA=A',
    'AAAA====',
    'AA==AAAA',
    'AAA=AAAA',
    'AAAAAA=A',
    'AAA-',
    'AAA_',
    'AAA ',
    ' AAA',
    'AA A',
    'A A=',
    'AA\n=',
    'AAA\n',
    '\nAAAA\n\n\n',
    'AAAA   \t',
    'AA\u00c4=',
    'AA\u0141A',
    '\uff21AAA',
    'AAA\u0000',
    '!!!!',
  ])('refuses %j', (text) => {
    expect(decoded(text)).toBeUndefined()
  })

  test('the empty text is no bytes', () => {
    expect(decoded('')).toEqual(new Uint8Array(0))
  })

  test('agrees with the slow check on 40,000 spoiled texts', () => {
    const random = seededRandom('spoiled base64')
    const odd = [
      '-',
      '_',
      '=',
      ' ',
      '\n',
      '\t',
      '\r',
      '\0',
      '.',
      ',',
      '~',
      '\u00c1',
      '\u0141',
      '\uff21',
      '\ud83d',
      '\ufeff',
    ]
    let accepted = 0
    for (let i = 0; i < 40_000; i++) {
      const text = Array.from(Buffer.from(random.bytes(random.below(90))).toString('base64'))
      for (let spoils = random.below(4); spoils > 0; spoils--) {
        const at = random.below(text.length + 1)
        const pick = random.below(3)
        const put =
          pick === 0 ? (odd[random.below(odd.length)] ?? '') : String.fromCharCode(random.below(128))
        text.splice(pick === 2 ? Math.max(0, text.length - 1 - random.below(4)) : at, random.below(2), put)
      }
      const spoiled = text.join('')
      const slow = Buffer.from(spoiled, 'base64')
      const canonical = slow.toString('base64') === spoiled
      expect(decoded(spoiled), JSON.stringify(spoiled)).toEqual(canonical ? Uint8Array.from(slow) : undefined)
      if (canonical) accepted++
    }
    expect(accepted).toBeGreaterThan(10_000)
    expect(accepted).toBeLessThan(30_000)
  })
})
