import { seededRandom } from '@nip46/testing'
import { describe, expect, test } from 'vitest'
import { base64Bytes, base64Chars, bufferBase64, nativeBase64, portableBase64 } from '../src/base64.ts'

const codecs = [portableBase64, bufferBase64, nativeBase64].filter((codec) => codec !== undefined)

if (nativeBase64 === undefined) console.log('left out: this host has no Uint8Array.prototype.setFromBase64')

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
})
