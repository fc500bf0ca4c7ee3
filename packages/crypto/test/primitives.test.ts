import { seededRandom } from '@nip46/testing'
import { cbc } from '@noble/ciphers/aes.js'
import { chacha20 } from '@noble/ciphers/chacha.js'
import { hkdf } from '@noble/hashes/hkdf.js'
import { hmac } from '@noble/hashes/hmac.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js'
import { describe, expect, test } from 'vitest'
import { encodeBase64 } from '../src/base64.ts'
import { equalBytes } from '../src/bytes.ts'
import { decryptNip04 } from '../src/nip04.ts'
import { messageKeys, nip44KeysFrom } from '../src/nip44.ts'
import { decodeUtf8 } from '../src/utf8.ts'
import { describeShared, readSharedJson } from './shared-data.ts'

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

describeShared('Wycheproof HKDF-SHA256', () => {
  test('the rows with outputs of up to 96 bytes, through our expansion; NIP-44 takes 76', () => {
    let rows = 0
    for (const { tests } of readGroups<{
      ikm: string
      salt: string
      info: string
      size: number
      okm: string
    }>('hkdf_sha256_test.json'))
      for (const { tcId, ikm, salt, info, size, okm, result } of tests) {
        if (size > 96 || result !== 'valid') continue
        const keys = nip44KeysFrom(hmac(sha256, hexToBytes(salt), hexToBytes(ikm)))
        const out = new Uint8Array(96)
        messageKeys(keys, hexToBytes(info), out)
        expect(bytesToHex(out.subarray(0, size)), `tcId ${tcId}`).toBe(okm)
        rows++
      }
    expect(rows).toBeGreaterThanOrEqual(70)
  })
})

describe('message keys', () => {
  test('are those of the library HKDF, for 50 random conversations', () => {
    const random = seededRandom('hkdf')
    for (let i = 0; i < 50; i++) {
      const [shared, nonce] = [random.bytes(32), random.bytes(32)]
      const conversationKey = hmac(sha256, new TextEncoder().encode('nip44-v2'), shared)
      const okm = hkdf(sha256, shared, new TextEncoder().encode('nip44-v2'), nonce, 76)
      const out = new Uint8Array(96)
      messageKeys(nip44KeysFrom(conversationKey), nonce, out)
      expect(out.subarray(0, 76)).toEqual(okm)
    }
  })
})

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

  test('the rows with 256-bit keys, as NIP-04 payloads: one error for everything that is wrong', () => {
    let rows = 0
    for (const { keySize, tests } of groups) {
      if (keySize !== 256) continue
      for (const { tcId, key, iv, msg, ct, result } of tests) {
        const payload = `${encodeBase64(hexToBytes(ct))}?iv=${encodeBase64(hexToBytes(iv))}`
        const text = result === 'valid' ? decodeUtf8(hexToBytes(msg)) : undefined
        const expected =
          text === undefined ? { ok: false, error: 'nip04/payload' } : { ok: true, value: text }
        expect(decryptNip04(hexToBytes(key), payload, 1_000), `tcId ${tcId}`).toEqual(expected)
        rows++
      }
    }
    expect(rows).toBe(72)
  })
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
