/**
 * tiny-secp256k1's WebAssembly file in an instance of our own, so that its memory can be wiped after each secret
 * operation. Used where files can be read (Node, Deno, Bun). Never multiplies a point by a bare secret, and never lets
 * a call fail inside the module: it would not give its stack back, and after 3,412 bad points nothing would work.
 */

import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { basename, dirname, join } from 'node:path'
import type { RandomBytes } from '@nip46/core'
import { createAssembledKeys } from './assembled-keys.ts'
import { expectBytes } from './bytes.ts'
import type { Curve } from './curve.ts'
import { hostTaggedHashes } from './symmetric.ts'

interface TinyExports {
  readonly memory: { readonly buffer: ArrayBuffer }
  readonly PRIVATE_INPUT: { readonly value: number }
  readonly PUBLIC_KEY_INPUT: { readonly value: number }
  readonly PUBLIC_KEY_INPUT2: { readonly value: number }
  readonly X_ONLY_PUBLIC_KEY_INPUT: { readonly value: number }
  readonly TWEAK_INPUT: { readonly value: number }
  readonly HASH_INPUT: { readonly value: number }
  readonly SIGNATURE_INPUT: { readonly value: number }
  initializeContext(): void
  isPoint(length: number): number
  pointFromScalar(outLength: number): number
  verifySchnorr(): number
  privateAdd(): number
  privateSub(): number
  pointMultiply(length: number, outLength: number): number
  pointAdd(length: number, length2: number, outLength: number): number
}

/** A WebAssembly namespace without the DOM library's types. */
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => object
  readonly Instance: new (
    module: object,
    imports: Readonly<Record<string, Readonly<Record<string, (code: number) => number>>>>,
  ) => { readonly exports: object }
}

const POINT_BYTES = 33
const FULL_POINT_BYTES = 65
/** Where the module's stack begins; it grows down from here, and its data lies above. */
export const STACK_TOP = 655_360
/** Bytes of stack that are wiped; the deepest operation uses 9,072. */
export const STACK_WIPED = 16_384

let compiled: object | undefined

/** A new instance with memory of its own (1.8 MB). `random` seeds the module's internal blinding. */
export function createTinyCurve(random: RandomBytes): Curve {
  return createTinyMemory(random).curve
}

/** The same together with the memory, for tests that look for what was left behind. */
export function createTinyMemory(random: RandomBytes): {
  readonly curve: Curve
  readonly memory: Uint8Array
} {
  compiled ??= new WebAssembly.Module(readWasm())
  const { exports } = new WebAssembly.Instance(compiled, {
    './rand.js': { generateInt32: () => randomInt32(random) },
    './validate_error.js': {
      throwError: (code) => {
        throw new Error(`tiny-secp256k1 refused an input it should not have seen (code ${code})`)
      },
    },
  })
  const wasm = exports as TinyExports
  const memory = new Uint8Array(wasm.memory.buffer)
  const stack = memory.subarray(STACK_TOP - STACK_WIPED, STACK_TOP)
  const cleanBefore = isZero(stack)
  wasm.initializeContext()
  // The seed has just passed over the stack: if it is not where we take it to be, nothing would be wiped.
  if (!cleanBefore || isZero(stack))
    throw new Error('this tiny-secp256k1 lays out its memory differently: install version 2.2.4')
  stack.fill(0)
  return { curve: curveOver(wasm, memory), memory }
}

function curveOver(wasm: TinyExports, memory: Uint8Array): Curve {
  const view = (address: { readonly value: number }, length: number): Uint8Array =>
    memory.subarray(address.value, address.value + length)
  const secret = view(wasm.PRIVATE_INPUT, 32)
  const tweak = view(wasm.TWEAK_INPUT, 32)
  const fullPoint = view(wasm.PUBLIC_KEY_INPUT, FULL_POINT_BYTES)
  const point = fullPoint.subarray(0, POINT_BYTES)
  const point2 = view(wasm.PUBLIC_KEY_INPUT2, POINT_BYTES)
  const xOnly = view(wasm.X_ONLY_PUBLIC_KEY_INPUT, 32)
  const message = view(wasm.HASH_INPUT, 32)
  const signature = view(wasm.SIGNATURE_INPUT, 64)
  const stack = memory.subarray(STACK_TOP - STACK_WIPED, STACK_TOP)

  const secrets = [secret, tweak, fullPoint, point2, stack]

  /** Runs a secret operation and leaves nothing of it behind. */
  function wiped<T>(operation: () => T): T {
    try {
      return operation()
    } finally {
      for (const input of secrets) input.fill(0)
    }
  }

  function multiply(x32: Uint8Array, scalar: Uint8Array): void {
    point[0] = 2
    point.set(x32, 1)
    tweak.set(scalar)
    expectDone(wasm.pointMultiply(POINT_BYTES, POINT_BYTES))
  }

  return {
    isPoint(x32) {
      point.set(x32)
      return wasm.isPoint(32) === 1
    },
    ...createAssembledKeys(
      (scalar32, out65) =>
        wiped(() => {
          secret.set(scalar32)
          const done = wasm.pointFromScalar(FULL_POINT_BYTES) === 1
          if (done) out65.set(fullPoint)
          return done
        }),
      hostTaggedHashes,
    ),
    verify(x32, message32, signature64) {
      xOnly.set(x32)
      message.set(message32)
      signature.set(signature64)
      return wasm.verifySchnorr() === 1
    },
    ecdhX(secret32, x32, blinding32, out32) {
      return wiped(() => {
        secret.set(secret32)
        tweak.set(blinding32)
        // Refuses the secret and its negative: the multiplication by the blinding would be one by the secret.
        if (wasm.privateAdd() !== 1) return false
        secret.set(secret32)
        // secret - blinding, left where the secret was.
        if (wasm.privateSub() !== 1) return false
        multiply(x32, blinding32)
        point2.set(point)
        multiply(x32, secret)
        expectDone(wasm.pointAdd(POINT_BYTES, POINT_BYTES, POINT_BYTES))
        out32.set(point.subarray(1))
        return true
      })
    },
  }
}

/** A product of valid inputs on a curve of prime order is never infinity; anything else is a broken module. */
function expectDone(done: number): void {
  if (done !== 1) throw new Error('tiny-secp256k1 failed on valid inputs')
}

function isZero(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0)
}

function randomInt32(random: RandomBytes): number {
  const bytes = random(4)
  expectBytes('what random(4) returns', bytes, 4)
  return new DataView(bytes.buffer, bytes.byteOffset, 4).getInt32(0)
}

/** The package names no entry for its .wasm file; it lies in `lib`, as does the main file or the folder it is in. */
function readWasm(): Uint8Array {
  const folder = dirname(createRequire(import.meta.url).resolve('tiny-secp256k1'))
  return readFileSync(join(basename(folder) === 'cjs' ? dirname(folder) : folder, 'secp256k1.wasm'))
}
