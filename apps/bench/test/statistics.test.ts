import { expect, test } from 'vitest'
import { quantile, spreadOf, timesLess, timesMore } from '../src/statistics.ts'

test('a spread is the median and the quartiles, in whatever order the samples came', () => {
  expect(spreadOf([5, 1, 4, 2, 3])).toEqual({ median: 3, low: 2, high: 4 })
  expect(spreadOf([7])).toEqual({ median: 7, low: 7, high: 7 })
  expect(spreadOf([]).median).toBeNaN()
})

test('one wild sample does not move the median', () => {
  expect(spreadOf([10, 11, 12, 13, 10_000]).median).toBe(12)
})

test('a quantile lies between two samples in proportion', () => {
  expect(quantile([0, 10], 0.5)).toBe(5)
  expect(quantile([0, 10, 20], 0.99)).toBeCloseTo(19.8)
  expect(quantile([1, 2, 3], 0)).toBe(1)
  expect(quantile([1, 2, 3], 1)).toBe(3)
})

test('a figure a tenth of another is ten times as good, within what both spreads allow', () => {
  const fast = { median: 10, low: 8, high: 12 }
  const slow = { median: 100, low: 90, high: 120 }
  expect(timesLess(fast, slow)).toEqual({ median: 10, low: 7.5, high: 15 })
  expect(timesLess(slow, fast).median).toBeCloseTo(0.1)
})

test('where more is better, a figure ten times another is ten times as good', () => {
  const many = { median: 100, low: 90, high: 120 }
  const few = { median: 10, low: 8, high: 12 }
  expect(timesMore(many, few)).toEqual({ median: 10, low: 7.5, high: 15 })
})
