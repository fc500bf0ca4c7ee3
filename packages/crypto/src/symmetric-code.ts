/**
 * SHA-256 (FIPS 180-4) and ChaCha20 (RFC 8439) as WebAssembly, written out when they are first used.
 * Never branches on data, reads at an address that depends on data, or writes outside the addresses it is given.
 */

import {
  add,
  and,
  type Code,
  constant,
  get,
  greaterSigned,
  lane,
  lanesAdd,
  lanesShiftLeft,
  lanesShiftRight,
  loadSplat,
  loadVector,
  repeatWhile,
  replaceLane,
  rotateRight,
  set,
  shiftRight,
  shuffle,
  splat,
  storeVector,
  subtract,
  tee,
  vectorConstant,
  vectorOr,
  vectorXor,
  type WasmFunction,
  wasmModule,
  xor,
} from './wasm-code.ts'

export interface SymmetricExports {
  readonly memory: { readonly buffer: ArrayBuffer }
  /** Runs `blocks` (at least 1) of 64 bytes at `data` through the chaining value at `state`, 32 bytes as in a digest. */
  compress(state: number, data: number, blocks: number): void
  /**
   * XORs the key stream (32-byte key, then 12-byte nonce at `key`; counter from 0) onto `length` bytes at `data`.
   * Always works in steps of {@link CHACHA_STEP}: what lies behind the data up to the next step is spoiled.
   */
  chacha(key: number, data: number, length: number): void
}

/** Bytes that one step of `chacha` covers: four blocks side by side. */
export const CHACHA_STEP = 256

/** The chaining value that SHA-256 starts from, as eight words. */
export const SHA256_START: readonly number[] = primes(8).map((prime) => fractionBits(Math.sqrt(prime)))

const SHA256_ROUNDS = primes(64).map((prime) => fractionBits(Math.cbrt(prime)))
const CHACHA_START = [0x61707865, 0x3320646e, 0x79622d32, 0x6b206574]
const CHACHA_DOUBLE_ROUNDS = 10

/** The module, about 11 KB, with so many pages (64 KiB) of memory. */
export function symmetricModule(pages: number): Uint8Array<ArrayBuffer> {
  return wasmModule([compressFunction(), chachaFunction()], pages)
}

// -- SHA-256 -----------------------------------------------------------------------------------

/** Each word's four bytes turned round: SHA-256 is big-endian, WebAssembly is not. */
const BIG_ENDIAN = shuffle([3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12])

function compressFunction(): WasmFunction {
  const [state, data, blocks] = [0, 1, 2]
  const work = range(3, 8)
  const schedule = range(11, 16)
  const [sum, differing, differingBefore] = [27, 28, 29]
  const chain = range(30, 2)
  const vector = 32

  const load = (address: number, offset: number): Code => [
    [get(address), loadVector(offset)],
    [tee(vector), get(vector), BIG_ENDIAN],
  ]
  const spread = (from: Code, into: readonly number[]): Code => [
    [from, set(vector)],
    into.map((local, index) => [get(vector), lane(index), set(local)]),
  ]
  const gather = (locals: readonly number[]): Code =>
    locals.map((local, index) => [get(local), index === 0 ? splat : replaceLane(index)])
  const rotations = (local: number, bits: readonly number[]): Code =>
    bits.map((by, index) => [get(local), constant(by), rotateRight, index === 0 ? [] : xor])

  const extend = (index: number): Code => {
    const [word, older, newer] = [index, index + 1, index + 14].map((i) => at(schedule, i & 15)) as Three
    return [
      get(word),
      [rotations(older, [7, 18]), get(older), constant(3), shiftRight, xor, add],
      [get(at(schedule, (index + 9) & 15)), add],
      [rotations(newer, [17, 19]), get(newer), constant(10), shiftRight, xor, add],
      set(word),
    ]
  }
  const round = (index: number): Code => {
    const [a, b, c, d, e, f, g, h] = range(0, 8).map((role) => at(work, (role - index) & 7)) as Eight
    return [
      index < 16 ? [] : extend(index),
      // T1 = h + S1(e) + Ch(e, f, g) + K + W
      [get(h), rotations(e, [6, 11, 25]), add],
      [get(f), get(g), xor, get(e), and, get(g), xor, add],
      [constant(at(SHA256_ROUNDS, index) | 0), add, get(at(schedule, index & 15)), add, set(sum)],
      [get(d), get(sum), add, set(d)],
      // h = T1 + S0(a) + Maj(a, b, c): Maj is b ^ ((a ^ b) & (b ^ c)), and b ^ c was a ^ b one round ago
      [get(sum), rotations(a, [2, 13, 22]), add],
      [get(a), get(b), xor, tee(differing)],
      index === 0 ? [get(b), get(c), xor] : get(differingBefore),
      [and, get(b), xor, add, set(h)],
      [get(differing), set(differingBefore)],
    ]
  }

  return {
    name: 'compress',
    parameters: 3,
    words: 27,
    vectors: 3,
    body: [
      chain.map((local, index) => [load(state, 16 * index), set(local)]),
      repeatWhile([
        chain.map((local, index) => spread(get(local), work.slice(4 * index, 4 * index + 4))),
        range(0, 4).map((index) => spread(load(data, 16 * index), schedule.slice(4 * index, 4 * index + 4))),
        range(0, 64).map(round),
        chain.map((local, index) => [
          [get(local), gather(work.slice(4 * index, 4 * index + 4)), lanesAdd, set(local)],
        ]),
        [get(data), constant(64), add, set(data)],
        [get(blocks), constant(1), subtract, tee(blocks), constant(0), greaterSigned],
      ]),
      chain.map((local, index) => [
        [get(state), get(local), get(local), BIG_ENDIAN, storeVector(16 * index)],
      ]),
    ],
  }
}

// -- ChaCha20 ----------------------------------------------------------------------------------

const LANE_NUMBERS = [0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0]
const LOW_WORDS = shuffle(wordLanes([0, 4, 1, 5]))
const HIGH_WORDS = shuffle(wordLanes([2, 6, 3, 7]))
const LOW_HALVES = shuffle(wordLanes([0, 1, 4, 5]))
const HIGH_HALVES = shuffle(wordLanes([2, 3, 6, 7]))

/** Four blocks at once: vector i holds word i of each, so that every step is the same for all four. */
function chachaFunction(): WasmFunction {
  const [key, data, length, counter, rounds] = [0, 1, 2, 3, 4]
  const start = range(5, 16)
  const words = range(21, 16)

  const rotateLeft = (local: number, by: number): Code =>
    by % 8 === 0
      ? [get(local), get(local), shuffle(byteRotation(by / 8)), set(local)]
      : [
          [get(local), constant(by), lanesShiftLeft],
          [get(local), constant(32 - by), lanesShiftRight],
          [vectorOr, set(local)],
        ]
  const mix = (a: number, b: number, c: number, by: number): Code => [
    [get(a), get(b), lanesAdd, tee(a)],
    [get(c), vectorXor, set(c)],
    rotateLeft(c, by),
  ]
  const quarter = (indices: readonly number[]): Code => {
    const [a, b, c, d] = indices.map((index) => at(words, index)) as Four
    return [mix(a, b, d, 16), mix(c, d, b, 12), mix(a, b, d, 8), mix(c, d, b, 7)]
  }
  const columns = range(0, 4).map((i) => quarter([i, 4 + i, 8 + i, 12 + i]))
  const diagonals = range(0, 4).map((i) =>
    quarter([i, 4 + ((i + 1) & 3), 8 + ((i + 2) & 3), 12 + ((i + 3) & 3)]),
  )

  /** Words 4g to 4g + 3 of all four blocks, turned so that each block's are together, and XORed onto the data. */
  const group = (g: number): Code => {
    const [a, b, c, d] = words.slice(4 * g, 4 * g + 4) as unknown as Four
    // These of `start` are not needed any more, and are set again in the next step.
    const [low, low2, high, high2] = start.slice(0, 4) as unknown as Four
    const store = (block: number, left: number, right: number, half: Code): Code => [
      [get(data), get(data), loadVector(64 * block + 16 * g)],
      [get(left), get(right), half, vectorXor, storeVector(64 * block + 16 * g)],
    ]
    return [
      [get(a), get(b), LOW_WORDS, set(low), get(c), get(d), LOW_WORDS, set(low2)],
      [get(a), get(b), HIGH_WORDS, set(high), get(c), get(d), HIGH_WORDS, set(high2)],
      [store(0, low, low2, LOW_HALVES), store(1, low, low2, HIGH_HALVES)],
      [store(2, high, high2, LOW_HALVES), store(3, high, high2, HIGH_HALVES)],
    ]
  }

  return {
    name: 'chacha',
    parameters: 3,
    words: 2,
    vectors: 32,
    body: repeatWhile([
      CHACHA_START.map((word, index) => [constant(word), splat, set(at(start, index))]),
      range(0, 8).map((index) => [get(key), loadSplat(4 * index), set(at(start, 4 + index))]),
      [get(counter), splat, vectorConstant(LANE_NUMBERS), lanesAdd, set(at(start, 12))],
      range(0, 3).map((index) => [get(key), loadSplat(32 + 4 * index), set(at(start, 13 + index))]),
      words.map((local, index) => [get(at(start, index)), set(local)]),
      [constant(CHACHA_DOUBLE_ROUNDS), set(rounds)],
      repeatWhile([columns, diagonals, get(rounds), constant(1), subtract, tee(rounds)]),
      words.map((local, index) => [get(local), get(at(start, index)), lanesAdd, set(local)]),
      range(0, 4).map(group),
      [get(data), constant(CHACHA_STEP), add, set(data)],
      [get(counter), constant(4), add, set(counter)],
      [get(length), constant(CHACHA_STEP), subtract, tee(length), constant(0), greaterSigned],
    ]),
  }
}

// -- numbers -----------------------------------------------------------------------------------

type Three = [number, number, number]
type Four = [number, number, number, number]
type Eight = [number, number, number, number, number, number, number, number]

/** The lanes of these words: 0 to 3 of the first vector, 4 to 7 of the second. */
function wordLanes(words: readonly number[]): number[] {
  return words.flatMap((word) => range(4 * word, 4))
}

/** The lanes that rotate each word to the left by so many bytes. */
function byteRotation(by: number): number[] {
  return range(0, 16).map((index) => (index & ~3) | ((index - by) & 3))
}

function primes(count: number): number[] {
  const found: number[] = []
  for (let number = 2; found.length < count; number++)
    if (found.every((prime) => number % prime !== 0)) found.push(number)
  return found
}

/** The first 32 bits behind the point, which is how FIPS 180-4 makes its constants. */
function fractionBits(root: number): number {
  return Math.floor((root - Math.floor(root)) * 2 ** 32)
}

function range(from: number, count: number): number[] {
  return Array.from({ length: count }, (_, index) => from + index)
}

function at(numbers: readonly number[], index: number): number {
  return numbers[index] as number
}
