import { bytesToHex, hexToBytes, utf8ToBytes } from '@noble/hashes/utils.js'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeBech32, decodeNprofile, decodeNpub, encodeBech32, encodeNpub } from '../src/bech32.ts'
import { BECH32_CHARS } from '../src/limits.ts'
import { isPubkey, parsePubkey } from '../src/pubkey.ts'
import { UsageError } from '../src/value.ts'
import { isOnCurve } from './bip340.ts'

/** From NIP-19. */
const NPUB = 'npub10elfcs4fr0l0r8af98jlmgdh9c8tcxjvz9qkw038js35mp4dma8qzvjptg'
const HEX = '7e7e9c42a91bfef19fa929e5fda1b72e0ebc1a4c1141673e2794234d86addf4e'
const NPROFILE =
  'nprofile1qqsrhuxx8l9ex335q7he0f09aej04zpazpl0ne2cgukyawd24mayt8gpp4mhxue69uhhytnc9e3k7mgpz4mhxue69uhkg6nzv9ejuumpv34kytnrdaksjlyr9p'
const NPROFILE_HEX = '3bf0c63fcb93463407af97a5e5ee64fa883d107ef9e558472c4eb9aaaefa459d'

describe('A public key', () => {
  it('is known by the generator point and refused in any other shape', () => {
    const generator = '79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798'
    expect(isPubkey(generator)).toBe(true)
    for (const text of [
      '',
      generator.slice(1),
      `${generator}0`,
      generator.toUpperCase(),
      `${generator}\n`,
      'g'.repeat(64),
    ]) {
      expect(isPubkey(text)).toBe(false)
    }
  })

  it.each([
    ['zero', '0'.repeat(64)],
    ['a point of the twist', 'eb1f7200aecaa86682376fb1c13cd12b732221e774f553b0a0857f88fa20f86d'],
    ['the field prime', 'fffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc2f'],
    ['the prime plus a good x', 'fffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc30'],
    ['all ones', 'f'.repeat(64)],
  ])('is not %s', (_, hex) => {
    expect(isPubkey(hex)).toBe(false)
  })

  it('is on the curve exactly when Euler says so', () => {
    const hex = fc.uint8Array({ minLength: 32, maxLength: 32 }).map(bytesToHex)
    fc.assert(
      fc.property(hex, (x) => isPubkey(x) === isOnCurve(x)),
      { seed: 46, numRuns: 300 },
    )
    for (let x = 0; x < 100; x++) {
      const small = x.toString(16).padStart(64, '0')
      expect([x, isPubkey(small)]).toEqual([x, isOnCurve(small)])
    }
  })

  it.each([HEX, HEX.toUpperCase(), ` ${HEX}\n`, NPUB, NPUB.toUpperCase()])('is read from %s', (text) => {
    expect(parsePubkey(text)).toEqual({ ok: true, value: HEX })
  })

  it('is read from an nprofile', () => {
    expect(parsePubkey(NPROFILE)).toEqual({ ok: true, value: NPROFILE_HEX })
  })

  it.each([
    ['an empty text', ''],
    ['a secret key', 'nsec1vl029mgpspedva04g90vltkh6fvh240zqtv9k0t9af8935ke9laqsnlfe5'],
    ['an npub with a typing error', NPUB.replace('10elf', '10e1f')],
    ['an npub in two cases', `${NPUB.slice(0, -1)}G`],
    ['an npub off the curve', encodeNpub('0'.repeat(63).concat('5'))],
  ])('is not read from %s', (_, text) => {
    expect(parsePubkey(text)).toEqual({ ok: false, error: 'pubkey' })
  })

  it('is written as npub', () => {
    expect(encodeNpub(HEX)).toBe(NPUB)
  })
})

describe('Bech32', () => {
  // BIP-173 "Test vectors": those without a length over 90, which NIP-19 lifts.
  it.each([
    'A12UEL5L',
    'a12uel5l',
    'an83characterlonghumanreadablepartthatcontainsthenumber1andtheexcludedcharactersbio1tt5tgs',
    'abcdef1qpzry9x8gf2tvdw0s3jn54khce6mua7lmqqqxw',
    '11qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqc8247j',
  ])('has a good checksum in %s', (text) => {
    const changed = text.slice(0, -1) + (text.endsWith('7') ? 'q' : '7')
    expect(decodeBech32(changed)).toBeUndefined()
    const decoded = decodeBech32(text)
    // Two of the vectors hold bits that no bytes make; the others come back as they were.
    if (decoded !== undefined) expect(encodeBech32(decoded.prefix, decoded.bytes)).toBe(text.toLowerCase())
  })

  it.each([
    ' 1nwldj5',
    '\x7f1axkwrx',
    '\x801eym55h',
    'pzry9x0s0muk',
    '1pzry9x0s0muk',
    'x1b4n0q5v',
    'li1dgmt3',
    'de1lg7wt\xff',
    'A1G7SGD8',
    '10a06t8',
    '1qzzfhee',
  ])('refuses %j', (text) => {
    expect(decodeBech32(text)).toBeUndefined()
  })

  it('holds whole bytes: a character too many, or a stray bit, is refused', () => {
    expect(decodeBech32('x1qqqqqqqqcxze6c')?.bytes).toEqual(new Uint8Array(5))
    expect(decodeBech32('x1qqqqqqqqqdh4wj0')).toBeUndefined()
    expect(decodeBech32('x1qqmkfy3s')?.bytes).toEqual(new Uint8Array(1))
    expect(decodeBech32('x1qpxqa3vz')).toBeUndefined()
  })

  it('gives back what it wrote', () => {
    const prefix = fc.stringMatching(/^[a-z0-9]{1,12}$/)
    fc.assert(
      fc.property(prefix, fc.uint8Array({ maxLength: 100 }), (name, bytes) => {
        expect(decodeBech32(encodeBech32(name, bytes))).toEqual({ prefix: name, bytes })
      }),
      { seed: 46, numRuns: 200 },
    )
  })

  it('notices every single wrong character', () => {
    for (let i = 0; i < NPUB.length; i++) {
      for (const char of 'q7') {
        const changed = NPUB.slice(0, i) + char + NPUB.slice(i + 1)
        if (changed !== NPUB) expect(decodeNpub(changed)).toBeUndefined()
      }
    }
  })

  it('ends at the limit of characters', () => {
    // "x1", 8 characters for each 5 bytes, 6 of checksum.
    const bytes = new Uint8Array(((BECH32_CHARS - 8) * 5) / 8)
    const atLimit = encodeBech32('x', bytes)
    expect(atLimit).toHaveLength(BECH32_CHARS)
    expect(decodeBech32(atLimit)?.bytes).toHaveLength(bytes.length)
    expect(() => encodeBech32('xy', bytes)).toThrow(UsageError)
    expect(decodeBech32(`x${atLimit}`)).toBeUndefined()
  })

  it('writes no prefix that it would not read', () => {
    expect(() => encodeBech32('Npub', new Uint8Array(1))).toThrow(UsageError)
    expect(() => encodeBech32('', new Uint8Array(1))).toThrow(UsageError)
  })
})

describe('An nprofile', () => {
  it('holds a key and relays', () => {
    expect(decodeNprofile(NPROFILE)).toEqual({
      pubkey: NPROFILE_HEX,
      relays: ['wss://r.x.com', 'wss://djbas.sadkb.com'],
    })
  })

  const key = hexToBytes(NPROFILE_HEX)
  const entry = (type: number, value: Uint8Array): number[] => [type, value.length, ...value]
  const write = (...entries: number[][]): string => encodeBech32('nprofile', Uint8Array.from(entries.flat()))

  it('may hold entries of unknown types', () => {
    const text = write(entry(7, utf8ToBytes('?')), entry(0, key), entry(1, utf8ToBytes('wss://a')))
    expect(decodeNprofile(text)).toEqual({ pubkey: NPROFILE_HEX, relays: ['wss://a'] })
  })

  it.each([
    ['no key', write(entry(1, utf8ToBytes('wss://a')))],
    ['a short key', write(entry(0, key.subarray(1)))],
    ['an entry that ends too early', write([0, 33, ...key])],
    ['a type without a length', write(entry(0, key), [1])],
    ['nothing', write([])],
    ['another prefix', encodeBech32('npub', Uint8Array.from(entry(0, key)))],
  ])('is refused with %s', (_, text) => {
    expect(decodeNprofile(text)).toBeUndefined()
  })
})
