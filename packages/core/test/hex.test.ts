import { describe, expect, test } from 'vitest'
import { bytesToHex, hexToBytes, UsageError } from '../src/index.ts'

describe('hex', () => {
  test('is two lower-case digits for each byte, there and back', () => {
    const bytes = Uint8Array.from({ length: 256 }, (_, byte) => byte)
    const hex = bytesToHex(bytes)
    expect(hex).toHaveLength(512)
    expect(hex.startsWith('000102')).toBe(true)
    expect(hex.endsWith('fdfeff')).toBe(true)
    expect(hexToBytes(hex)).toEqual(bytes)
    expect(hexToBytes(hex.toUpperCase())).toEqual(bytes)
    expect(bytesToHex(new Uint8Array(0))).toBe('')
    expect(hexToBytes('')).toEqual(new Uint8Array(0))
  })

  test('of something that is no text is refused', () => {
    for (const value of [17, undefined, null, [], ['00']])
      expect(() => hexToBytes(value as unknown as string)).toThrow(TypeError)
  })

  test.each([
    '0',
    'abc',
    '0g',
    ' 00',
    '00 ',
    '0x00',
    '00\n',
    '\uff10\uff10',
    '@0',
    ':0',
    '`0',
    'G0',
    '\u0130\u0130',
    '\u212a0',
    '00\u0130',
  ])('of %j is refused', (text) => {
    expect(() => hexToBytes(text)).toThrow(UsageError)
  })
})
