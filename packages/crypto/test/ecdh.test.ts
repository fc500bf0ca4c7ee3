import { isPubkey } from '@nip46/core'
import { seededRandom } from '@nip46/testing'
import { schnorr, secp256k1 } from '@noble/curves/secp256k1.js'
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js'
import { describe, expect, test } from 'vitest'
import { sharedXOf } from './backend-calls.ts'
import { backends } from './backends.ts'
import { describeShared, readSharedJson } from './shared-data.ts'

interface AsnRow {
  readonly tcId: number
  readonly flags: readonly string[]
  readonly public: string
  readonly private: string
  readonly shared: string
  readonly result: 'valid' | 'invalid' | 'acceptable'
}

interface JwkRow extends Omit<AsnRow, 'public' | 'private'> {
  readonly public: { readonly crv: string; readonly x: string; readonly y: string }
  readonly private: { readonly d: string }
}

/** A row as x-only ECDH sees it. */
interface Row {
  readonly name: string
  readonly x: string
  readonly secret: string
  readonly shared: string
  readonly expected: 'shared' | 'refused'
}

const FIELD = 0xfffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc2fn
const SPKI_UNCOMPRESSED = '3056301006072a8648ce3d020106052b8104000a03420004'
const SPKI_COMPRESSED = /^3036301006072a8648ce3d020106052b8104000a032200(02|03)/

/**
 * Which rows apply: those whose key is a plain secp256k1 point, since Nostr keys carry neither curve parameters nor
 * DER. Of those, a point whose x lies on the curve while its y is another does not apply either: an x-only key has no y.
 */
function apply(name: string, x: string, y: string | undefined, row: AsnRow, secret: string): Row | undefined {
  const common = { name, x, secret, shared: row.shared }
  if (!isPubkey(x)) return { ...common, expected: 'refused' }
  if (y !== undefined && !isOnCurve(x, y)) return undefined
  return row.result === 'invalid' ? undefined : { ...common, expected: 'shared' }
}

function isOnCurve(x: string, y: string): boolean {
  const [bx, by] = [BigInt(`0x${x}`), BigInt(`0x${y}`)]
  return (by * by - bx * bx * bx - 7n) % FIELD === 0n
}

function scalar32(hex: string): string {
  return BigInt(`0x${hex}`).toString(16).padStart(64, '0')
}

function asnRows(rows: readonly AsnRow[]): readonly Row[] {
  return rows.flatMap((row) => {
    const name = `tcId ${row.tcId} ${row.flags.join(' ')}`
    const spki = row.public
    if (spki.startsWith(SPKI_UNCOMPRESSED) && spki.length === 176)
      return apply(name, spki.slice(48, 112), spki.slice(112), row, scalar32(row.private)) ?? []
    if (SPKI_COMPRESSED.test(spki) && spki.length === 112)
      return apply(name, spki.slice(48), undefined, row, scalar32(row.private)) ?? []
    return []
  })
}

function jwkRows(rows: readonly JwkRow[]): readonly Row[] {
  const hex = (text: string): string => Buffer.from(text, 'base64url').toString('hex').padStart(64, '0')
  return rows.flatMap((row) => {
    const [x, y] = [hex(row.public.x), hex(row.public.y)]
    if (row.public.crv !== 'P-256K' || x.length !== 64) return []
    const flat = { ...row, public: '', private: '' }
    return apply(`tcId ${row.tcId} ${row.flags.join(' ')}`, x, y, flat, scalar32(hex(row.private.d))) ?? []
  })
}

function readRows<T>(file: string): readonly T[] {
  return readSharedJson<{ readonly testGroups: readonly { readonly tests: readonly T[] }[] }>(
    `vectors/wycheproof/${file}`,
  ).testGroups.flatMap((group) => group.tests)
}

describeShared('Wycheproof ECDH on secp256k1, the rows that an x-only key can express', () => {
  const files = [
    {
      file: 'ecdh_secp256k1_test.json',
      rows: asnRows(readRows<AsnRow>('ecdh_secp256k1_test.json')),
      valid: 473,
    },
    {
      file: 'ecdh_secp256k1_webcrypto_test.json',
      rows: jwkRows(readRows<JwkRow>('ecdh_secp256k1_webcrypto_test.json')),
      valid: 473,
    },
  ]
  describe.each(files)('$file', ({ rows, valid }) => {
    const shared = rows.filter((row) => row.expected === 'shared')
    const refused = rows.filter((row) => row.expected === 'refused')

    test(`${shared.length} shared and ${refused.length} refused rows apply`, () => {
      expect(shared.length).toBeGreaterThanOrEqual(valid)
      expect(refused.length).toBeGreaterThan(0)
    })

    test.each(backends)('all of them on $name', ({ create }) => {
      const backend = create()
      for (const { name, x, secret, shared: expected } of shared)
        expect(sharedXOf(backend, secret, x), name).toBe(expected)
      for (const { name, x } of refused) expect(backend.importPeer(hexToBytes(x)), name).toBeUndefined()
    })
  })
})

describe('blinded ECDH', () => {
  const random = seededRandom('blinded ecdh')

  test.each(backends.filter(({ name }) => name !== 'noble'))(
    '$name gives what noble gives on 64 random pairs',
    ({ create }) => {
      const backend = create()
      for (let i = 0; i < 64; i++) {
        const [mine, theirs] = [random.bytes(32), random.bytes(32)]
        const pubkey = bytesToHex(schnorr.getPublicKey(theirs))
        const expected = secp256k1.getSharedSecret(mine, hexToBytes(`02${pubkey}`), true).slice(1)
        expect(sharedXOf(backend, bytesToHex(mine), pubkey, random.bytes(32))).toBe(bytesToHex(expected))
      }
    },
  )

  test.each(backends.filter(({ name }) => name !== 'noble'))(
    '$name gives the same for every blinding, at the edges of both',
    ({ create }) => {
      const backend = create()
      const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n
      const hex = (value: bigint): string => value.toString(16).padStart(64, '0')
      const pubkey = bytesToHex(schnorr.getPublicKey(random.bytes(32)))
      for (const secret of [1n, 2n, 3n, 2n ** 255n, order - 2n, order - 1n]) {
        const expected = sharedXOf(backend, hex(secret), pubkey, random.bytes(32))
        const shared = secp256k1.getSharedSecret(hexToBytes(hex(secret)), hexToBytes(`02${pubkey}`), true)
        expect(expected).toBe(bytesToHex(shared.slice(1)))
        for (const blinding of [1n, 2n, secret + 1n, secret - 1n, 2n ** 255n, order - 1n]) {
          if (blinding <= 0n || blinding >= order || blinding === secret || blinding === order - secret)
            continue
          expect(sharedXOf(backend, hex(secret), pubkey, hexToBytes(hex(blinding)))).toBe(expected)
        }
      }
    },
  )

  test.each(backends.filter(({ create }) => create().caps.blindedEcdh))(
    '$name refuses a blinding that would leave the secret bare, or is no scalar',
    ({ create }) => {
      const backend = create()
      const secret = random.bytes(32)
      const key = backend.importKey(secret)
      const peer = backend.importPeer(schnorr.getPublicKey(random.bytes(32)))
      if (key === undefined || peer === undefined) throw new Error('the keys are valid')
      const order = hexToBytes('fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141')
      const negative = secp256k1.Point.Fn.toBytes(secp256k1.Point.Fn.neg(BigInt(`0x${bytesToHex(secret)}`)))
      for (const blinding of [new Uint8Array(32), secret, negative, order, new Uint8Array(32).fill(255)]) {
        const out = new Uint8Array(32)
        expect(backend.ecdhX(key, peer, blinding, out)).toBe(false)
        expect(out).toEqual(new Uint8Array(32))
      }
      expect(backend.ecdhX(key, peer, random.bytes(32), new Uint8Array(32))).toBe(true)
    },
  )
})
