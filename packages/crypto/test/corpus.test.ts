import { hexToBytes } from '@noble/hashes/utils.js'
import { describe, expect, test } from 'vitest'
import { createCrypto } from '../src/crypto.ts'
import { hostRandom } from '../src/host-random.ts'
import { backends } from './backends.ts'
import { describeShared, readCorpus, readSharedJson } from './shared-data.ts'

interface Keys {
  readonly keys: Readonly<Record<string, { readonly sk: string; readonly pk: string }>>
}

describeShared('corpus area E at the payload level', () => {
  const rows = readCorpus('E')
  const { keys } = readSharedJson<Keys>('spec/corpus/keys.json')

  describe.each(backends)('on $name', ({ create }) => {
    const crypto = createCrypto(create(), { random: hostRandom })
    const conversation = (own: string, peer: string) => {
      const opened = crypto.importKey(hexToBytes(keys[own]?.sk ?? '')).conversation(keys[peer]?.pk ?? '')
      if (!opened.ok) throw new Error('the corpus keys are valid')
      return opened.value
    }
    const carrier = conversation('signer', 'client')

    for (const { id, name, input, expect: expected } of rows) {
      if (id <= 'E26')
        test(`${id} ${name}`, () => {
          const opened = carrier.nip44Decrypt(input)
          if ('ok' in expected) expect(opened.ok).toBe(true)
          else expect(opened).toEqual({ ok: false, error: expected.drop })
        })
      else if (id === 'E27')
        test(`${id} ${name}: it opens, and the text still starts with the byte order mark`, () => {
          const opened = carrier.nip44Decrypt(input)
          expect(opened.ok && opened.value.charCodeAt(0)).toBe(0xfeff)
          expect(opened.ok && JSON.parse(opened.value.slice(1))).toMatchObject({ method: expect.any(String) })
        })
      else if (id === 'E29')
        test(`${id} ${name}: it opens as NIP-04 (whether it is listened to is the envelope's matter), not as NIP-44`, () => {
          expect(carrier.nip04Decrypt(input).ok).toBe(true)
          expect(carrier.nip44Decrypt(input)).toEqual({ ok: false, error: 'nip44/base64' })
        })
      else
        test(`${id} ${name}`, () => {
          expect(expected).toMatchObject({ method: 'nip04_decrypt' })
          for (const peer of ['third', 'client', 'signer'])
            expect(conversation('user', peer).nip04Decrypt(input)).toEqual({
              ok: false,
              error: 'nip04/payload',
            })
        })
    }

    test('G96: nip44_decrypt keeps a byte order mark', () => {
      const row = readCorpus('G').find(({ id }) => id === 'G96')
      const { params } = JSON.parse(row?.input ?? '{}') as { params: [string, string] }
      const opened = conversation('user', 'third').nip44Decrypt(params[1])
      expect(opened).toEqual({ ok: true, value: '\ufeffabc' })
    })
  })

  test('the rows are E01 to E38', () => {
    expect(rows.at(0)?.id).toBe('E01')
    expect(rows.at(-1)?.id).toBe('E38')
  })
})
