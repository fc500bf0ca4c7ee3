/**
 * `a·b + c` modulo the order of secp256k1 on secret numbers, in few bytes of code: `scalar-arithmetic.ts` does the same three
 * times as fast. Never branches or indexes on a value, and never uses BigInt, division or floating point.
 *
 * Numbers are bytes in an Int32Array, the lowest first. Loop bounds are constants, array indices are loop counters. No sum
 * reaches 2^29 (32 products of 16 bits, a byte and a carry), so every intermediate value is a small integer in every engine.
 */

import { type MultiplyAdd, ORDER, reduce } from './scalar.ts'

const BYTES = 32
/** 2^256 less the order, which has 129 bits: what a byte beyond the 32nd is worth. */
const COMPLEMENT = /* @__PURE__ */ Int32Array.from(
  { length: 17 },
  (_, i) => 255 - (ORDER[31 - i] as number) + (i === 0 ? 1 : 0),
)
/** Each leaves fewer bits above 256 of what were 512: 130, 4, one, and none. */
const FOLDS = 4

const left = /* @__PURE__ */ new Int32Array(BYTES)
const right = /* @__PURE__ */ new Int32Array(BYTES)
const sum = /* @__PURE__ */ new Int32Array(2 * BYTES)

export const multiplyAdd: MultiplyAdd = (a32, b32, c32, out32) => {
  for (let i = 0; i < BYTES; i++) {
    left[i] = a32[31 - i] as number
    right[i] = b32[31 - i] as number
    sum[i] = c32[31 - i] as number
  }
  addProduct(right)
  for (let fold = 0; fold < FOLDS; fold++) {
    left.set(sum.subarray(BYTES))
    sum.fill(0, BYTES)
    addProduct(COMPLEMENT)
  }
  for (let i = 0; i < BYTES; i++) out32[31 - i] = sum[i] as number
  reduce(out32)
  for (const secret of [left, right, sum]) secret.fill(0)
}

/** `sum += left·factor`. */
function addProduct(factor: Int32Array): void {
  for (let i = 0; i < BYTES; i++)
    for (let j = 0; j < factor.length; j++)
      sum[i + j] = (sum[i + j] as number) + Math.imul(left[i] as number, factor[j] as number)
  let carry = 0
  for (let i = 0; i < sum.length; i++) {
    carry += sum[i] as number
    sum[i] = carry & 255
    carry >>= 8
  }
}
