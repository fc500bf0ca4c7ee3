import { UsageError } from '@nip46/core'
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js'
import { describe, expect, test } from 'vitest'
import { createCrypto } from '../src/crypto.ts'
import { hostRandom } from '../src/host-random.ts'
import { backends } from './backends.ts'
import { describeShared, readShared, readSharedJson } from './shared-data.ts'

interface Row {
  readonly index: string
  readonly secret: string
  readonly pubkey: string
  readonly aux: string
  readonly message: string
  readonly signature: string
  readonly valid: boolean
  readonly comment: string
}

function readRows(path: string): readonly Row[] {
  return readShared(path)
    .trim()
    .split(/\r?\n/)
    .slice(1)
    .map((line) => {
      const [index = '', secret = '', pubkey = '', aux = '', message = '', signature = '', valid, ...rest] =
        line.toLowerCase().split(',')
      return {
        index,
        secret,
        pubkey,
        aux,
        message,
        signature,
        valid: valid === 'true',
        comment: rest.join(','),
      }
    })
}

interface TinyRow {
  readonly d: string | null
  readonly e: string | null
  readonly Q: string
  readonly m: string
  readonly s: string
  /** Missing on a row whose key is refused. */
  readonly v?: boolean
  readonly comment: string
}

function readTinyRows(): readonly Row[] {
  const { bip340testvectors } = readSharedJson<{ readonly bip340testvectors: readonly TinyRow[] }>(
    'vectors/secp256k1/tiny-schnorr.json',
  )
  return bip340testvectors.map((row, index) => ({
    index: String(index),
    secret: row.d ?? '',
    pubkey: row.Q,
    aux: row.e ?? '',
    message: row.m,
    signature: row.s,
    valid: row.v === true,
    comment: row.comment,
  }))
}

describeShared('BIP-340 vectors', () => {
  const files = [
    { file: 'bip340/test-vectors.csv', read: () => readRows('vectors/bip340/test-vectors.csv') },
    { file: 'noble-schnorr.csv', read: () => readRows('vectors/secp256k1/noble-schnorr.csv') },
    { file: 'tiny-schnorr.json', read: readTinyRows },
  ]

  describe.each(backends)('on $name', ({ create }) => {
    const backend = create()
    const crypto = createCrypto(backend, { random: hostRandom })

    for (const { file, read } of files) {
      const rows = read()
      const short = rows.filter((row) => row.message.length === 64)
      test(`all ${short.length} rows of ${file} with a 32-byte message give the expected result`, () => {
        expect(short.length).toBeGreaterThanOrEqual(15)
        for (const { index, secret, pubkey, aux, message, signature, valid, comment } of short) {
          const row = `row ${index} ${comment}`
          expect(crypto.verify({ pubkey, id: message, sig: signature }), row).toBe(valid)
          if (secret === '') continue
          const key = crypto.importKey(hexToBytes(secret))
          expect(key.pubkey, row).toBe(pubkey)
          expect(key.sign(message, hexToBytes(aux)), row).toBe(signature)
        }
      })
    }

    const other = readRows('vectors/bip340/test-vectors.csv').filter((row) => row.message.length !== 64)
    test(`messages of another size are refused with a UsageError: ${other.map((row) => `row ${row.index} ${row.comment}`).join('; ')}`, () => {
      expect(other.map((row) => row.index)).toEqual(['15', '16', '17', '18'])
      for (const { secret, pubkey, aux, message, signature } of other) {
        const key = backend.importKey(hexToBytes(secret))
        const peer = backend.importPeer(hexToBytes(pubkey))
        if (key === undefined || peer === undefined) throw new Error('the keys of these rows are valid')
        const public32 = new Uint8Array(32)
        backend.publicKey(key, public32)
        expect(bytesToHex(public32)).toBe(pubkey)
        expect(() => backend.sign(key, hexToBytes(message), hexToBytes(aux), new Uint8Array(64))).toThrow(
          UsageError,
        )
        expect(() => backend.verify(peer, hexToBytes(message), hexToBytes(signature))).toThrow(UsageError)
        expect(() => crypto.importKey(hexToBytes(secret)).sign(message, hexToBytes(aux))).toThrow(UsageError)
        expect(crypto.verify({ pubkey, id: message, sig: signature })).toBe(false)
      }
    })
  })
})
