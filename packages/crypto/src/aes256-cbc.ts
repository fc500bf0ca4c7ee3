/**
 * AES-256 (FIPS 197) in CBC mode with PKCS#7 padding, in plain JavaScript, for few bytes of code: NIP-04 only.
 * Never promises constant time: like other tables of AES in JavaScript, its reads depend on the data.
 */

import type { Blocks } from './nip04.ts'

const BLOCK = 16
const ROUNDS = 14
const KEY_BYTES = 32

interface Tables {
  readonly forward: Uint8Array
  readonly inverse: Uint8Array
}

let made: Tables | undefined
const scratch = /* @__PURE__ */ new Uint8Array(BLOCK)

export const PLAIN_BLOCKS: Blocks = {
  encrypt(key32, iv16, plaintext) {
    const keys = expandKey(key32)
    const padding = BLOCK - (plaintext.length % BLOCK)
    const out = new Uint8Array(plaintext.length + padding).fill(padding)
    out.set(plaintext)
    let before = iv16
    for (let at = 0; at < out.length; at += BLOCK) {
      const block = out.subarray(at, at + BLOCK)
      xor(block, before, 0)
      encryptBlock(block, keys)
      before = block
    }
    wipe(keys)
    return out
  },
  decrypt(key32, iv16, ciphertext) {
    const keys = expandKey(key32)
    const out = ciphertext.slice()
    for (let at = 0; at < out.length; at += BLOCK) {
      const block = out.subarray(at, at + BLOCK)
      decryptBlock(block, keys)
      if (at === 0) xor(block, iv16, 0)
      else xor(block, ciphertext, at - BLOCK)
    }
    wipe(keys)
    const padding = out[out.length - 1] as number
    const end = out.length - padding
    if (padding > 0 && padding <= BLOCK && out.subarray(end).every((byte) => byte === padding))
      return out.subarray(0, end)
    out.fill(0)
    return undefined
  },
}

function encryptBlock(block: Uint8Array, keys: Uint8Array): void {
  const { forward } = tables()
  xor(block, keys, 0)
  for (let round = 1; round <= ROUNDS; round++) {
    // ShiftRows: row r moves to the left by r.
    permute(block, 5, forward)
    if (round < ROUNDS) mixColumns(block)
    xor(block, keys, BLOCK * round)
  }
}

function decryptBlock(block: Uint8Array, keys: Uint8Array): void {
  const { inverse } = tables()
  for (let round = ROUNDS; round > 0; round--) {
    xor(block, keys, BLOCK * round)
    if (round < ROUNDS) {
      // The inverse of MixColumns is MixColumns of bytes that were added up crosswise before.
      for (let at = 0; at < BLOCK; at++) {
        if ((at & 3) > 1) continue
        const [low, high] = [block[at] as number, block[at + 2] as number]
        const cross = twice(twice(low ^ high))
        block[at] = low ^ cross
        block[at + 2] = high ^ cross
      }
      mixColumns(block)
    }
    permute(block, 13, inverse)
  }
  xor(block, keys, 0)
}

/** Byte i becomes the substitute of byte `step * i`: 5 shifts the rows to the left, 13 back. */
function permute(block: Uint8Array, step: number, box: Uint8Array): void {
  scratch.set(block)
  for (let i = 0; i < BLOCK; i++) block[i] = box[scratch[(step * i) & 15] as number] as number
}

function mixColumns(block: Uint8Array): void {
  for (let at = 0; at < BLOCK; at += 4) {
    const a = block[at] as number
    const b = block[at + 1] as number
    const c = block[at + 2] as number
    const d = block[at + 3] as number
    const all = a ^ b ^ c ^ d
    block[at] = a ^ all ^ twice(a ^ b)
    block[at + 1] = b ^ all ^ twice(b ^ c)
    block[at + 2] = c ^ all ^ twice(c ^ d)
    block[at + 3] = d ^ all ^ twice(d ^ a)
  }
}

/** The fifteen round keys, one behind the other. */
function expandKey(key32: Uint8Array): Uint8Array {
  const { forward } = tables()
  const keys = new Uint8Array(BLOCK * (ROUNDS + 1))
  keys.set(key32)
  let constant = 1
  for (let at = KEY_BYTES; at < keys.length; at += 4) {
    let word = keys.slice(at - 4, at)
    if (at % KEY_BYTES === 0) word = Uint8Array.of(...word.subarray(1), word[0] as number)
    if (at % BLOCK === 0) word = word.map((byte) => forward[byte] as number)
    if (at % KEY_BYTES === 0) {
      word[0] = (word[0] as number) ^ constant
      constant = twice(constant)
    }
    for (let i = 0; i < 4; i++) keys[at + i] = (word[i] as number) ^ (keys[at + i - KEY_BYTES] as number)
    word.fill(0)
  }
  return keys
}

/** Made when the first key is. FIPS 197: the inverse in the field, then a matrix over its bits and 0x63. */
function tables(): Tables {
  if (made !== undefined) return made
  const forward = new Uint8Array(256).fill(0x63, 0, 1)
  // 3 runs through all elements but 0, and its inverse 0xf6 through theirs.
  for (let [element, inverted, i] = [1, 1, 0]; i < 255; i++) {
    forward[element] = rotations(inverted) ^ 0x63
    element ^= twice(element)
    inverted = product(inverted, 0xf6)
  }
  const inverse = new Uint8Array(256)
  forward.forEach((substitute, byte) => {
    inverse[substitute] = byte
  })
  made = { forward, inverse }
  return made
}

function rotations(byte: number): number {
  const doubled = byte * 257
  return (doubled ^ (doubled >> 4) ^ (doubled >> 5) ^ (doubled >> 6) ^ (doubled >> 7)) & 255
}

function product(a: number, b: number): number {
  let [sum, factor] = [0, a]
  for (let bit = 1; bit < 256; bit *= 2) {
    if (b & bit) sum ^= factor
    factor = twice(factor)
  }
  return sum
}

/** Times x in GF(2^8), without a branch. */
function twice(byte: number): number {
  return ((byte << 1) ^ (0x11b & -(byte >> 7))) & 255
}

function xor(block: Uint8Array, from: Uint8Array, at: number): void {
  for (let i = 0; i < BLOCK; i++) block[i] = (block[i] as number) ^ (from[at + i] as number)
}

function wipe(keys: Uint8Array): void {
  keys.fill(0)
  scratch.fill(0)
}
