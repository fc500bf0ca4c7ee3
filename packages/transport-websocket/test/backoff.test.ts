import { seededRandom } from '@nip46/testing'
import { expect, test } from 'vitest'
import {
  BACKOFF_BASE_MS,
  BACKOFF_CAP_MS,
  backoffCeilingMs,
  backoffMs,
  randomFraction,
  slowdownMs,
} from '../src/backoff.ts'

test('the longest wait doubles from one second to thirty', () => {
  expect([0, 1, 2, 3, 4, 5, 6, 100, 5_000].map(backoffCeilingMs)).toEqual([
    1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000, 30_000,
  ])
})

test('waits are spread over the whole range (full jitter)', () => {
  const random = seededRandom(1)
  const waits = Array.from({ length: 2_000 }, () => backoffMs(10, random.bytes))
  const mean = waits.reduce((sum, wait) => sum + wait, 0) / waits.length
  expect(Math.min(...waits)).toBeLessThan(300)
  expect(Math.max(...waits)).toBeGreaterThan(29_700)
  expect(Math.max(...waits)).toBeLessThan(BACKOFF_CAP_MS)
  expect(mean).toBeGreaterThan(14_000)
  expect(mean).toBeLessThan(16_000)
})

test('whoever was asked to slow down waits a second at least', () => {
  expect(slowdownMs(0, () => Uint8Array.of(0, 0, 0, 0))).toBe(BACKOFF_BASE_MS)
  expect(slowdownMs(3, () => Uint8Array.of(128, 0, 0, 0))).toBe(BACKOFF_BASE_MS + 4_000)
})

test('random bytes become a fraction below one', () => {
  const fraction = (...bytes: number[]): number => randomFraction(() => new Uint8Array(bytes))
  expect(fraction(0, 0, 0, 0)).toBe(0)
  expect(fraction(128, 0, 0, 0)).toBe(0.5)
  expect(fraction(255, 255, 255, 255)).toBeLessThan(1)
  expect(fraction(255, 255, 255, 255)).toBeGreaterThan(0.999_999)
})
