import { UsageError } from '@nip46/core'
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js'
import { describe, expect, test } from 'vitest'
import { createCrypto } from '../src/crypto.ts'
import { hostRandom } from '../src/host-random.ts'
import { decryptNip44, encryptNip44, nip44KeysFrom, nip44Limits, paddedLength } from '../src/nip44.ts'
import { backends } from './backends.ts'
import { describeShared, readShared, readSharedJson, sha256Hex } from './shared-data.ts'
import { symmetrics } from './symmetrics.ts'

interface Vectors {
  readonly v2: {
    readonly valid: {
      readonly get_conversation_key: readonly { sec1: string; pub2: string; conversation_key: string }[]
      readonly get_message_keys: {
        readonly conversation_key: string
        readonly keys: readonly {
          nonce: string
          chacha_key: string
          chacha_nonce: string
          hmac_key: string
        }[]
      }
      readonly calc_padded_len: readonly [number, number][]
      readonly encrypt_decrypt: readonly {
        sec1: string
        sec2: string
        conversation_key: string
        nonce: string
        plaintext: string
        payload: string
      }[]
      readonly encrypt_decrypt_long_msg: readonly {
        conversation_key: string
        nonce: string
        pattern: string
        repeat: number
        plaintext_sha256: string
        payload_sha256: string
      }[]
    }
    readonly invalid: {
      readonly encrypt_msg_lengths: readonly number[]
      readonly get_conversation_key: readonly { sec1: string; pub2: string; note: string }[]
      readonly decrypt: readonly { conversation_key: string; nonce: string; payload: string; note: string }[]
    }
  }
}

/** The sum that NIP-44 itself names for the file. */
const FILE_SHA256 = '269ed0f69e4c192512cc779e78c555090cebc7c785b609e338a62afc3ce25040'
const FILE = 'vectors/nip44/nip44.vectors.json'
const limits = nip44Limits(100_000, false)

describeShared('official NIP-44 vectors', () => {
  const { valid, invalid } = readSharedJson<Vectors>(FILE).v2

  test('the file is the one NIP-44 names', () => {
    expect(sha256Hex(readShared(FILE))).toBe(FILE_SHA256)
  })

  describe.each(backends)('conversation keys on $name', ({ create }) => {
    const crypto = createCrypto(create(), { random: hostRandom })

    test(`get_conversation_key: all ${valid.get_conversation_key.length} rows`, () => {
      for (const { sec1, pub2, conversation_key } of valid.get_conversation_key) {
        const conversation = crypto.importKey(hexToBytes(sec1)).conversation(pub2)
        expect(conversation.ok && conversation.value.dangerouslyExportKey()).toBe(conversation_key)
      }
    })

    test.each(invalid.get_conversation_key)('invalid.get_conversation_key: $note', ({ sec1, pub2 }) => {
      let key: ReturnType<typeof crypto.importKey>
      try {
        key = crypto.importKey(hexToBytes(sec1))
      } catch (error) {
        expect(error).toBeInstanceOf(UsageError)
        return
      }
      expect(key.conversation(pub2)).toEqual({ ok: false, error: 'bad-pubkey' })
    })

    test(`encrypt_decrypt: all ${valid.encrypt_decrypt.length} rows, between the two keys`, () => {
      for (const { sec1, sec2, conversation_key, nonce, plaintext, payload } of valid.encrypt_decrypt) {
        const [key1, key2] = [crypto.importKey(hexToBytes(sec1)), crypto.importKey(hexToBytes(sec2))]
        const there = key1.conversation(key2.pubkey)
        const back = key2.conversation(key1.pubkey)
        if (!there.ok || !back.ok) throw new Error('the keys of these rows are valid')
        expect(there.value.dangerouslyExportKey()).toBe(conversation_key)
        expect(there.value.nip44Encrypt(plaintext, hexToBytes(nonce))).toBe(payload)
        expect(back.value.nip44Decrypt(payload)).toEqual({ ok: true, value: plaintext })
      }
    })
  })

  const superseded = invalid.encrypt_msg_lengths.filter((length) => length > 65_535)

  describe.each(symmetrics)('with the symmetric code of $name', ({ symmetric }) => {
    test(`get_message_keys: all ${valid.get_message_keys.keys.length} rows`, () => {
      const conversation = nip44KeysFrom(symmetric, hexToBytes(valid.get_message_keys.conversation_key))
      for (const row of valid.get_message_keys.keys) {
        const payload = symmetric.claim(100)
        const keys = symmetric.expand(conversation.prepared, hexToBytes(row.nonce))
        expect(bytesToHex(keys.subarray(0, 32))).toBe(row.chacha_key)
        expect(bytesToHex(keys.subarray(32, 44))).toBe(row.chacha_nonce)
        expect(bytesToHex(keys.subarray(44, 76))).toBe(row.hmac_key)
        symmetric.release(payload)
      }
    })

    test(`encrypt_decrypt_long_msg: all ${valid.encrypt_decrypt_long_msg.length} rows`, () => {
      for (const row of valid.encrypt_decrypt_long_msg) {
        const keys = nip44KeysFrom(symmetric, hexToBytes(row.conversation_key))
        const plaintext = row.pattern.repeat(row.repeat)
        expect(sha256Hex(plaintext)).toBe(row.plaintext_sha256)
        const payload = encryptNip44(keys, plaintext, hexToBytes(row.nonce), limits)
        expect(sha256Hex(payload)).toBe(row.payload_sha256)
        expect(decryptNip44(keys, payload, limits)).toEqual({ ok: true, value: plaintext })
      }
    })

    const codes: Readonly<Record<string, string>> = {
      'unknown encryption version': 'nip44/unknown-version',
      'unknown encryption version 0': 'nip44/unknown-version',
      'invalid base64': 'nip44/base64',
      'invalid MAC': 'nip44/mac',
      'invalid padding': 'nip44/padding',
      'invalid payload length: 0': 'nip44/unknown-version',
      'invalid payload length: 4': 'nip44/base64',
      'invalid payload length: 48': 'nip44/base64',
      'invalid payload length: 92': 'nip44/base64',
    }
    test.each(invalid.decrypt)(
      'invalid.decrypt: $note ($conversation_key)',
      ({ conversation_key, payload, note }) => {
        const error = codes[note]
        expect(error).toBeDefined()
        expect(decryptNip44(nip44KeysFrom(symmetric, hexToBytes(conversation_key)), payload, limits)).toEqual(
          {
            ok: false,
            error,
          },
        )
      },
    )

    test('invalid.encrypt_msg_lengths: 0 is refused', () => {
      expect(invalid.encrypt_msg_lengths).toContain(0)
      const keys = nip44KeysFrom(symmetric, new Uint8Array(32).fill(1))
      expect(() => encryptNip44(keys, '', new Uint8Array(32), limits)).toThrow(UsageError)
    })
    test.each(superseded)(
      'superseded since June 2026 by the extended prefix: invalid.encrypt_msg_lengths %i',
      (length) => {
        console.log(`superseded row of nip44.vectors.json: invalid.encrypt_msg_lengths ${length}`)
        const keys = nip44KeysFrom(symmetric, new Uint8Array(32).fill(1))
        const nonce = new Uint8Array(32).fill(2)
        const text = 'a'.repeat(length)
        const wide = nip44Limits(length, true)
        const opened = decryptNip44(keys, encryptNip44(keys, text, nonce, wide), wide)
        expect(opened.ok && opened.value === text).toBe(true)
        expect(() => encryptNip44(keys, text, nonce, nip44Limits(length, false))).toThrow(/sendExtended/)
      },
    )
  })

  test(`calc_padded_len: all ${valid.calc_padded_len.length} rows, and lengths near 2^32`, () => {
    for (const [length, padded] of valid.calc_padded_len) expect(paddedLength(length)).toBe(padded)
    expect(paddedLength(2 ** 31 + 1)).toBe(2 ** 31 + 2 ** 29)
    expect(paddedLength(2 ** 32 - 1)).toBe(2 ** 32)
  })

  test('the superseded rows are exactly these three', () => {
    expect(superseded).toEqual([65_536, 100_000, 10_000_000])
  })
})

describeShared('NIP-44 vectors of the extended length prefix', () => {
  const file = readSharedJson<{
    conversation_key: string
    nonce: string
    vectors: readonly {
      plaintext_len: number
      padded_len: number
      plaintext_sha256: string
      payload_sha256: string
    }[]
  }>('vectors/derived/nip44-extended.json')
  describe.each(symmetrics)('with the symmetric code of $name', ({ symmetric }) => {
    const keys = nip44KeysFrom(symmetric, hexToBytes(file.conversation_key))
    test.each(file.vectors)(
      '$plaintext_len bytes',
      ({ plaintext_len, padded_len, plaintext_sha256, payload_sha256 }) => {
        const plaintext = 'a'.repeat(plaintext_len)
        const wide = nip44Limits(plaintext_len, true)
        expect(sha256Hex(plaintext)).toBe(plaintext_sha256)
        expect(paddedLength(plaintext_len)).toBe(padded_len)
        const payload = encryptNip44(keys, plaintext, hexToBytes(file.nonce), wide)
        expect(sha256Hex(payload)).toBe(payload_sha256)
        expect(decryptNip44(keys, payload, nip44Limits(plaintext_len, false))).toEqual({
          ok: true,
          value: plaintext,
        })
      },
    )
  })
})
