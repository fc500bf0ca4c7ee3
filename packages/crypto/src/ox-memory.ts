/**
 * The WebAssembly code of `ox/wasm` in an instance of our own, so that its memory can be wiped after each secret
 * operation. Used where files can be read (Node, Deno, Bun). Never installs an ox engine, and never loads the rest of ox.
 */

import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { type RandomBytes, UsageError } from '@nip46/core'
import { type AssembledCurve, createAssembledCurve, type PointModule } from './assembled-curve.ts'
import { expectBytes } from './bytes.ts'

interface OxExports {
  readonly memory: { readonly buffer: ArrayBuffer }
  /** Where free memory begins, which is also where the stack does; that grows down. */
  heap_base(): number
  secp256k1_init(): number
  secp256k1_randomize(seed32: number): number
  secp256k1_get_public_key(scalar32: number, out65: number): number
  secp256k1_get_shared_secret(scalar32: number, point: number, pointSize: number, out33: number): number
  secp256k1_recover_public_key(
    signature65: number,
    message: number,
    messageSize: number,
    out65: number,
  ): number
}

/** A WebAssembly namespace without the DOM library's types. */
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => object
  readonly Instance: new (module: object, imports: object) => { readonly exports: object }
}

/** Bytes of stack that are wiped; the deepest operation uses 4,528. */
export const STACK_WIPED = 16_384
/** Behind the stack: the operands of one call. */
const OPERANDS = 256
const CODE = /^export const wasmBase64 =\s*'([A-Za-z0-9+/=]+)'/m

let compiled: object | undefined

/** A new instance with memory of its own (256 KB). `random` seeds the module's internal blinding. Throws `UsageError` without ox. */
export async function loadOxCurve(random: RandomBytes): Promise<AssembledCurve> {
  return createOxMemory(random).curve
}

/** The same together with the memory, for tests that look for what was left behind. `from` is where ox is looked for. */
export function createOxMemory(
  random: RandomBytes,
  from?: string,
): {
  readonly curve: AssembledCurve
  readonly memory: Uint8Array
  readonly stackTop: number
} {
  const module = from === undefined ? compileOnce() : new WebAssembly.Module(readWasm(from))
  const { exports } = new WebAssembly.Instance(module, {})
  const wasm = exports as OxExports
  const memory = new Uint8Array(wasm.memory.buffer)
  const stackTop = wasm.heap_base()
  const stack = memory.subarray(stackTop - STACK_WIPED, stackTop)
  const cleanBefore = isZero(stack)
  expectDone(wasm.secp256k1_init())
  const seed = random(32)
  expectBytes('what random(32) returns', seed, 32)
  memory.set(seed, stackTop)
  seed.fill(0)
  expectDone(wasm.secp256k1_randomize(stackTop))
  // The seed has just passed over the stack: if that is not where we take it to be, nothing would be wiped.
  if (!cleanBefore || isZero(stack) || memory.length < stackTop + OPERANDS) throw otherLayout()
  memory.fill(0, stackTop - STACK_WIPED, stackTop + OPERANDS)
  return { curve: createAssembledCurve(modulePoints(wasm, memory, stackTop)), memory, stackTop }
}

function modulePoints(wasm: OxExports, memory: Uint8Array, stackTop: number): PointModule {
  const scalarAt = stackTop
  const pointAt = scalarAt + 32
  const signatureAt = stackTop
  const messageAt = signatureAt + 65
  const outAt = stackTop + 128
  const written33 = memory.subarray(outAt, outAt + 33)
  const written65 = memory.subarray(outAt, outAt + 65)
  const touched = memory.subarray(stackTop - STACK_WIPED, stackTop + OPERANDS)
  return {
    multiplyBase(scalar32, out65) {
      memory.set(scalar32, scalarAt)
      const done = wasm.secp256k1_get_public_key(scalarAt, outAt) === 1
      if (done) out65.set(written65)
      touched.fill(0)
      return done
    },
    multiplyPoint(scalar32, point33, out33) {
      memory.set(scalar32, scalarAt)
      memory.set(point33, pointAt)
      const done = wasm.secp256k1_get_shared_secret(scalarAt, pointAt, 33, outAt) === 1
      if (done) out33.set(written33)
      touched.fill(0)
      return done
    },
    recover(signature65, message32, out65) {
      memory.set(signature65, signatureAt)
      memory.set(message32, messageAt)
      const done = wasm.secp256k1_recover_public_key(signatureAt, messageAt, 32, outAt) === 1
      if (done) out65.set(written65)
      return done
    },
  }
}

function compileOnce(): object {
  compiled ??= new WebAssembly.Module(readWasm(import.meta.url))
  return compiled
}

/** ox names no entry for its code; it lies in `internal`, beside the file of the entry that it does name. */
function readWasm(from: string): Uint8Array {
  const path = join(dirname(resolveOx(from)), 'internal', 'secp256k1.wasm.js')
  const base64 = CODE.exec(readFileSync(path, 'latin1'))?.[1]
  if (base64 === undefined) throw otherLayout()
  return Buffer.from(base64, 'base64')
}

function resolveOx(from: string): string {
  try {
    return createRequire(from).resolve('ox/wasm/Secp256k1')
  } catch (cause) {
    throw new UsageError('@nip46/crypto/ox needs the package ox: npm install ox@1.8.3', { cause })
  }
}

function isZero(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0)
}

function expectDone(done: number): void {
  if (done !== 1) throw new Error('the secp256k1 module of ox could not be started')
}

function otherLayout(): UsageError {
  return new UsageError('this ox lays out its code or memory differently: npm install ox@1.8.3')
}
