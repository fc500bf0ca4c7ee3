import type { Millis } from '@nip46/core'
import { createFakeClock, type FakeClock } from '@nip46/testing'
import { expect, test } from 'vitest'
import { type Call, createCommitLane } from '../src/commit-lane.ts'
import { limits } from '../src/index.ts'
import type { PlainChange, PlainSession } from '../src/message.ts'
import { Packer } from '../src/packer.ts'
import { BOUNDS } from '../src/sqlite-store.ts'

const { GROUP_PACE_MS } = limits

interface Named extends Call {
  readonly name: string
}

function callOf(name: string, change: PlainChange = { session: {} as PlainSession }): Named {
  const reject = (cause: unknown): never => {
    throw cause
  }
  return { name, changes: [change], packer: new Packer(), now: 0, reject }
}

/** A lane that writes groups in `takes()` milliseconds, on a clock that stands still. */
function createWorld(takes: () => Millis = () => 0) {
  const clock = createFakeClock(0)
  const groups: { readonly at: Millis; readonly names: string }[] = []
  const lane = createCommitLane<Named>({
    bounds: BOUNDS,
    clock,
    write: (calls) => {
      groups.push({ at: clock.now(), names: calls.map(({ name }) => name).join(' ') })
      return new Promise((resolve) => clock.setTimer(resolve, takes()))
    },
    hasRest: () => false,
  })
  const push = (...names: readonly string[]): void => {
    for (const name of names) lane.push(callOf(name))
  }
  return { clock, groups, lane, push }
}

/** As far as the next timer at the least. */
async function pass(clock: FakeClock, ms: Millis): Promise<void> {
  await clock.run(ms)
  await clock.settle()
}

test('a commit that is alone waits for nobody, however soon it comes after another', async () => {
  const { clock, groups, push } = createWorld()
  for (const name of ['a', 'b', 'c']) {
    push(name)
    await pass(clock, 0)
  }
  expect(groups).toEqual([
    { at: 0, names: 'a' },
    { at: 0, names: 'b' },
    { at: 0, names: 'c' },
  ])
})

test(`groups of several sessions begin ${GROUP_PACE_MS} ms apart, and what comes meanwhile is one group`, async () => {
  const { clock, groups, push } = createWorld()
  push('a', 'b')
  await pass(clock, 0)
  push('c')
  await pass(clock, GROUP_PACE_MS - 0.5)
  push('d')
  await pass(clock, 0.25)
  expect(groups).toEqual([{ at: 0, names: 'a b' }])
  await pass(clock, 0.25)
  expect(groups.slice(1)).toEqual([{ at: GROUP_PACE_MS, names: 'c d' }])
})

test('what waited while a group was written goes at once if that took the pause, and after the rest of it if not', async () => {
  let takes = GROUP_PACE_MS + 3
  const { clock, groups, push } = createWorld(() => takes)
  push('a', 'b')
  await pass(clock, 0)
  push('c', 'd')
  takes = GROUP_PACE_MS / 2
  await pass(clock, GROUP_PACE_MS + 3)
  expect(groups.slice(1)).toEqual([{ at: GROUP_PACE_MS + 3, names: 'c d' }])
  push('e', 'f')
  await pass(clock, GROUP_PACE_MS - 0.25)
  expect(groups).toHaveLength(2)
  await pass(clock, 0.25)
  expect(groups.slice(2)).toEqual([{ at: 2 * GROUP_PACE_MS + 3, names: 'e f' }])
})

test('the pace ends with the crowd: one pause after the last group of several, and none after that', async () => {
  const { clock, groups, push } = createWorld()
  push('a', 'b')
  await pass(clock, 0)
  push('c')
  await pass(clock, GROUP_PACE_MS)
  push('d')
  await pass(clock, 0)
  expect(groups.slice(1)).toEqual([
    { at: GROUP_PACE_MS, names: 'c' },
    { at: GROUP_PACE_MS, names: 'd' },
  ])
})

test('commits without a session are no crowd', async () => {
  const { clock, groups, lane } = createWorld()
  lane.push(callOf('a', { published: ['1'] }))
  lane.push(callOf('b'))
  await pass(clock, 0)
  lane.push(callOf('c'))
  await pass(clock, 0)
  expect(groups).toEqual([
    { at: 0, names: 'a b' },
    { at: 0, names: 'c' },
  ])
})

test('a clock that stands still, or jumps back, delays a group by one pause at the most', async () => {
  const { clock, groups, push } = createWorld()
  push('a', 'b')
  await pass(clock, 0)
  clock.jump(-1_000)
  push('c')
  await pass(clock, GROUP_PACE_MS)
  expect(groups.slice(1)).toEqual([{ at: GROUP_PACE_MS - 1_000, names: 'c' }])
})

test('nothing is written while somebody reads, and all of it after that', async () => {
  const { clock, groups, lane, push } = createWorld()
  let done = (): void => undefined
  const reading = lane.standStill(
    () =>
      new Promise<void>((resolve) => {
        done = resolve
      }),
  )
  push('a')
  await pass(clock, 0)
  push('b')
  await pass(clock, 1_000)
  expect(groups).toEqual([])
  done()
  await reading
  await pass(clock, 0)
  expect(groups).toEqual([{ at: 1_000, names: 'a b' }])
})

test('closing writes what waits for its pause, and leaves no timer behind', async () => {
  const { clock, groups, lane, push } = createWorld()
  push('a', 'b')
  await pass(clock, 0)
  push('c')
  const finished = lane.finish()
  await pass(clock, GROUP_PACE_MS)
  await finished
  lane.close()
  expect(groups.slice(1)).toEqual([{ at: GROUP_PACE_MS, names: 'c' }])
  expect(clock.pending).toBe(0)
})
