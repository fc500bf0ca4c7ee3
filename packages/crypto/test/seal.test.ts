import { UsageError } from '@nip46/core'
import { chacha20 } from '@noble/ciphers/chacha.js'
import { expand } from '@noble/hashes/hkdf.js'
import { hmac } from '@noble/hashes/hmac.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { describe, expect, test } from 'vitest'
import { bytesToHex } from '../src/index.ts'
import { SEAL_CONTEXT_CHARS, SEAL_PLAIN_BYTES } from '../src/limits.ts'
import { createSeal, SEAL_OVERHEAD_BYTES } from '../src/seal.ts'

const text = (value: string): Uint8Array => new TextEncoder().encode(value)
const key = new Uint8Array(32).fill(7)

describe('the format', () => {
  test('is what its description says, computed step by step with other code', () => {
    const nonce = new Uint8Array(32).fill(9)
    const sealed = createSeal(key, { random: () => nonce }).seal(text('a record'), 'sessions/ä')
    const tag = sha256(text('nip46/seal/1'))
    const place = sha256(Buffer.concat([tag, tag, nonce, text('sessions/ä')]))
    const keys = expand(sha256, key, place, 76)
    const body = chacha20(keys.subarray(0, 32), keys.subarray(32, 44), text('a record'))
    const mac = hmac(sha256, keys.subarray(44), Buffer.concat([nonce, body]))
    expect(bytesToHex(sealed)).toBe(bytesToHex(Buffer.concat([Uint8Array.of(1), nonce, body, mac])))
  })
})

describe('a seal', () => {
  const seal = createSeal(key)

  test('opens what it sealed, also nothing at all, and leaves the inputs as they were', () => {
    for (const plain of [
      text(''),
      text('a session'),
      new Uint8Array(3_000).fill(3),
      new Uint8Array(300_000),
    ]) {
      const before = Uint8Array.from(plain)
      const sealed = seal.seal(plain, 'sessions/1')
      expect(sealed.length).toBe(plain.length + SEAL_OVERHEAD_BYTES)
      expect(sealed[0]).toBe(1)
      const copy = Uint8Array.from(sealed)
      const opened = seal.open(sealed, 'sessions/1')
      expect(opened.ok && Uint8Array.from(opened.value)).toEqual(before)
      expect([plain, sealed]).toEqual([before, copy])
    }
  })

  test('never seals twice alike', () => {
    const all = Array.from({ length: 1_000 }, () => bytesToHex(seal.seal(text('the same'), 'here')))
    expect(new Set(all).size).toBe(1_000)
  })

  test('opens under the same key in another process, and under no other key', () => {
    const sealed = seal.seal(text('kept'), 'here')
    const later = createSeal(Uint8Array.from(key)).open(sealed, 'here')
    expect(later.ok && Buffer.from(later.value).toString()).toBe('kept')
    const stranger = createSeal(new Uint8Array(32).fill(8)).open(sealed, 'here')
    expect(stranger).toEqual({ ok: false, error: 'bad-seal' })
  })

  test('does not open elsewhere', () => {
    const sealed = seal.seal(text('kept'), 'sessions/1')
    for (const context of ['sessions/2', 'sessions/', '', 'session', 'keys/1'])
      expect(seal.open(sealed, context)).toEqual({ ok: false, error: 'bad-seal' })
  })

  test('does not open with any bit changed, cut short anywhere, or with a byte more', () => {
    const sealed = seal.seal(text('kept'), 'here')
    const bad = { ok: false, error: 'bad-seal' }
    for (let bit = 0; bit < 8 * sealed.length; bit++) {
      const changed = Uint8Array.from(sealed)
      changed[bit >> 3] = (changed[bit >> 3] as number) ^ (1 << (bit & 7))
      expect(seal.open(changed, 'here')).toEqual(bad)
    }
    for (let length = 0; length < sealed.length; length++)
      expect(seal.open(sealed.subarray(0, length), 'here')).toEqual(bad)
    expect(seal.open(Uint8Array.from([...sealed, 0]), 'here')).toEqual(bad)
  })

  test('keeps its own copy of the key, until it is destroyed', () => {
    const mine = Uint8Array.from(key)
    const own = createSeal(mine)
    mine.fill(0)
    const sealed = own.seal(text('kept'), 'here')
    expect(seal.open(sealed, 'here').ok).toBe(true)
    own.destroy()
    own.destroy()
    expect(() => own.seal(text('x'), 'here')).toThrow(UsageError)
    expect(() => own.open(sealed, 'here')).toThrow('make another')
  })

  test('takes a record at the limit and none over it', () => {
    const record = new Uint8Array(SEAL_PLAIN_BYTES + 1)
    const sealed = seal.seal(record.subarray(1), 'large')
    const opened = seal.open(sealed, 'large')
    expect(opened.ok && opened.value.length).toBe(SEAL_PLAIN_BYTES)
    expect(() => seal.seal(record, 'large')).toThrow(UsageError)
    expect(seal.open(new Uint8Array(sealed.length + 1).fill(1), 'large').ok).toBe(false)
  })

  test('takes a context at the limit, none over it, and none that would be written as another', () => {
    const longest = 'c'.repeat(SEAL_CONTEXT_CHARS)
    expect(seal.open(seal.seal(text('x'), longest), longest).ok).toBe(true)
    expect(() => seal.seal(text('x'), `${longest}c`)).toThrow(UsageError)
    expect(() => seal.open(new Uint8Array(50), `${longest}c`)).toThrow(UsageError)
    expect(() => seal.seal(text('x'), '\ud800')).toThrow('well-formed')
  })

  test('takes no key of another length and no dice that give too little', () => {
    expect(() => createSeal(new Uint8Array(31))).toThrow('32 bytes')
    expect(() => createSeal(key, { random: () => new Uint8Array(12) }).seal(text('x'), 'c')).toThrow('32')
  })
})
