/**
 * WebAssembly written as bytes: the few instructions, sections and module frame that `symmetric-code.ts` needs.
 * Never validates what it writes; the engine does, and its results are checked before the module is used.
 */

/** Bytes, nested in any way; only {@link wasmModule} lays them out flat. */
export type Code = number | readonly Code[]

export interface WasmFunction {
  readonly name: string
  /** Parameters, all i32; they are the first locals. */
  readonly parameters: number
  /** Further locals: first so many i32, then so many v128. */
  readonly words: number
  readonly vectors: number
  readonly body: Code
}

const I32 = 0x7f
const V128 = 0x7b
const END = 0x0b
const MAGIC_AND_VERSION = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]

/** A module that exports these functions, none of which returns anything, and its memory as `memory`. */
export function wasmModule(functions: readonly WasmFunction[], pages: number): Uint8Array<ArrayBuffer> {
  const types = functions.map(({ parameters }) => [0x60, list(Array<Code>(parameters).fill(I32)), 0])
  const indices = functions.map((_, index) => unsigned(index))
  const names = functions.map(({ name }, index) => [text(name), 0, unsigned(index)])
  return Uint8Array.from(
    flat([
      MAGIC_AND_VERSION,
      section(1, types),
      section(3, indices),
      section(5, [[1, unsigned(pages), unsigned(pages)]]),
      section(7, [...names, [text('memory'), 2, 0]]),
      section(10, functions.map(functionBody)),
    ]),
  )
}

export const get = (local: number): Code => [0x20, unsigned(local)]
export const set = (local: number): Code => [0x21, unsigned(local)]
export const tee = (local: number): Code => [0x22, unsigned(local)]
export const constant = (value: number): Code => [0x41, signed(value)]
export const add = 0x6a
export const subtract = 0x6b
export const and = 0x71
export const xor = 0x73
export const shiftRight = 0x76
export const rotateRight = 0x78
export const greaterSigned = 0x4a

/** Runs the body again for as long as it leaves a number other than 0 behind. */
export const repeatWhile = (body: Code): Code => [0x03, 0x40, body, 0x0d, 0, END]

export const loadVector = (offset: number): Code => simd(0x00, [0, unsigned(offset)])
/** Four bytes at an address, in all four lanes. */
export const loadSplat = (offset: number): Code => simd(0x09, [2, unsigned(offset)])
export const storeVector = (offset: number): Code => simd(0x0b, [0, unsigned(offset)])
export const vectorConstant = (bytes: readonly number[]): Code => simd(0x0c, bytes)
/** Sixteen bytes out of the 32 of two vectors. */
export const shuffle = (lanes: readonly number[]): Code => simd(0x0d, lanes)
export const splat: Code = simd(0x11)
export const lane = (index: number): Code => simd(0x1b, index)
export const replaceLane = (index: number): Code => simd(0x1c, index)
export const vectorOr: Code = simd(0x50)
export const vectorXor: Code = simd(0x51)
export const lanesShiftLeft: Code = simd(0xab)
export const lanesShiftRight: Code = simd(0xad)
export const lanesAdd: Code = simd(0xae)

function simd(code: number, immediates: Code = []): Code {
  return [0xfd, unsigned(code), immediates]
}

function functionBody({ words, vectors, body }: WasmFunction): Code {
  const locals = list([
    [unsigned(words), I32],
    [unsigned(vectors), V128],
  ])
  return sized([locals, body, END])
}

function section(id: number, items: readonly Code[]): Code {
  return [id, sized(list(items))]
}

function sized(code: Code): Code {
  const bytes = flat(code)
  return [unsigned(bytes.length), bytes]
}

function list(items: readonly Code[]): Code {
  return [unsigned(items.length), items]
}

function text(name: string): Code {
  return list(Array.from(name, (character) => character.charCodeAt(0)))
}

function flat(code: Code, into: number[] = []): number[] {
  if (typeof code === 'number') into.push(code)
  else for (const part of code) flat(part, into)
  return into
}

/** LEB128 of a number from 0 to 2^31 - 1. */
function unsigned(value: number): Code {
  return value < 128 ? value : [(value & 127) | 128, unsigned(value >>> 7)]
}

/** Signed LEB128 of a 32-bit number. */
function signed(value: number): Code {
  const last = value >= -64 && value < 64
  return last ? value & 127 : [(value & 127) | 128, signed(value >> 7)]
}
