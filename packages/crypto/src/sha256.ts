/**
 * SHA-256 (FIPS 180-4) and HMAC (RFC 2104) in plain JavaScript, for few bytes of code.
 * Never branches or indexes on what it hashes, and overwrites its copies.
 */

const BLOCK = 64

/**
 * FIPS 180-4: the first 32 bits of the fractional parts of the roots of the first primes. None of them lies within 2^-40 of
 * where one bit would differ, and no engine's root is off by 2^-48.
 */
const START = /* @__PURE__ */ primes(8, Math.sqrt)
const ROUNDS = /* @__PURE__ */ primes(64, Math.cbrt)
const schedule = /* @__PURE__ */ new Int32Array(64)

/** Of the parts one behind the other. */
export function sha256(...parts: readonly Uint8Array[]): Uint8Array {
  const length = parts.reduce((sum, part) => sum + part.length, 0)
  // A one bit, zeros, and the length in bits as 64 bits, up to a whole block.
  const padded = new Uint8Array(Math.ceil((length + 9) / BLOCK) * BLOCK)
  let at = 0
  for (const part of parts) {
    padded.set(part, at)
    at += part.length
  }
  padded[at] = 0x80
  const view = new DataView(padded.buffer)
  view.setBigUint64(padded.length - 8, BigInt(length * 8))
  const state = START.slice()
  for (at = 0; at < padded.length; at += BLOCK) compress(state, view, at)
  state.forEach((word, i) => {
    view.setInt32(4 * i, word)
  })
  const digest = padded.slice(0, 32)
  for (const secret of [padded, state, schedule]) secret.fill(0)
  return digest
}

/** Of the parts one behind the other. `key` has at most 64 bytes. */
export function hmacSha256(key: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array {
  const pad = new Uint8Array(BLOCK)
  pad.set(key)
  mask(pad, 0x36)
  const inner = sha256(pad, ...parts)
  mask(pad, 0x36 ^ 0x5c)
  const mac = sha256(pad, inner)
  pad.fill(0)
  return mac
}

function mask(pad: Uint8Array, by: number): void {
  for (let i = 0; i < BLOCK; i++) pad[i] = (pad[i] as number) ^ by
}

function compress(state: Int32Array, data: DataView, at: number): void {
  const word = (index: number): number => schedule[index] as number
  for (let i = 0; i < 16; i++) schedule[i] = data.getInt32(at + 4 * i)
  for (let i = 16; i < 64; i++) {
    const older = word(i - 15)
    const newer = word(i - 2)
    schedule[i] =
      word(i - 16) +
      word(i - 7) +
      (rotate(older, 7) ^ rotate(older, 18) ^ (older >>> 3)) +
      (rotate(newer, 17) ^ rotate(newer, 19) ^ (newer >>> 10))
  }
  let [a, b, c, d, e, f, g, h] = state as unknown as Eight
  for (let i = 0; i < 64; i++) {
    const first =
      h +
      (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) +
      ((e & f) ^ (~e & g)) +
      (ROUNDS[i] as number) +
      word(i)
    const second = (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + ((a & b) ^ (a & c) ^ (b & c))
    h = g
    g = f
    f = e
    e = (d + first) | 0
    d = c
    c = b
    b = a
    a = (first + second) | 0
  }
  const worked = [a, b, c, d, e, f, g, h]
  for (let i = 0; i < 8; i++) state[i] = (state[i] as number) + (worked[i] as number)
}

type Eight = [number, number, number, number, number, number, number, number]

function rotate(word: number, by: number): number {
  return (word >>> by) | (word << (32 - by))
}

function primes(count: number, root: (prime: number) => number): Int32Array {
  const found: number[] = []
  for (let number = 2; found.length < count; number++)
    if (found.every((prime) => number % prime !== 0)) found.push(number)
  // What lies above 32 bits is left out, as always in an Int32Array.
  return Int32Array.from(found, (prime) => root(prime) * 2 ** 32)
}
