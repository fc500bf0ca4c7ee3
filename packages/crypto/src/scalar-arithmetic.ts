/**
 * Arithmetic modulo the order of secp256k1 on secret numbers: what a signature needs besides points.
 * Never branches or indexes on a value, and never uses BigInt, division or floating point.
 *
 * How that is ensured: numbers are 22 limbs of 12 bits in an Int32Array. Loop bounds are constants, array indices are
 * loop counters, a condition is a mask of all ones or all zeros. No sum reaches 2^29 (22 products of 24 bits and a
 * carry), so every intermediate value is a small integer in every engine: none is ever boxed, and no compiled code
 * that assumed small integers is ever thrown away because of what a secret was.
 */

const LIMBS = 22
const LIMB_BITS = 12
const LIMB_MASK = 4_095
/** Limbs of a product of two numbers of 256 bits and a carry. */
const WIDE_LIMBS = 43
/** Limbs that reach over bit 264 after the first fold. */
const FOLDED_LIMBS = 33
/** The top limb holds bits 252 to 263, of which the upper 8 lie above bit 256. */
const TOP = LIMBS - 1
const TOP_BITS = 4
const TOP_MASK = 15

/** 2^256 less the order: what a bit above 256 is worth. */
const COMPLEMENT = Int32Array.of(
  0xebf,
  0xc9b,
  0x32f,
  0xa17,
  0x02d,
  0xc44,
  0x75f,
  0x50b,
  0x319,
  0x512,
  0x145,
  0,
)
/** 256 times that: what a bit above 264, the first limb beyond a number, is worth. */
const COMPLEMENT_264 = shiftLeft8(COMPLEMENT)

const left = new Int32Array(LIMBS)
const right = new Int32Array(LIMBS)
const added = new Int32Array(LIMBS)
const wide = new Int32Array(WIDE_LIMBS + 1)

/** `out = a·b + c` modulo the order, for any three numbers of 32 bytes. `out` may be one of them. */
export function multiplyAdd(a32: Uint8Array, b32: Uint8Array, c32: Uint8Array, out32: Uint8Array): void {
  readLimbs(a32, left)
  readLimbs(b32, right)
  readLimbs(c32, added)
  multiply()
  fold(WIDE_LIMBS - LIMBS, FOLDED_LIMBS)
  fold(FOLDED_LIMBS - LIMBS, LIMBS + 1)
  fold(1, LIMBS)
  reduceTop()
  reduceTop()
  subtractOrder()
  writeLimbs(out32)
  left.fill(0)
  right.fill(0)
  added.fill(0)
  wide.fill(0)
}

/** Two limbs are three bytes; the 33rd byte is zero. */
function readLimbs(bytes32: Uint8Array, limbs: Int32Array): void {
  for (let pair = 0; pair < 10; pair++) readPair(bytes32, limbs, pair, bytes32[29 - 3 * pair] as number)
  readPair(bytes32, limbs, 10, 0)
}

function readPair(bytes32: Uint8Array, limbs: Int32Array, pair: number, high: number): void {
  const low = bytes32[31 - 3 * pair] as number
  const middle = bytes32[30 - 3 * pair] as number
  limbs[2 * pair] = low | ((middle & 15) << 8)
  limbs[2 * pair + 1] = (middle >> 4) | (high << 4)
}

function writeLimbs(bytes32: Uint8Array): void {
  for (let pair = 0; pair < 11; pair++) {
    const even = wide[2 * pair] as number
    const odd = wide[2 * pair + 1] as number
    bytes32[31 - 3 * pair] = even & 255
    bytes32[30 - 3 * pair] = (even >> 8) | ((odd & 15) << 4)
    if (pair < 10) bytes32[29 - 3 * pair] = odd >> 4
  }
}

/** `wide = left·right + added`, column by column. */
function multiply(): void {
  let sum = 0
  for (let column = 0; column < WIDE_LIMBS; column++) {
    const last = column < LIMBS ? column : TOP
    for (let i = column - last; i <= last; i++)
      sum += Math.imul(left[i] as number, right[column - i] as number)
    if (column < LIMBS) sum += added[column] as number
    wide[column] = sum & LIMB_MASK
    sum >>= LIMB_BITS
  }
}

/** Replaces the `count` limbs from bit 264 on by what they are worth below, which leaves `length` limbs. */
function fold(count: number, length: number): void {
  for (let i = 0; i < count; i++) {
    left[i] = wide[LIMBS + i] as number
    wide[LIMBS + i] = 0
  }
  let sum = 0
  for (let column = 0; column < length; column++) {
    const first = column < COMPLEMENT_264.length ? 0 : column - COMPLEMENT_264.length + 1
    const last = column < count ? column : count - 1
    for (let i = first; i <= last; i++)
      sum += Math.imul(left[i] as number, COMPLEMENT_264[column - i] as number)
    sum += wide[column] as number
    wide[column] = sum & LIMB_MASK
    sum >>= LIMB_BITS
  }
}

/** The same for bits 256 to 263, within the top limb. */
function reduceTop(): void {
  const top = wide[TOP] as number
  const above = top >> TOP_BITS
  wide[TOP] = top & TOP_MASK
  let sum = 0
  for (let i = 0; i < LIMBS; i++) {
    sum += wide[i] as number
    if (i < COMPLEMENT.length) sum += Math.imul(above, COMPLEMENT[i] as number)
    wide[i] = sum & LIMB_MASK
    sum >>= LIMB_BITS
  }
}

/** Below 2^256, a number is not below the order if its sum with the complement reaches 2^256. */
function subtractOrder(): void {
  let sum = 0
  for (let i = 0; i < LIMBS; i++) {
    sum += wide[i] as number
    if (i < COMPLEMENT.length) sum += COMPLEMENT[i] as number
    right[i] = sum & LIMB_MASK
    sum >>= LIMB_BITS
  }
  const mask = -((right[TOP] as number) >> TOP_BITS)
  for (let i = 0; i < LIMBS; i++) wide[i] = ((right[i] as number) & mask) | ((wide[i] as number) & ~mask)
  wide[TOP] = (wide[TOP] as number) & TOP_MASK
}

function shiftLeft8(limbs: Int32Array): Int32Array {
  let carry = 0
  return limbs.map((limb) => {
    const shifted = (limb << 8) | carry
    carry = shifted >> LIMB_BITS
    return shifted & LIMB_MASK
  })
}
