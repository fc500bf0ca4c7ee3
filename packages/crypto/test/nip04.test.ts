import { hexToBytes } from '@noble/hashes/utils.js'
import { describe, expect, test } from 'vitest'
import { createCrypto } from '../src/crypto.ts'
import { hostRandom } from '../src/host-random.ts'
import { backends } from './backends.ts'
import { describeShared, readSharedJson } from './shared-data.ts'
import { nip04OfNoble, nip04s } from './symmetrics.ts'

interface Samples {
  readonly valid: readonly { sk1: string; sk2: string; payload: string; plaintext: string; from: string }[]
  readonly invalid: readonly { sk1?: string; sk2?: string; payload: string; error: string }[]
}

describeShared('NIP-04 samples of deployed libraries', () => {
  const { valid, invalid } = readSharedJson<Samples>('vectors/derived/nip04.json')

  describe.each(backends)('on $name', ({ create }) => {
    const crypto = createCrypto(create(), { random: hostRandom })
    const converse = (mine: string, theirs: string) => {
      const peer = crypto.importKey(hexToBytes(theirs)).pubkey
      const conversation = crypto.importKey(hexToBytes(mine)).conversation(peer)
      if (!conversation.ok) throw new Error('the sample keys are valid')
      return conversation.value
    }

    test.each(valid)('$from: $plaintext.length characters, both ways', ({ sk1, sk2, payload, plaintext }) => {
      const iv = Uint8Array.from(Buffer.from(payload.slice(-24), 'base64'))
      for (const conversation of [converse(sk1, sk2), converse(sk2, sk1)]) {
        expect(conversation.nip04Decrypt(payload)).toEqual({ ok: true, value: plaintext })
        expect(conversation.nip04Encrypt(plaintext, iv)).toBe(payload)
      }
    })

    test.each(invalid)('$error: $payload', ({ sk1 = '01'.repeat(32), sk2 = '02'.repeat(32), payload }) => {
      expect(converse(sk1, sk2).nip04Decrypt(payload)).toEqual({ ok: false, error: 'nip04/payload' })
    })
  })
})

describe.each(nip04s)('the size of a NIP-04 text, by $name', ({ nip04 }) => {
  const key = new Uint8Array(32).fill(3)
  const iv = new Uint8Array(16).fill(4)

  test('is allowed up to the limit and refused one over, both ways', () => {
    const [atLimit, over] = ['a'.repeat(100), 'a'.repeat(101)]
    expect(nip04.decrypt(key, nip04.encrypt(key, atLimit, iv, 100), 100)).toEqual({
      ok: true,
      value: atLimit,
    })
    expect(() => nip04.encrypt(key, over, iv, 100)).toThrow(/maxPlaintextBytes is 100/)
    expect(nip04.decrypt(key, nip04.encrypt(key, over, iv, 101), 100)).toEqual({
      ok: false,
      error: 'nip04/payload',
    })
  })

  test('counts in UTF-8 bytes', () => {
    expect(() => nip04.encrypt(key, '\u00e9'.repeat(51), iv, 100)).toThrow(/102 bytes/)
  })

  test('changes nothing about what noble writes and reads, from 0 to 200 bytes', () => {
    for (let length = 0; length <= 200; length++) {
      const text = 'a'.repeat(length)
      const payload = nip04.encrypt(key, text, iv, 200)
      expect(payload).toBe(nip04OfNoble.encrypt(key, text, iv, 200))
      expect(nip04.decrypt(key, payload, 200)).toEqual({ ok: true, value: text })
    }
  })
})
