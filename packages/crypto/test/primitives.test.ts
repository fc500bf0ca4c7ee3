import { seededRandom } from '@nip46/testing'
import { cbc } from '@noble/ciphers/aes.js'
import { chacha20 } from '@noble/ciphers/chacha.js'
import { hkdf } from '@noble/hashes/hkdf.js'
import { hmac } from '@noble/hashes/hmac.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex, concatBytes, hexToBytes } from '@noble/hashes/utils.js'
import { describe, expect, test } from 'vitest'
import { encodeBase64 } from '../src/base64.ts'
import { equalBytes } from '../src/bytes.ts'
import { createNobleSymmetric } from '../src/symmetric-noble.ts'
import { decodeUtf8 } from '../src/utf8.ts'
import { describeShared, readSharedJson } from './shared-data.ts'
import { nip04s, symmetrics } from './symmetrics.ts'

interface Group<T> {
  readonly keySize: number
  readonly tagSize?: number
  readonly ivSize?: number
  readonly tests: readonly (T & { readonly tcId: number; readonly result: string })[]
}

function readGroups<T>(file: string): readonly Group<T>[] {
  return readSharedJson<{ readonly testGroups: readonly Group<T>[] }>(`vectors/wycheproof/${file}`).testGroups
}

describeShared('Wycheproof HMAC-SHA256', () => {
  test('all rows: the tag matches exactly when the row is valid', () => {
    let rows = 0
    for (const { tagSize = 256, tests } of readGroups<{ key: string; msg: string; tag: string }>(
      'hmac_sha256_test.json',
    ))
      for (const { tcId, key, msg, tag, result } of tests) {
        const mac = hmac(sha256, hexToBytes(key), hexToBytes(msg)).subarray(0, tagSize / 8)
        expect(equalBytes(mac, hexToBytes(tag)), `tcId ${tcId}`).toBe(result === 'valid')
        rows++
      }
    expect(rows).toBe(174)
  })
})

describeShared('Wycheproof HMAC-SHA256 with keys of 256 bits', () => {
  test.each(symmetrics)('as the MAC of a payload, by $name', ({ symmetric }) => {
    let rows = 0
    for (const { keySize, tagSize = 256, tests } of readGroups<{ key: string; msg: string; tag: string }>(
      'hmac_sha256_test.json',
    )) {
      if (keySize !== 256) continue
      for (const { tcId, key, msg, tag, result } of tests) {
        const message = hexToBytes(msg)
        const payload = symmetric.claim(1 + message.length + 32)
        const keys = symmetric.expand(new Uint8Array(symmetric.preparedBytes), new Uint8Array(32))
        keys.set(hexToBytes(key), 44)
        payload.set(message, 1)
        const mac = symmetric.mac(payload).subarray(0, tagSize / 8)
        expect(equalBytes(mac, hexToBytes(tag)), `tcId ${tcId}`).toBe(result === 'valid')
        symmetric.release(payload)
        rows++
      }
    }
    expect(rows).toBeGreaterThanOrEqual(50)
  })
})

describeShared('Wycheproof HKDF-SHA256', () => {
  test('the rows with outputs of up to 96 bytes, through our expansion; NIP-44 takes 76', () => {
    const symmetric = createNobleSymmetric({ name: '' })
    let rows = 0
    for (const { tests } of readGroups<{
      ikm: string
      salt: string
      info: string
      size: number
      okm: string
    }>('hkdf_sha256_test.json'))
      for (const { tcId, ikm, salt, info, size, okm, result } of tests) {
        if (size > 76 || result !== 'valid') continue
        const out = symmetric.expand(hmac(sha256, hexToBytes(salt), hexToBytes(ikm)), hexToBytes(info))
        expect(bytesToHex(out.subarray(0, size)), `tcId ${tcId}`).toBe(okm)
        rows++
      }
    expect(rows).toBeGreaterThanOrEqual(65)
  })
})

describe.each(symmetrics)('the symmetric code of $name', ({ symmetric }) => {
  const random = seededRandom('symmetric')

  test('derives the message keys of the library HKDF, for 50 random conversations, and forgets them', () => {
    const salt = new TextEncoder().encode('nip44-v2')
    for (let i = 0; i < 50; i++) {
      const [shared, nonce] = [random.bytes(32), random.bytes(32)]
      const key = new Uint8Array(32)
      const prepared = new Uint8Array(symmetric.preparedBytes)
      symmetric.conversationKey(shared, key)
      expect(key).toEqual(hmac(sha256, salt, shared))
      symmetric.prepare(key, prepared)
      const payload = symmetric.claim(100)
      const keys = symmetric.expand(prepared, nonce)
      expect(keys.slice(0, 76)).toEqual(hkdf(sha256, shared, salt, nonce, 76))
      payload.fill(1)
      symmetric.release(payload)
      for (const secret of [keys, payload]) expect(secret.every((byte) => byte === 0)).toBe(true)
    }
  })

  test('encrypts and authenticates as the libraries do, for bodies of 0 to 600 bytes and some large ones', () => {
    const prepared = new Uint8Array(symmetric.preparedBytes)
    symmetric.prepare(random.bytes(32), prepared)
    const lengths = [...Array(600).keys(), 1_023, 1_024, 4_096, 65_535, 98_310, 195_000, 200_001]
    for (const length of lengths) {
      const [nonce, body] = [random.bytes(32), random.bytes(length)]
      const payload = symmetric.claim(1 + 32 + length + 32)
      expect(payload).toHaveLength(65 + length)
      expect(payload.every((byte) => byte === 0)).toBe(true)
      payload.set(nonce, 1)
      payload.set(body, 33)
      const keys = symmetric.expand(prepared, nonce)
      const sealed = chacha20(keys.slice(0, 32), keys.slice(32, 44), body)
      const mac = hmac(sha256, keys.slice(44, 76), concatBytes(nonce, sealed))
      symmetric.cipher(payload)
      expect(equalBytes(payload.slice(33, 33 + length), sealed)).toBe(true)
      expect(equalBytes(symmetric.mac(payload), mac)).toBe(true)
      symmetric.release(payload)
    }
  })

  test('hashes texts of any length and script', () => {
    for (let length = 0; length < 300; length++)
      expect(symmetric.hashText('a'.repeat(length))).toBe(hexOfSha256('a'.repeat(length)))
    for (const text of ['\u00e9'.repeat(70_000), '\u{1f511}'.repeat(500), 'a'.repeat(300_000), '\ud800'])
      expect(symmetric.hashText(text)).toBe(hexOfSha256(text))
  })

  test('hashes behind a tag as BIP-340 has it', () => {
    const tag = new TextEncoder().encode('BIP0340/challenge')
    const start = sha256(tag)
    const hash = symmetric.taggedHash('BIP0340/challenge')
    for (let i = 0; i < 100; i++) {
      const parts = [random.bytes(i), random.bytes(32), random.bytes(3 * i)]
      const out = new Uint8Array(32)
      hash(parts, out)
      expect(out).toEqual(sha256(concatBytes(start, start, ...parts)))
    }
  })
})

function hexOfSha256(text: string): string {
  return bytesToHex(sha256(new TextEncoder().encode(text)))
}

describeShared('Wycheproof AES-CBC-PKCS5', () => {
  interface Row {
    readonly key: string
    readonly iv: string
    readonly msg: string
    readonly ct: string
  }
  const groups = readGroups<Row>('aes_cbc_pkcs5_test.json')

  test('all rows of every key size, on the cipher we build on', () => {
    let rows = 0
    for (const { tests } of groups)
      for (const { tcId, key, iv, msg, ct, result } of tests) {
        const decrypt = (): Uint8Array => cbc(hexToBytes(key), hexToBytes(iv)).decrypt(hexToBytes(ct))
        if (result === 'valid') {
          expect(bytesToHex(decrypt()), `tcId ${tcId}`).toBe(msg)
          expect(bytesToHex(cbc(hexToBytes(key), hexToBytes(iv)).encrypt(hexToBytes(msg)))).toBe(ct)
        } else expect(decrypt, `tcId ${tcId}`).toThrow()
        rows++
      }
    expect(rows).toBe(216)
  })

  test.each(nip04s)(
    'the rows with 256-bit keys, as NIP-04 payloads by $name: one error for everything that is wrong',
    ({ nip04 }) => {
      let rows = 0
      for (const { keySize, tests } of groups) {
        if (keySize !== 256) continue
        for (const { tcId, key, iv, msg, ct, result } of tests) {
          const payload = `${encodeBase64(hexToBytes(ct))}?iv=${encodeBase64(hexToBytes(iv))}`
          const text = result === 'valid' ? decodeUtf8(hexToBytes(msg)) : undefined
          const expected =
            text === undefined ? { ok: false, error: 'nip04/payload' } : { ok: true, value: text }
          expect(nip04.decrypt(hexToBytes(key), payload, 1_000), `tcId ${tcId}`).toEqual(expected)
          rows++
        }
      }
      expect(rows).toBe(72)
    },
  )
})

describeShared('ChaCha20', () => {
  test('Wycheproof ChaCha20-Poly1305: the ciphertext of all valid rows is the raw cipher from block 1', () => {
    let rows = 0
    for (const { ivSize, tests } of readGroups<{ key: string; iv: string; msg: string; ct: string }>(
      'chacha20_poly1305_test.json',
    )) {
      if (ivSize !== 96) continue
      for (const { tcId, key, iv, msg, ct, result } of tests) {
        if (result !== 'valid') continue
        const raw = chacha20(hexToBytes(key), hexToBytes(iv), hexToBytes(msg), undefined, 1)
        expect(bytesToHex(raw), `tcId ${tcId}`).toBe(ct)
        rows++
      }
    }
    expect(rows).toBe(256)
  })

  test('the raw streams, whose 8-byte nonces are our 12-byte nonces with 4 zero bytes before them', () => {
    const rows = readSharedJson<readonly { key: string; nonce: string; stream: string }[]>(
      'vectors/chacha/stablelib_chacha20.json',
    )
    expect(rows.length).toBeGreaterThan(3)
    for (const { key, nonce, stream } of rows) {
      const zeros = new Uint8Array(stream.length / 2)
      expect(bytesToHex(chacha20(hexToBytes(key), hexToBytes(`00000000${nonce}`), zeros))).toBe(stream)
    }
  })
})
