import { expect, test } from 'vitest'
import { type Case, measure } from '../src/measure.ts'
import type { Stopwatch } from '../src/stopwatch.ts'

/** Time that goes on only when a case says so. */
function handClock(): Stopwatch & { spend(us: number, idle?: number): void } {
  let wall = 0
  let cpu = 0
  return {
    wall: () => wall,
    cpu: () => cpu,
    spend(us, idle = 0) {
      cpu += us
      wall += us + idle
    },
  }
}

const base = { group: 'primitive', scenario: 'work' } as const

test('a figure is processor time for one run, with wall time beside it', async () => {
  const clock = handClock()
  const cases: Case[] = [{ ...base, subject: 'a', run: () => clock.spend(100, 50) }]
  const [figure] = await measure(cases, { rounds: 5, sliceMs: 1, warmUpMs: 1, stopwatch: clock })
  expect(figure).toMatchObject({ unit: 'us', samples: 5, value: { median: 100 }, wall: { median: 150 } })
})

test('a slice holds as many runs as fit, and one at least', async () => {
  const clock = handClock()
  let runs = 0
  const run = (): void => {
    runs += 1
    clock.spend(100)
  }
  await measure([{ ...base, subject: 'a', run }], { rounds: 1, sliceMs: 2, warmUpMs: 0.05, stopwatch: clock })
  expect(runs).toBe(1 + 20)
  runs = 0
  await measure([{ ...base, subject: 'a', run }], {
    rounds: 3,
    sliceMs: 0.01,
    warmUpMs: 0.01,
    stopwatch: clock,
  })
  expect(runs).toBe(1 + 3)
})

test('the subjects of a scenario take turns at going first', async () => {
  const clock = handClock()
  const order: string[] = []
  const item = (subject: string): Case => ({
    ...base,
    subject,
    run: () => {
      order.push(subject)
      clock.spend(100)
    },
  })
  await measure([item('a'), item('b')], { rounds: 2, sliceMs: 0.1, warmUpMs: 0.1, stopwatch: clock })
  expect(order.join('')).toBe('ab' + 'ab' + 'ba')
})

test('a figure for a thousand is told from a run of ten', async () => {
  const clock = handClock()
  const cases: Case[] = [
    { ...base, subject: 'a', run: () => clock.spend(100), share: 10 / 1_000, note: 'on 10' },
  ]
  const [figure] = await measure(cases, { rounds: 1, sliceMs: 1, warmUpMs: 1, stopwatch: clock })
  expect(figure).toMatchObject({ value: { median: 10_000 }, wall: { median: 10_000 }, note: 'on 10' })
})

test('a case that takes long has fewer rounds', async () => {
  const clock = handClock()
  const cases: Case[] = [
    { ...base, subject: 'a', run: () => clock.spend(100), rounds: 2 },
    { ...base, subject: 'b', run: () => clock.spend(100) },
  ]
  const told: number[] = []
  const figures = await measure(cases, {
    rounds: 5,
    sliceMs: 0.1,
    warmUpMs: 0.1,
    stopwatch: clock,
    onProgress: (_label, done) => told.push(done),
  })
  expect(figures.map(({ samples }) => samples)).toEqual([2, 5])
  expect(told).toHaveLength(2 + 2 + 5)
  expect(told.at(-1)).toBeCloseTo(8 / 9)
})

test('where the host tells no processor time the figure is wall time', async () => {
  const clock = handClock()
  const stopwatch: Stopwatch = { wall: clock.wall, cpu: () => undefined }
  const cases: Case[] = [{ ...base, subject: 'a', run: () => clock.spend(100, 50) }]
  const [figure] = await measure(cases, { rounds: 3, sliceMs: 1, warmUpMs: 1, stopwatch })
  expect(figure).toMatchObject({ samples: 3, value: { median: 150 } })
})

test('a clock too coarse to see one run still ends', async () => {
  let now = 0
  let reads = 0
  const stopwatch: Stopwatch = { wall: () => (now = Math.floor(reads++ / 4) * 100), cpu: () => undefined }
  const figures = await measure([{ ...base, subject: 'a', run: () => now }], {
    rounds: 2,
    sliceMs: 0.2,
    warmUpMs: 0.2,
    stopwatch,
  })
  expect(figures).toHaveLength(1)
})

test('progress goes from nothing to nearly all, naming each case', async () => {
  const clock = handClock()
  const told: [string, number][] = []
  const cases: Case[] = [{ ...base, subject: 'a', run: () => clock.spend(100) }]
  await measure(cases, {
    rounds: 3,
    sliceMs: 0.1,
    warmUpMs: 0.1,
    stopwatch: clock,
    onProgress: (label, done) => told.push([label, done]),
  })
  expect(told).toEqual([0, 0.25, 0.5, 0.75].map((done) => ['work, a', done]))
})
