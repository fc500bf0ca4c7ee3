import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { UsageError } from '@nip46/core'
import { seededRandom } from '@nip46/testing'
import { schnorr, secp256k1 } from '@noble/curves/secp256k1.js'
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js'
import { describe, expect, test } from 'vitest'
import { oxBackend, oxCrypto } from '../src/ox.ts'
import { createOxMemory, STACK_WIPED } from '../src/ox-memory.ts'
import { loadOxCurve } from '../src/ox-package.ts'
import { countResidue } from './residue.ts'

const TRIALS = 500
const ORDER = secp256k1.Point.Fn.ORDER
const random = seededRandom('ox memory')
const { curve, memory, stackTop } = createOxMemory(random.bytes)
/** Not the generator: a product of that is the public key, which may stay in memory. */
const PEER = hexToBytes('d9071f685197d91dfe2842694fb51f554d2a792cc1f75cd2ed2f391bd561fd62')
const toBytes = (value: bigint): Uint8Array => hexToBytes(value.toString(16).padStart(64, '0'))

describe("the memory of ox's module", () => {
  test(`holds nothing of a secret, its randomness or a shared point: ${TRIALS} trials of each operation`, () => {
    let found = 0
    for (let i = 0; i < TRIALS; i++) {
      const [secret, aux, message] = [random.bytes(32), random.bytes(32), random.bytes(32)] as const
      const [pubkey, signature, shared] = [new Uint8Array(32), new Uint8Array(64), new Uint8Array(32)]
      curve.publicKey(secret, pubkey)
      found += countResidue(memory, [secret])
      curve.sign(secret, message, aux, signature, pubkey)
      found += countResidue(memory, [secret, aux, ...noncesOf(signature, secret, message, pubkey)])
      curve.ecdhX(secret, PEER, new Uint8Array(32), shared)
      found += countResidue(memory, [secret, shared])
    }
    expect(found).toBe(0)
    // The search finds what is there.
    const planted = random.bytes(32)
    memory.set(planted, stackTop - 4_096)
    expect(countResidue(memory, [planted])).toBe(4)
    memory.fill(0, stackTop - 4_096, stackTop)
  })

  test('is the same, byte for byte, whatever secret was used', () => {
    const images = [random.bytes(32), random.bytes(32)].map((secret) => {
      const pubkey = new Uint8Array(32)
      curve.publicKey(secret, pubkey)
      curve.sign(secret, random.bytes(32), random.bytes(32), new Uint8Array(64), pubkey)
      curve.ecdhX(secret, PEER, new Uint8Array(32), new Uint8Array(32))
      return Buffer.from(memory)
    })
    expect(images[0]?.equals(images[1] ?? Buffer.alloc(0))).toBe(true)
  })

  test('is never used below what is wiped, even for the deepest operation', () => {
    const below = memory.subarray(stackTop - 4 * STACK_WIPED + 4_096, stackTop - STACK_WIPED)
    below.fill(0xa5)
    for (let i = 0; i < 8; i++) {
      const [secret, pubkey] = [random.bytes(32), new Uint8Array(32)]
      curve.publicKey(secret, pubkey)
      curve.sign(secret, random.bytes(32), random.bytes(32), new Uint8Array(64), pubkey)
      curve.ecdhX(secret, PEER, new Uint8Array(32), new Uint8Array(32))
      curve.verify(pubkey, random.bytes(32), random.bytes(64))
      curve.isPoint(random.bytes(32))
    }
    expect(below.every((byte) => byte === 0xa5)).toBe(true)
    below.fill(0)
  })

  test('is not worn out by keys off the curve and impossible signatures', () => {
    const size = memory.length
    for (let i = 0; i < 5_000; i++) {
      expect(curve.isPoint(new Uint8Array(32).fill(255))).toBe(false)
      expect(
        curve.isPoint(hexToBytes('eefdea4cdb677750a420fee807eacf21eb9898ae79b9768766e4faa04a2d4a34')),
      ).toBe(false)
      expect(curve.verify(PEER, new Uint8Array(32), new Uint8Array(64).fill(i % 2 === 0 ? 255 : 0))).toBe(
        false,
      )
    }
    expect(curve.isPoint(PEER)).toBe(true)
    expect(memory.length).toBe(size)
  })

  test('has its internal blinding seeded by the given source, and a broken one is refused', async () => {
    const asked: number[] = []
    await oxBackend((length) => {
      asked.push(length)
      return random.bytes(length)
    })
    expect(asked).toEqual([32])
    await expect(oxBackend(() => new Uint8Array(31))).rejects.toThrow(/32 bytes, not 31/)
  })
})

/** What was multiplied to make this signature: k = s - e·d, or its negative. */
function noncesOf(
  signature: Uint8Array,
  evenSecret: Uint8Array,
  message: Uint8Array,
  pubkey: Uint8Array,
): readonly Uint8Array[] {
  const { Fn } = secp256k1.Point
  const challenge = schnorr.utils.taggedHash('BIP0340/challenge', signature.subarray(0, 32), pubkey, message)
  const [e, d, s] = [challenge, evenSecret, signature.subarray(32)].map((bytes) =>
    Fn.create(BigInt(`0x${bytesToHex(bytes)}`)),
  ) as [bigint, bigint, bigint]
  const k = Fn.sub(s, Fn.mul(e, d))
  expect(bytesToHex(schnorr.getPublicKey(toBytes(k)))).toBe(bytesToHex(signature.subarray(0, 32)))
  return [toBytes(k), toBytes(Fn.neg(k))]
}

describe('verification as one public-key recovery', async () => {
  const { Point } = secp256k1
  const forms = [
    ['our own instance', curve],
    ["the package's", await loadOxCurve(random.bytes)],
  ] as const
  /** Keys from the group order up: one in 2^128 of all, and nobody knows a secret for one. */
  const rareKeys: Uint8Array[] = []
  for (let x = ORDER; rareKeys.length < 4; x++) if (isX(x)) rareKeys.push(toBytes(x))

  function isX(x: bigint): boolean {
    return secp256k1.utils.isValidPublicKey(Uint8Array.of(2, ...toBytes(x)), true)
  }

  const keys = [
    PEER,
    schnorr.getPublicKey(toBytes(1n)),
    schnorr.getPublicKey(toBytes(ORDER - 5n)),
    ...rareKeys,
  ]
  const scalars = [
    0n,
    1n,
    2n,
    ORDER / 2n,
    ORDER - 1n,
    2n ** 255n,
    BigInt(`0x${bytesToHex(random.bytes(31))}`),
  ]

  const multiply = (point: InstanceType<typeof Point>): readonly InstanceType<typeof Point>[] =>
    scalars.map((scalar) => (scalar === 0n ? Point.ZERO : point.multiply(scalar)))

  test('computes a·G - b·P for every pair of edge values and key, in both', () => {
    const out = new Uint8Array(65)
    const left = multiply(Point.BASE)
    for (const key of keys) {
      const right = multiply(Point.fromBytes(Uint8Array.of(2, ...key)))
      left.forEach((aG, i) => {
        right.forEach((bP, j) => {
          const [a, b] = [scalars[i] as bigint, scalars[j] as bigint]
          const expected = aG.subtract(bP)
          for (const [title, form] of forms) {
            const what = `${a}·G - ${b}·${bytesToHex(key)} in ${title}`
            expect(form.combine(toBytes(a), toBytes(b), key, out), what).toBe(!expected.is0())
            if (!expected.is0()) expect(bytesToHex(out), what).toBe(bytesToHex(expected.toBytes(false)))
          }
        })
      })
    }
  })

  test.each(forms)('reduces a b that is not below the order, in %s', (_, form) => {
    const [one, other] = [new Uint8Array(65), new Uint8Array(65)]
    for (const key of keys) {
      expect(form.combine(toBytes(5n), toBytes(ORDER + 3n), key, one)).toBe(true)
      expect(form.combine(toBytes(5n), toBytes(3n), key, other)).toBe(true)
      expect(one).toEqual(other)
      expect(form.combine(toBytes(5n), toBytes(ORDER), key, one)).toBe(true)
      expect(bytesToHex(one)).toBe(bytesToHex(Point.BASE.multiply(5n).toBytes(false)))
    }
  })

  test.each(forms)('agrees with noble on signatures bent in every part, in %s', (_, form) => {
    const secret = random.bytes(32)
    const pubkey = schnorr.getPublicKey(secret)
    const message = random.bytes(32)
    const signature = schnorr.sign(message, secret, random.bytes(32))
    const r = signature.slice(0, 32)
    const s = signature.slice(32)
    const negatedS = toBytes(ORDER - BigInt(`0x${bytesToHex(s)}`))
    const field = secp256k1.Point.Fp.ORDER
    const values = [0n, 1n, ORDER - 1n, ORDER, field - 1n, field, 2n ** 256n - 1n].map(toBytes)
    const bent = [
      [r, s],
      [s, r],
      [r, negatedS],
      ...values.flatMap((value) => [
        [r, value],
        [value, s],
        [value, value],
      ]),
    ] as [Uint8Array, Uint8Array][]
    for (const key of [pubkey, ...rareKeys])
      for (const [left, right] of bent) {
        const candidate = Uint8Array.of(...left, ...right)
        const expected = schnorr.verify(candidate, message, key)
        expect(form.verify(key, message, candidate), bytesToHex(candidate)).toBe(expected)
      }
    expect(form.verify(pubkey, message, signature)).toBe(true)
  })

  test.each(forms)(
    'knows which numbers are x coordinates, from zero to beyond the field, in %s',
    (_, form) => {
      const field = secp256k1.Point.Fp.ORDER
      const near = (value: bigint): bigint[] => Array.from({ length: 24 }, (_, i) => value + BigInt(i - 12))
      for (const x of [0n, 1n, 2n, 3n, 4n, ...near(ORDER), ...near(field), 2n ** 256n - 1n])
        expect(form.isPoint(toBytes(x)), x.toString(16)).toBe(x < field && isX(x))
    },
  )
})

describe('where ox is missing or another', () => {
  /** Creates the backend as if this were all there is of the package. */
  function createWith(files: Readonly<Record<string, string>>): void {
    const folder = mkdtempSync(join(tmpdir(), 'other-ox-'))
    try {
      for (const [path, text] of Object.entries(files)) {
        const file = join(folder, 'node_modules', 'ox', path)
        mkdirSync(dirname(file), { recursive: true })
        writeFileSync(file, text)
      }
      createOxMemory(random.bytes, pathToFileURL(join(folder, 'index.js')).href)
    } finally {
      rmSync(folder, { recursive: true })
    }
  }

  test('the error says what to install', () => {
    const withoutEntry = { 'package.json': JSON.stringify({ name: 'ox', exports: { '.': './index.js' } }) }
    expect(() => createWith(withoutEntry)).toThrow(UsageError)
    expect(() => createWith(withoutEntry)).toThrow(/needs the package ox: npm install ox/)
  })

  test('a package that looks different is not used', () => {
    const code = 'wasm/internal/secp256k1.wasm.js'
    const other = { 'wasm/Secp256k1.js': '', [code]: "export const code = 'AGFzbQ=='\n" }
    expect(() => createWith(other)).toThrow(/differently: npm install ox/)
  })

  test('the version that is known is the one that is installed here', () => {
    const entry = createRequire(import.meta.url).resolve('ox/wasm/Secp256k1')
    expect(createRequire(entry)(join(dirname(entry), '../../package.json'))).toMatchObject({
      version: '1.8.3',
    })
  })
})

test('the ready-made entry is named ox', async () => {
  expect((await oxCrypto()).name).toBe('ox')
})
