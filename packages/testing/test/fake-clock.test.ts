import { UsageError } from '@nip46/core'
import { expect, test } from 'vitest'
import { createFakeClock, FAKE_CLOCK_RUNS, seededRandom } from '../src/index.ts'

test('timers run in order of time, then of setting, each at its own moment', () => {
  const clock = createFakeClock(1_000)
  const ran: string[] = []
  const note = (name: string) => () => ran.push(`${name}@${clock.now()}`)
  clock.setTimer(note('late'), 30)
  clock.setTimer(note('first'), 10)
  clock.setTimer(note('second'), 10)
  clock.setTimer(() => clock.setTimer(note('nested'), 5), 12)
  clock.advance(9)
  expect(ran).toEqual([])
  clock.advance(11)
  expect(ran).toEqual(['first@1010', 'second@1010', 'nested@1017'])
  expect(clock.now()).toBe(1_020)
  expect(clock.nextAt).toBe(1_030)
  clock.advance(10)
  expect(ran.at(-1)).toBe('late@1030')
  expect(clock.pending).toBe(0)
})

test('a cleared timer never runs, and clearing it again does nothing', () => {
  const clock = createFakeClock()
  let ran = 0
  const keep = clock.setTimer(() => (ran += 1), 10)
  const drop = clock.setTimer(() => (ran += 100), 10)
  clock.clearTimer(drop)
  clock.clearTimer(drop)
  clock.clearTimer(undefined)
  clock.advance(10)
  clock.clearTimer(keep)
  expect(ran).toBe(1)
})

test('random settings and clearings run exactly the timers left, in order', () => {
  const random = seededRandom('clock')
  const clock = createFakeClock(0)
  const expected = new Map<number, number>()
  const ran: number[] = []
  const handles: unknown[] = []
  for (let i = 0; i < 2_000; i += 1) {
    const at = random.below(500)
    handles.push(clock.setTimer(() => ran.push(i), at))
    expected.set(i, at)
    if (random.chance(0.4)) {
      const victim = random.below(handles.length)
      clock.clearTimer(handles[victim])
      expected.delete(victim)
    }
  }
  expect(clock.pending).toBe(expected.size)
  clock.advance(500)
  expect(ran).toEqual([...expected].sort((a, b) => a[1] - b[1] || a[0] - b[0]).map(([i]) => i))
})

test('promises settle between two timers when time runs', async () => {
  const clock = createFakeClock()
  const seen: string[] = []
  const sleep = (ms: number): Promise<void> => new Promise((resolve) => clock.setTimer(resolve, ms))
  const work = async (): Promise<void> => {
    await sleep(10)
    seen.push('a')
    await sleep(10)
    seen.push('b')
  }
  const done = work()
  clock.setTimer(() => seen.push('between'), 15)
  await clock.run(20)
  await done
  expect(seen).toEqual(['a', 'between', 'b'])
  expect(await clock.runUntil(() => false, 100)).toBe(false)
  clock.setTimer(() => seen.push('c'), 50)
  expect(await clock.runUntil(() => seen.includes('c'), 100)).toBe(true)
})

test('a jump moves time without running timers; they run late', () => {
  const clock = createFakeClock(0)
  const ran: number[] = []
  clock.setTimer(() => ran.push(clock.now()), 10)
  clock.jump(1_000)
  expect(ran).toEqual([])
  clock.advance(0)
  expect(ran).toEqual([1_000])
})

test('a timer that sets itself again at once ends in an error, not in a hang', () => {
  const clock = createFakeClock()
  let runs = 0
  const again = (): void => {
    runs += 1
    clock.setTimer(again, 0)
  }
  clock.setTimer(again, 0)
  expect(() => clock.advance(1)).toThrow(UsageError)
  expect(runs).toBe(FAKE_CLOCK_RUNS)
})

test('time cannot be advanced backwards or by no number', () => {
  const clock = createFakeClock()
  expect(() => clock.advance(-1)).toThrow(UsageError)
  expect(() => clock.advance(Number.NaN)).toThrow(UsageError)
  expect(() => clock.setTimer(() => {}, Number.NaN)).toThrow(UsageError)
})

test('a seed gives the same numbers again, another seed gives others', () => {
  const draw = (seed: number | string): string => [...seededRandom(seed).bytes(16)].join()
  expect(draw(1)).toBe(draw(1))
  expect(new Set([draw(0), draw(1), draw('1'), draw('one'), draw(-1)]).size).toBe(5)
})

test('the numbers spread evenly over [0, 1)', () => {
  const random = seededRandom(3)
  const buckets = new Array<number>(16).fill(0)
  for (let i = 0; i < 16_000; i += 1) {
    const value = random.next()
    expect(value).toBeGreaterThanOrEqual(0)
    expect(value).toBeLessThan(1)
    buckets[Math.floor(value * 16)] = (buckets[Math.floor(value * 16)] ?? 0) + 1
  }
  for (const count of buckets) expect(Math.abs(count - 1_000)).toBeLessThan(150)
  expect(() => random.below(0)).toThrow(UsageError)
})
