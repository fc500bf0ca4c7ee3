import { UsageError } from '@nip46/core'
import { describe, expect, test } from 'vitest'
import { base64Chars } from '../src/base64.ts'
import { PLAINTEXT_BYTES, PLAINTEXT_BYTES_MAX } from '../src/limits.ts'
import { decryptNip44, encryptNip44, nip44KeysFrom, nip44Limits, payloadBytes } from '../src/nip44.ts'
import { symmetrics } from './symmetrics.ts'

const nonce = new Uint8Array(32).fill(2)
const open = nip44Limits(1_000_000, true)

describe.each(symmetrics)('with the symmetric code of $name', ({ symmetric }) => {
  const keys = nip44KeysFrom(symmetric, new Uint8Array(32).fill(1))

  describe('the size of a NIP-44 text', () => {
    test('is allowed up to the limit and refused one over, both ways', () => {
      for (const limit of [1, 32, 100, 65_535, 65_536, PLAINTEXT_BYTES]) {
        const limits = nip44Limits(limit, true)
        const [atLimit, over] = ['a'.repeat(limit), 'a'.repeat(limit + 1)]
        expect(decryptNip44(keys, encryptNip44(keys, atLimit, nonce, limits), limits)).toEqual({
          ok: true,
          value: atLimit,
        })
        expect(() => encryptNip44(keys, over, nonce, limits)).toThrow(UsageError)
        expect(decryptNip44(keys, encryptNip44(keys, over, nonce, open), limits)).toEqual({
          ok: false,
          error: 'nip44/too-large',
        })
      }
    })

    test('counts in UTF-8 bytes', () => {
      expect(() => encryptNip44(keys, '\u00e9'.repeat(51), nonce, nip44Limits(100, false))).toThrow(
        /102 bytes/,
      )
    })

    test('refuses a payload one character over before it is decoded, whatever it holds', () => {
      const limits = nip44Limits(100, false)
      const longest = base64Chars(payloadBytes(100))
      expect(decryptNip44(keys, '!'.repeat(longest), limits)).toEqual({
        ok: false,
        error: 'nip44/base64',
      })
      expect(decryptNip44(keys, '!'.repeat(longest + 1), limits)).toEqual({
        ok: false,
        error: 'nip44/too-large',
      })
    })

    test('over 65,535 bytes is sent only when configured, and always accepted', () => {
      const text = 'a'.repeat(65_536)
      expect(() => encryptNip44(keys, text, nonce, nip44Limits(PLAINTEXT_BYTES, false))).toThrow(
        /sendExtended/,
      )
      const payload = encryptNip44(keys, text, nonce, nip44Limits(PLAINTEXT_BYTES, true))
      expect(decryptNip44(keys, payload, nip44Limits(PLAINTEXT_BYTES, false))).toEqual({
        ok: true,
        value: text,
      })
      expect(decryptNip44(keys, payload, nip44Limits(65_535, false)).ok).toBe(false)
    })

    test('can be configured from 1 to the highest that fits a string', () => {
      for (const size of [1, PLAINTEXT_BYTES_MAX])
        expect(nip44Limits(size, false).maxPlaintextBytes).toBe(size)
      for (const size of [0, -1, 1.5, Number.NaN, Infinity, PLAINTEXT_BYTES_MAX + 1])
        expect(() => nip44Limits(size, false)).toThrow(UsageError)
      expect(base64Chars(payloadBytes(PLAINTEXT_BYTES_MAX))).toBeLessThan(2 ** 29 - 24)
    })

    test('the smallest payload is 132 characters', () => {
      expect(encryptNip44(keys, 'a', nonce, open)).toHaveLength(132)
    })
  })

  describe('the keys of a conversation', () => {
    test('a nonce changes everything, and the same nonce nothing', () => {
      const other = new Uint8Array(32).fill(3)
      const payload = encryptNip44(keys, 'hello', nonce, open)
      expect(encryptNip44(keys, 'hello', nonce, open)).toBe(payload)
      const ciphertext = payload.slice(48)
      expect(encryptNip44(keys, 'hello', other, open).slice(48)).not.toBe(ciphertext)
    })
  })
})
