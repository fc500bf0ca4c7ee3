import { seededRandom } from '@nip46/testing'
import { schnorr } from '@noble/curves/secp256k1.js'
import { describe, expect, test } from 'vitest'
import type { Curve } from '../src/curve.ts'

declare const WebAssembly: {
  Instance: new (
    ...parameters: readonly unknown[]
  ) => { readonly exports: { readonly memory: { buffer: ArrayBuffer } } }
}

const random = seededRandom('tiny package')
const GENERATOR = Buffer.from('79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798', 'hex')

/** The package hides its memory; a test may watch it being made. */
async function loadWatched(): Promise<{ readonly curve: Curve; readonly memory: Uint8Array }> {
  const { Instance } = WebAssembly
  const made: InstanceType<typeof Instance>[] = []
  WebAssembly.Instance = class extends Instance {
    constructor(...parameters: readonly unknown[]) {
      super(...parameters)
      made.push(this)
    }
  }
  const { createTinyCurve } = await import('../src/tiny-package.ts')
  WebAssembly.Instance = Instance
  const [instance] = made
  if (instance === undefined) throw new Error('tiny-secp256k1 was loaded before this test')
  return { curve: createTinyCurve(random.bytes), memory: new Uint8Array(instance.exports.memory.buffer) }
}

describe("tiny-secp256k1 through its own entry, in the package's memory", () => {
  test('nothing of a secret is left: the image is the same, byte for byte, whatever secret was used', async () => {
    const { curve, memory } = await loadWatched()
    const [message, aux, blinding] = [random.bytes(32), random.bytes(32), random.bytes(32)] as const
    const operations: Readonly<Record<string, (secret: Uint8Array) => void>> = {
      publicKey: (secret) => curve.publicKey(secret, new Uint8Array(32)),
      sign: (secret) => curve.sign(secret, message, aux, new Uint8Array(64), schnorr.getPublicKey(secret)),
      ecdhX: (secret) => curve.ecdhX(secret, GENERATOR, blinding, new Uint8Array(32)),
    }
    curve.publicKey(random.bytes(32), new Uint8Array(32))
    for (const [name, operate] of Object.entries(operations)) {
      const images = [random.bytes(32), random.bytes(32)].map((secret) => {
        memory.fill(0, 0, 655_360)
        operate(secret)
        return memory.slice()
      })
      const differing = images[0]?.findIndex((byte, at) => byte !== images[1]?.[at])
      expect(differing, `${name} leaves a trace`).toBe(-1)
    }
  })

  test('a flood of keys off the curve and impossible signatures does not wear it out', async () => {
    const { createTinyCurve } = await import('../src/tiny-package.ts')
    const curve = createTinyCurve(random.bytes)
    for (let i = 0; i < 4_000; i++) {
      expect(curve.isPoint(new Uint8Array(32).fill(255))).toBe(false)
      expect(curve.verify(GENERATOR, new Uint8Array(32), new Uint8Array(64).fill(255))).toBe(false)
    }
    expect(curve.isPoint(GENERATOR)).toBe(true)
  })
})
