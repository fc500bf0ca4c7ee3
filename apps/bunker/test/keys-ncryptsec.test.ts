import { existsSync, readFileSync } from 'node:fs'
import { bytesToHex, hexToBytes } from '@nip46/crypto'
import { decrypt, encrypt } from 'nostr-tools/nip49'
import { describe, expect, test } from 'vitest'
import { decryptNcryptsec, encryptNcryptsec } from '../src/keys/ncryptsec.ts'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

const vectorFile = new URL('../../../../shared/vectors/derived/nip49.json', import.meta.url)
interface Vector {
  readonly password: string
  readonly secret: string
  readonly log_n: number
  readonly ncryptsec: string
}

const found = existsSync(vectorFile)
if (!found) console.log('left out: NIP-49 vectors (../shared/vectors is missing)')

describe.skipIf(!found)('NIP-49 vectors (left out where ../shared is missing)', () => {
  const vectors: readonly Vector[] = found ? JSON.parse(readFileSync(vectorFile, 'utf8')).vectors : []
  for (const { password, secret, log_n, ncryptsec } of vectors.filter((vector) => vector.log_n <= 16)) {
    test(`a key encrypted with cost ${log_n} opens: ${ncryptsec.slice(0, 24)}…`, async () => {
      const opened = await decryptNcryptsec(ncryptsec, bytes(password))
      expect(opened.ok && bytesToHex(opened.value)).toBe(secret)
    })
  }
})

const secret = hexToBytes('3501454135014541350145413501453fefb02227e449e57cf4d3a3ce05378683')

test('a key that we encrypt opens with the same password, here and in nostr-tools', async () => {
  const text = await encryptNcryptsec(secret, bytes('correct horse'))
  const opened = await decryptNcryptsec(text, bytes('correct horse'))
  expect(opened.ok && bytesToHex(opened.value)).toBe(bytesToHex(secret))
  expect(bytesToHex(decrypt(text, 'correct horse'))).toBe(bytesToHex(secret))
})

test('a key that nostr-tools encrypted opens', async () => {
  const opened = await decryptNcryptsec(encrypt(secret, 'pässword', 4), bytes('pässword'.normalize('NFD')))
  expect(opened.ok && bytesToHex(opened.value)).toBe(bytesToHex(secret))
})

test('a wrong password, a damaged text and a text of another kind are told as such', async () => {
  const text = encrypt(secret, 'right', 4)
  expect(await decryptNcryptsec(text, bytes('wrong'))).toEqual({ ok: false, error: 'ncryptsec/password' })
  expect(await decryptNcryptsec(`${text.slice(0, -1)}q`, bytes('right'))).toEqual({
    ok: false,
    error: 'ncryptsec/shape',
  })
  expect(await decryptNcryptsec('nsec1qqqq', bytes('right'))).toEqual({ ok: false, error: 'ncryptsec/shape' })
})

test('empty passwords and keys of another length are refused', async () => {
  await expect(encryptNcryptsec(secret, bytes(''))).rejects.toThrow('empty passphrase')
  await expect(encryptNcryptsec(secret.subarray(1), bytes('x'))).rejects.toThrow('32 bytes')
})
