/**
 * Numbers and bytes that look random and repeat for a seed, so that a failing run can be run again.
 * Never for keys that protect anything.
 */

import { UsageError } from '@nip46/core'

export interface SeededRandom {
  /** A number in [0, 1). */
  next(): number
  /** A whole number in [0, below); `below` is at least 1. */
  below(below: number): number
  /** True with this probability. Draws one number whatever the probability is. */
  chance(probability: number): boolean
  bytes(length: number): Uint8Array
}

/**
 * The generator of one seed (a whole number or any text): sfc32, a 128-bit state.
 * Equal seeds and equal calls give equal values.
 */
export function seededRandom(seed: number | string): SeededRandom {
  const text = typeof seed === 'string' ? `s:${seed}` : `n:${seed}`
  let a = hashText(text, 0x9e3779b9)
  let b = hashText(text, 0x243f6a88)
  let c = hashText(text, 0xb7e15162)
  let counter = 1

  const nextUint32 = (): number => {
    const sum = (((a + b) | 0) + counter) | 0
    counter = (counter + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = (c << 21) | (c >>> 11)
    c = (c + sum) | 0
    return sum >>> 0
  }
  for (let i = 0; i < 12; i += 1) nextUint32()

  const next = (): number => nextUint32() / 0x1_0000_0000
  return {
    next,
    below(below) {
      if (!Number.isSafeInteger(below) || below < 1)
        throw new UsageError('below() takes a whole number from 1')
      return Math.floor(next() * below)
    },
    chance: (probability) => next() < probability,
    bytes(length) {
      const bytes = new Uint8Array(length)
      for (let i = 0; i < length; i += 1) bytes[i] = nextUint32() >>> 24
      return bytes
    },
  }
}

/** FNV-1a over UTF-16 units from a start value: spreads a seed over the state. */
function hashText(text: string, start: number): number {
  let hash = (0x811c9dc5 ^ start) >>> 0
  for (let i = 0; i < text.length; i += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193) >>> 0
  }
  return hash | 0
}
