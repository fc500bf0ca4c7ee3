import { seededRandom } from '@nip46/testing'
import { expect, test } from 'vitest'
import { BACKOFF_CAP_MS, backoffMs } from '../src/backoff.ts'

test('the longest wait doubles from one second to thirty', () => {
  const longest = [0, 1, 2, 3, 4, 5, 6, 100, 5_000].map((failures) =>
    backoffMs(failures, () => Uint8Array.of(255, 255)),
  )
  for (const [i, ceiling] of [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000, 30_000].entries()) {
    expect(longest[i]).toBeLessThan(ceiling)
    expect(longest[i]).toBeGreaterThan(ceiling * 0.999)
  }
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

test('the first random byte counts most', () => {
  expect(backoffMs(0, () => Uint8Array.of(0, 0))).toBe(0)
  expect(backoffMs(0, () => Uint8Array.of(128, 0))).toBe(500)
  expect(backoffMs(0, () => Uint8Array.of(0, 128))).toBeLessThan(2)
})
