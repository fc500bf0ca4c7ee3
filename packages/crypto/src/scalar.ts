/**
 * Scalars of secp256k1 as 32 bytes: which bytes are one, what is left of others, and the negative, without telling by
 * the time it takes. Never branches or indexes on a value; products are made by `scalar-arithmetic.ts`.
 */

/** The group order, big-endian. */
export const ORDER: Uint8Array = Uint8Array.of(
  0xff,
  0xff,
  0xff,
  0xff,
  0xff,
  0xff,
  0xff,
  0xff,
  0xff,
  0xff,
  0xff,
  0xff,
  0xff,
  0xff,
  0xff,
  0xfe,
  0xba,
  0xae,
  0xdc,
  0xe6,
  0xaf,
  0x48,
  0xa0,
  0x3b,
  0xbf,
  0xd2,
  0x5e,
  0x8c,
  0xd0,
  0x36,
  0x41,
  0x41,
)

/** Whether 32 big-endian bytes are below the group order. */
export function isBelowOrder(bytes32: Uint8Array): boolean {
  let borrow = 0
  for (let i = 31; i >= 0; i--) {
    const difference = (bytes32[i] as number) - (ORDER[i] as number) - borrow
    borrow = (difference >> 8) & 1
  }
  return borrow === 1
}

/** Whether 32 bytes are a secret key: from 1 to the group order less 1. */
export function isSecretScalar(bytes32: Uint8Array): boolean {
  let any = 0
  for (let i = 0; i < 32; i++) any |= bytes32[i] as number
  const below = isBelowOrder(bytes32)
  return any !== 0 && below
}

/** Subtracts the order once if that leaves nothing negative, which reduces any number of 32 bytes. */
export function reduce(scalar32: Uint8Array): void {
  let borrow = 0
  for (let i = 31; i >= 0; i--) borrow = (((scalar32[i] as number) - (ORDER[i] as number) - borrow) >> 8) & 1
  const mask = borrow - 1
  borrow = 0
  for (let i = 31; i >= 0; i--) {
    const difference = (scalar32[i] as number) - ((ORDER[i] as number) & mask) - borrow
    scalar32[i] = difference
    borrow = (difference >> 8) & 1
  }
}

/** Replaces a scalar by its negative if `bit` is 1, and by itself if it is 0. The scalar is at most the order. */
export function negateIf(bit: number, scalar32: Uint8Array): void {
  const mask = -(bit & 1)
  let borrow = 0
  for (let i = 31; i >= 0; i--) {
    const value = scalar32[i] as number
    const difference = (ORDER[i] as number) - value - borrow
    scalar32[i] = (difference & mask) | (value & ~mask)
    borrow = (difference >> 8) & 1
  }
}
