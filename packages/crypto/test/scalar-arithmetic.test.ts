import { seededRandom } from '@nip46/testing'
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js'
import { describe, expect, test } from 'vitest'
import { isBelowOrder, negateIf, reduce } from '../src/scalar.ts'
import { multiplyAdd } from '../src/scalar-arithmetic.ts'
import { LEAK, smallestT } from './timing.ts'

const ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n
const COMPLEMENT = 2n ** 256n - ORDER
const RANDOM_TRIPLES = 100_000
const random = seededRandom('scalar arithmetic')

/** Where a carry, a fold or the last subtraction could go wrong. */
const EDGES = [
  0n,
  1n,
  2n,
  COMPLEMENT - 1n,
  COMPLEMENT,
  2n ** 128n,
  2n ** 252n - 1n,
  2n ** 252n,
  2n ** 255n,
  ORDER - 2n,
  ORDER - 1n,
  ORDER,
  ORDER + 1n,
  2n ** 256n - 1n,
]

const toBytes = (value: bigint): Uint8Array => hexToBytes(value.toString(16).padStart(64, '0'))
const toBigInt = (bytes: Uint8Array): bigint => BigInt(`0x${bytesToHex(bytes)}`)

describe('a product and a sum modulo the group order', () => {
  const out = new Uint8Array(32)

  test(`are right for all ${EDGES.length ** 3} triples of edge values`, () => {
    for (const a of EDGES)
      for (const b of EDGES)
        for (const c of EDGES) {
          multiplyAdd(toBytes(a), toBytes(b), toBytes(c), out)
          if (toBigInt(out) !== (a * b + c) % ORDER) expect.fail(`${a} * ${b} + ${c} gave ${toBigInt(out)}`)
        }
  })

  test(`are right for ${RANDOM_TRIPLES} random triples`, () => {
    for (let i = 0; i < RANDOM_TRIPLES; i++) {
      const [a, b, c] = [random.bytes(32), random.bytes(32), random.bytes(32)] as const
      multiplyAdd(a, b, c, out)
      const expected = (toBigInt(a) * toBigInt(b) + toBigInt(c)) % ORDER
      if (toBigInt(out) !== expected) expect.fail(`triple ${i} of this seed gave ${toBigInt(out)}`)
    }
  })

  test('may replace one of the operands, and change no other', () => {
    const [a, b, c] = [random.bytes(32), random.bytes(32), random.bytes(32)] as const
    const expected = (toBigInt(a) * toBigInt(b) + toBigInt(c)) % ORDER
    const before = [b, c].map(bytesToHex)
    multiplyAdd(a, b, c, a)
    expect(toBigInt(a)).toBe(expected)
    expect([b, c].map(bytesToHex)).toEqual(before)
  })
})

describe('a scalar', () => {
  const values = [...EDGES.map(toBytes), ...Array.from({ length: 10_000 }, () => random.bytes(32))]

  test('is reduced to what is left of it modulo the order', () => {
    for (const value of values) {
      const reduced = value.slice()
      reduce(reduced)
      expect(toBigInt(reduced)).toBe(toBigInt(value) % ORDER)
      expect(isBelowOrder(reduced)).toBe(true)
    }
  })

  test('is negated if the bit says so', () => {
    for (const value of values.filter((bytes) => toBigInt(bytes) <= ORDER)) {
      for (const bit of [0, 1, 2, 3]) {
        const scalar = value.slice()
        negateIf(bit, scalar)
        expect(toBigInt(scalar)).toBe(bit % 2 === 0 ? toBigInt(value) : ORDER - toBigInt(value))
      }
    }
  })
})

describe('the time that arithmetic takes', () => {
  const classes = { zero: 0n, one: 1n, '2^255': 2n ** 255n, 'the order less 1': ORDER - 1n }
  const samples = 20_000
  const [secret, challenge, nonce, out] = [32, 32, 32, 32].map((length) => new Uint8Array(length)) as [
    Uint8Array,
    Uint8Array,
    Uint8Array,
    Uint8Array,
  ]

  function prepareWith(fixed: Uint8Array): (isFixed: boolean) => void {
    return (isFixed) => {
      const drawn = random.bytes(32)
      secret.set(isFixed ? fixed : drawn)
      challenge.set(random.bytes(32))
      nonce.set(random.bytes(32))
    }
  }
  const coin = (): boolean => random.chance(0.5)

  test.each(Object.entries(classes))('does not tell a secret of %s from a random one', (name, value) => {
    const prepare = prepareWith(toBytes(value))
    const run = (title: string, operate: () => void): number =>
      smallestT(`${title}, ${name} against random`, { samples, prepare, operate, coin })
    expect(run('multiply and add', () => multiplyAdd(challenge, secret, nonce, out))).toBeLessThan(LEAK)
    expect(run('reduce', () => reduce(secret))).toBeLessThan(LEAK)
    expect(run('negate', () => negateIf(1, secret))).toBeLessThan(LEAK)
  })

  test('would be told: the same in BigInt is flagged', () => {
    let kept = 0n
    const prepare = prepareWith(toBytes(1n))
    let [a, b] = [0n, 0n]
    const t = smallestT('BigInt multiply, one against random', {
      samples,
      coin,
      prepare: (fixed) => {
        prepare(fixed)
        ;[a, b] = [toBigInt(secret), toBigInt(challenge)]
      },
      operate: () => {
        kept ^= (a * b) % ORDER
      },
    })
    expect(kept).not.toBe(0n)
    expect(t).toBeGreaterThan(LEAK)
  })
})
