import { seededRandom } from '@nip46/testing'
import { schnorr } from '@noble/curves/secp256k1.js'
import { expect, test } from 'vitest'
import type { AssembledCurve } from '../src/assembled-curve.ts'
import { countResidue } from './residue.ts'

const TRIALS = 500

interface Instance {
  readonly exports: { readonly memory: { readonly buffer: ArrayBuffer }; heap_base(): number }
}
declare const WebAssembly: { instantiate: (...parameters: readonly unknown[]) => Promise<Instance> }

const random = seededRandom('ox package')
const PEER = Buffer.from('d9071f685197d91dfe2842694fb51f554d2a792cc1f75cd2ed2f391bd561fd62', 'hex')
const { curve, memory, stackTop } = await loadWatched()
const [message, aux] = [random.bytes(32), random.bytes(32)] as const
const operations: Readonly<Record<string, (secret: Uint8Array, out: Uint8Array) => void>> = {
  publicKey: (secret, out) => curve.publicKey(secret.slice(), out),
  sign: (secret) => curve.sign(secret, message, aux, new Uint8Array(64), schnorr.getPublicKey(secret)),
  ecdhX: (secret, out) => curve.ecdhX(secret, PEER, new Uint8Array(32), out),
}

/** The package hides its memory; a test may watch it being made. */
async function loadWatched(): Promise<{
  readonly curve: AssembledCurve
  readonly memory: Uint8Array
  readonly stackTop: number
}> {
  const { instantiate } = WebAssembly
  const made: Instance[] = []
  WebAssembly.instantiate = async (...parameters) => {
    const instance = await instantiate(...parameters)
    made.push(instance)
    return instance
  }
  const { loadOxCurve } = await import('../src/ox-package.ts')
  const loaded = await loadOxCurve(random.bytes)
  WebAssembly.instantiate = instantiate
  const [instance] = made
  if (instance === undefined) throw new Error('ox was loaded before this test')
  const { exports } = instance
  return { curve: loaded, memory: new Uint8Array(exports.memory.buffer), stackTop: exports.heap_base() }
}

test.each(Object.entries(operations))(
  "nothing of a secret is left in the package's memory: after %s the image is the same, byte for byte",
  (_, operate) => {
    operate(random.bytes(32), new Uint8Array(32))
    const images = [random.bytes(32), random.bytes(32)].map((secret) => {
      memory.fill(0, stackTop - 32_768, stackTop)
      operate(secret, new Uint8Array(32))
      return memory.slice()
    })
    expect(images[0]?.findIndex((byte, at) => byte !== images[1]?.[at])).toBe(-1)
    expect(images[0]?.subarray(0, stackTop).some((byte, at) => byte !== 0 && at > stackTop - 32_768)).toBe(
      true,
    )
  },
)

test(`the search for what is left finds nothing in ${TRIALS} trials of each operation`, () => {
  let found = 0
  for (let i = 0; i < TRIALS; i++) {
    for (const [name, operate] of Object.entries(operations)) {
      const [secret, out] = [random.bytes(32), new Uint8Array(32)]
      operate(secret, out)
      found += countResidue(memory, name === 'ecdhX' ? [secret, out] : [secret])
    }
  }
  expect(found).toBe(0)
})

test('keys off the curve and impossible signatures do not wear it out', () => {
  const size = memory.length
  for (let i = 0; i < 2_000; i++) {
    expect(curve.isPoint(new Uint8Array(32).fill(255))).toBe(false)
    expect(curve.verify(PEER, message, new Uint8Array(64).fill(i % 2 === 0 ? 255 : 0))).toBe(false)
  }
  expect(curve.isPoint(PEER)).toBe(true)
  expect(memory.length).toBe(size)
})
