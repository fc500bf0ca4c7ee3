import { UsageError } from '@nip46/core'
import { describe, expect, test } from 'vitest'
import {
  decodeNprofile,
  decodeNpub,
  decodeNsec,
  encodeNprofile,
  encodeNpub,
  encodeNsec,
  generateSecretKey,
  hexToBytes,
} from '../src/index.ts'

// The examples of NIP-19.
const PUBKEY = '7e7e9c42a91bfef19fa929e5fda1b72e0ebc1a4c1141673e2794234d86addf4e'
const NPUB = 'npub10elfcs4fr0l0r8af98jlmgdh9c8tcxjvz9qkw038js35mp4dma8qzvjptg'
const SECRET = '67dea2ed018072d675f5415ecfaed7d2597555e202d85b3d65ea4e58d2d92ffa'
const NSEC = 'nsec1vl029mgpspedva04g90vltkh6fvh240zqtv9k0t9af8935ke9laqsnlfe5'
const PROFILE = {
  text: 'nprofile1qqsrhuxx8l9ex335q7he0f09aej04zpazpl0ne2cgukyawd24mayt8gpp4mhxue69uhhytnc9e3k7mgpz4mhxue69uhkg6nzv9ejuumpv34kytnrdaksjlyr9p',
  pubkey: '3bf0c63fcb93463407af97a5e5ee64fa883d107ef9e558472c4eb9aaaefa459d',
  relays: ['wss://r.x.com', 'wss://djbas.sadkb.com'],
}

describe('keys as text', () => {
  test('npub, both ways', () => {
    expect(encodeNpub(PUBKEY)).toBe(NPUB)
    expect(decodeNpub(NPUB)).toBe(PUBKEY)
  })

  test('nsec, both ways', () => {
    expect(encodeNsec(hexToBytes(SECRET))).toBe(NSEC)
    expect(decodeNsec(NSEC)).toEqual(hexToBytes(SECRET))
  })

  test('nprofile, both ways', () => {
    expect(encodeNprofile(PROFILE.pubkey, PROFILE.relays)).toBe(PROFILE.text)
    expect(decodeNprofile(PROFILE.text)).toEqual({ pubkey: PROFILE.pubkey, relays: PROFILE.relays })
  })

  test('an nsec that is mistyped, of another kind, or no valid key is refused', () => {
    for (const text of [
      '',
      'nsec1',
      NPUB,
      `${NSEC}q`,
      NSEC.replace('vl0', 'vl9'),
      encodeNsec(new Uint8Array(32)),
    ])
      expect(decodeNsec(text)).toBeUndefined()
  })

  test('what cannot be written is refused as our own mistake', () => {
    expect(() => encodeNsec(new Uint8Array(31))).toThrow(UsageError)
    expect(() => encodeNprofile('zz', [])).toThrow(UsageError)
    expect(() => encodeNprofile(PUBKEY, [`wss://${'a'.repeat(250)}`])).toThrow(UsageError)
    expect(() => encodeNprofile(PUBKEY, ['wss://\u00e9.example'])).toThrow(UsageError)
    expect(encodeNprofile(PUBKEY, [`wss://${'a'.repeat(249)}`])).toMatch(/^nprofile1/)
  })
})

describe('a fresh secret key', () => {
  test('is what the random source gives', () => {
    expect(generateSecretKey(() => hexToBytes(SECRET))).toEqual(hexToBytes(SECRET))
  })

  test('is drawn again if it is no scalar', () => {
    const draws = [new Uint8Array(32), new Uint8Array(32).fill(255), hexToBytes(SECRET)]
    expect(generateSecretKey(() => draws.shift() ?? new Uint8Array(32))).toEqual(hexToBytes(SECRET))
  })

  test('is never made of a broken source', () => {
    expect(() => generateSecretKey(() => new Uint8Array(32))).toThrow(UsageError)
    expect(() => generateSecretKey(() => new Uint8Array(16))).toThrow(UsageError)
  })
})
