import { seededRandom } from '@nip46/testing'
import { describe, expect, test } from 'vitest'
import { tinyBackend, tinyCrypto } from '../src/tiny.ts'
import { createTinyMemory, STACK_TOP, STACK_WIPED } from '../src/tiny-memory.ts'

console.log('left out: the timing test at 100,000 samples; run it with pnpm --filter @nip46/crypto timing')

const random = seededRandom('tiny memory')
const GENERATOR = Buffer.from('79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798', 'hex')

/** Not the generator: a product of that is the public key, which may stay in memory. */
const PEER = Buffer.from('d9071f685197d91dfe2842694fb51f554d2a792cc1f75cd2ed2f391bd561fd62', 'hex')

/** Runs every secret operation once. */
function useSecret(curve: ReturnType<typeof createTinyMemory>['curve'], secret: Uint8Array): void {
  const seeded = seededRandom('same for every secret')
  const [copy, pubkey] = [secret.slice(), new Uint8Array(32)]
  curve.publicKey(copy, pubkey)
  curve.sign(copy, seeded.bytes(32), seeded.bytes(32), new Uint8Array(64), pubkey)
  curve.ecdhX(copy, GENERATOR, seeded.bytes(32), new Uint8Array(32))
}

function forms(bytes: Uint8Array): readonly Buffer[] {
  const forward = Buffer.from(bytes)
  const backward = Buffer.from(bytes).reverse()
  // Any quarter of it counts: half a key is already too much.
  return [forward, backward].flatMap((all) => [0, 8, 16, 24].map((at) => all.subarray(at, at + 8)))
}

describe("tiny-secp256k1's memory", () => {
  test('holds nothing of a secret, a blinding or a shared point after each operation', () => {
    const { curve, memory } = createTinyMemory(random.bytes)
    const found = (bytes: Uint8Array): number =>
      forms(bytes).filter((form) => Buffer.from(memory.buffer).includes(form)).length
    const [secret, blinding, aux, message] = [32, 32, 32, 32].map((length) => random.bytes(length)) as [
      Uint8Array,
      Uint8Array,
      Uint8Array,
      Uint8Array,
    ]
    const pubkey = new Uint8Array(32)
    curve.publicKey(secret, pubkey)
    expect(found(secret)).toBe(0)
    curve.sign(secret, message, aux, new Uint8Array(64), pubkey)
    expect(found(secret) + found(aux)).toBe(0)
    const shared = new Uint8Array(32)
    expect(curve.ecdhX(secret, PEER, blinding, shared)).toBe(true)
    expect(found(secret) + found(blinding) + found(shared)).toBe(0)
    expect(curve.ecdhX(secret, PEER, secret, shared)).toBe(false)
    expect(found(secret)).toBe(0)
    // The search finds what is there.
    memory.set(secret, STACK_TOP - 4_096)
    expect(found(secret)).toBe(4)
  })

  test('is the same, byte for byte, whatever secret was used', () => {
    const images = [random.bytes(32), random.bytes(32)].map((secret) => {
      const { curve, memory } = createTinyMemory(seededRandom('context').bytes)
      useSecret(curve, secret)
      // Signatures and public keys are public, and differ: overwrite them with those of one fixed key.
      useSecret(curve, new Uint8Array(32).fill(7))
      return { memory: memory.slice(), stack: memory.slice(0, STACK_TOP) }
    })
    expect(Buffer.compare(images[0]?.memory ?? Buffer.from('a'), images[1]?.memory ?? Buffer.from('b'))).toBe(
      0,
    )
    expect(images[0]?.stack.every((byte) => byte === 0)).toBe(true)
  })

  test('is the same, byte for byte, whatever a multiplication was blinded with', () => {
    const { curve, memory } = createTinyMemory(random.bytes)
    const secret = random.bytes(32)
    const images = [random.bytes(32), random.bytes(32)].map((blinding) => {
      curve.ecdhX(secret, PEER, blinding, new Uint8Array(32))
      return Buffer.from(memory)
    })
    expect(images[0]?.equals(images[1] ?? Buffer.alloc(0))).toBe(true)
  })

  test('is never used below what is wiped, even for the deepest operation', () => {
    const { curve, memory } = createTinyMemory(random.bytes)
    const below = memory.subarray(0, STACK_TOP - STACK_WIPED)
    const canary = 0xa5
    below.fill(canary)
    for (let i = 0; i < 8; i++) {
      useSecret(curve, random.bytes(32))
      curve.verify(GENERATOR, random.bytes(32), random.bytes(64))
      curve.isPoint(random.bytes(32))
    }
    expect(below.every((byte) => byte === canary)).toBe(true)
  })

  test('has its internal blinding seeded by the given source, and a broken one is refused', () => {
    const asked: number[] = []
    tinyBackend((length) => {
      asked.push(length)
      return new Uint8Array(length).fill(1)
    })
    expect(asked.every((length) => length === 4)).toBe(true)
    expect(asked.length * 4).toBeGreaterThanOrEqual(32)
    expect(() => tinyBackend(() => new Uint8Array(3))).toThrow(/4 bytes, not 3/)
  })
})

describe('a flood of keys off the curve', () => {
  // Each failure inside the module costs it stack for good; the bare package is dead after 3,412 of these.
  test('does not wear the backend out', () => {
    const crypto = tinyCrypto()
    const key = crypto.importKey(random.bytes(32))
    const id = 'ab'.repeat(32)
    const sig = key.sign(id, random.bytes(32))
    for (let i = 0; i < 5_000; i++) {
      expect(crypto.verify({ pubkey: 'ff'.repeat(32), id, sig })).toBe(false)
      expect(key.conversation('00'.repeat(32)).ok).toBe(false)
    }
    expect(crypto.verify({ pubkey: key.pubkey, id, sig })).toBe(true)
    expect(key.sign(id, new Uint8Array(32))).toHaveLength(128)
  })

  test('nor do impossible signatures', () => {
    const crypto = tinyCrypto()
    const { pubkey } = crypto.importKey(random.bytes(32))
    const claims = Array.from({ length: 4_000 }, (_, i) => ({
      pubkey,
      id: 'ab'.repeat(32),
      sig: (i % 2 === 0 ? 'ff' : '00').repeat(64),
    }))
    expect(crypto.verifyBatch(claims).some((valid) => valid)).toBe(false)
    expect(crypto.isPubkey(pubkey)).toBe(true)
  })
})
