import { UsageError } from '@nip46/core'
import { seededRandom } from '@nip46/testing'
import { expect, test } from 'vitest'
import { smallCrypto } from '../src/small.ts'
import { smallNip04 } from '../src/small-nip04.ts'

const random = seededRandom('small crypto')

function converse(crypto: ReturnType<typeof smallCrypto>, mine: Uint8Array, theirs: Uint8Array) {
  const opened = crypto.importKey(mine).conversation(crypto.importKey(theirs).pubkey)
  if (!opened.ok) throw new Error('derived keys are valid')
  return opened.value
}

test('NIP-04 is left out unless it is given: encrypting says so, and nothing opens', () => {
  const [mine, theirs] = [random.bytes(32), random.bytes(32)]
  const without = converse(smallCrypto(), mine, theirs)
  const both = converse(smallCrypto({ nip04: smallNip04 }), theirs, mine)
  const payload = both.nip04Encrypt('hello', random.bytes(16))
  expect(() => without.nip04Encrypt('hello', random.bytes(16))).toThrow(UsageError)
  expect(() => without.nip04Encrypt('hello', random.bytes(16))).toThrow(/small-nip04/)
  expect(without.nip04Decrypt(payload)).toEqual({ ok: false, error: 'nip04/payload' })
  expect(both.nip04Decrypt(payload)).toEqual({ ok: true, value: 'hello' })
  expect(both.nip44Decrypt(without.nip44Encrypt('hi', random.bytes(32)))).toEqual({ ok: true, value: 'hi' })
})

test('a caller may bring limits and a random source of their own', () => {
  const crypto = smallCrypto({ maxPlaintextBytes: 100, random: (length) => random.bytes(length) })
  const own = converse(crypto, random.bytes(32), random.bytes(32))
  expect(() => own.nip44Encrypt('a'.repeat(101), random.bytes(32))).toThrow(UsageError)
  expect(own.nip44Decrypt(own.nip44Encrypt('a'.repeat(100), random.bytes(32))).ok).toBe(true)
})
