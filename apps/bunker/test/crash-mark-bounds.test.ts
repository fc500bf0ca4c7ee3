/** The bounds of what is marked after a crash: at the limit and one over, without a process. */

import type { Clock, Operation, Pubkey } from '@nip46/core'
import type { HostRecords } from '@nip46/core/remote-signer'
import { memoryStore } from '@nip46/remote-signer'
import { createFakeClock } from '@nip46/testing'
import { expect, test } from 'vitest'
import { type CrashMarks, openCrashMarks } from '../src/daemon/crash-marks.ts'
import {
  CAREFUL_MS,
  CAREFUL_OPERATIONS,
  CRASH_MARK_FOR_MS,
  CRASH_MARKS,
  CRASH_MARKS_AT_ONCE,
} from '../src/daemon/limits.ts'
import { hostClock } from '../src/keys/host-clock.ts'

const user = 'a'.repeat(64) as Pubkey
const noted = (content: string): Operation => ({
  method: 'sign_event',
  template: { kind: 1, content, created_at: 1, tags: [] },
})

test('one crash marks so many, the store keeps so many marks, and those of another version do not count', async () => {
  const records = memoryStore()
  const open = (version = '1'): Promise<CrashMarks> =>
    openCrashMarks({
      ...{ records, instance: '', salt: 'salt', version, clock: hostClock },
      onRefused: () => undefined,
      onFault: (cause) => expect.fail(String(cause)),
    })
  const crashAt = async (contents: readonly string[]): Promise<number> => {
    const marks = await open()
    let begun = 0
    const hang = (): Promise<never> => {
      begun += 1
      return new Promise(() => undefined)
    }
    const perform = marks.guard(user, hang)
    for (const content of contents) void perform(noted(content))
    await expect.poll(() => begun, { timeout: 30_000 }).toBe(contents.length)
    return marks.crashed()
  }
  const many = (from: number, count: number): string[] =>
    Array.from({ length: count }, (_, i) => `${from + i}`)
  expect(await crashAt(many(0, CRASH_MARKS_AT_ONCE))).toBe(CRASH_MARKS_AT_ONCE)
  expect(await crashAt(many(0, CRASH_MARKS_AT_ONCE + 1))).toBe(CRASH_MARKS_AT_ONCE)

  const tried = async (content: string, version?: string): Promise<boolean> => {
    const marks = await open(version)
    const outcome = await marks.guard(user, async () => ({ ok: true, value: 'done' }))(noted(content))
    expect(marks.refused).toBe(outcome.ok ? 0 : 1)
    return outcome.ok
  }
  expect(await tried('0')).toBe(false)
  expect(await tried(`${CRASH_MARKS_AT_ONCE}`)).toBe(true)
  expect(await tried('0', '2')).toBe(true)

  for (let from = 10_000; from < 10_000 + CRASH_MARKS; from += CRASH_MARKS_AT_ONCE)
    await crashAt(many(from, CRASH_MARKS_AT_ONCE))
  const kept = (await records.readHostRecords()).filter(({ value }) => value.name.startsWith('crash '))
  expect(kept).toHaveLength(CRASH_MARKS)
  expect(await tried('0')).toBe(true)
})

test('a mark is kept for seven days, and goes with the first crash after that', async () => {
  const clock = createFakeClock()
  const records = memoryStore()
  const crashAt = async (content: string): Promise<number> => {
    const marks = await openMarks(records, clock)
    void marks.guard(user, () => new Promise(() => undefined))(noted(content))
    // Where it is careful, it begins once that is stored.
    await clock.settle()
    await marks.crashed()
    return (await namesOf(records, 'crash ')).length
  }
  expect(await crashAt('first')).toBe(1)
  clock.advance(CRASH_MARK_FOR_MS)
  expect(await crashAt('second')).toBe(2)
  clock.advance(1)
  expect(await crashAt('third')).toBe(2)
  expect(await crashAt('first')).toBe(3)
  const kept = await records.readHostRecords()
  const crashes = kept
    .filter(({ value: { name } }) => name.startsWith('crash '))
    .map(({ value }) => value.value)
  // The first one's second crash is its first again.
  expect(crashes).toEqual(Array.from({ length: 3 }, () => expect.objectContaining({ crashes: 1 })))
})

test('after a start that follows no orderly end, what is begun is stored first: for a time, and so many requests', async () => {
  const clock = createFakeClock()
  const records = memoryStore()
  const storesFirst = async (marks: CrashMarks, content: string): Promise<boolean> => {
    let seen = 0
    await marks.guard(user, async () => {
      seen = (await namesOf(records, 'trying ')).length
      return { ok: true, value: 'done' }
    })(noted(content))
    expect(await namesOf(records, 'trying ')).toEqual([])
    return seen === 1
  }
  const orderly = await openMarks(records, clock)
  expect(await storesFirst(orderly, 'calm')).toBe(false)

  const careful = await openMarks(records, clock)
  expect(await storesFirst(careful, 'at once')).toBe(true)
  clock.advance(CAREFUL_MS - 1)
  expect(await storesFirst(careful, 'at the end of the time')).toBe(true)
  clock.advance(1)
  expect(await storesFirst(careful, 'after it')).toBe(false)

  const busy = await openMarks(records, clock)
  for (let i = 0; i < CAREFUL_OPERATIONS - 1; i++) await busy.guard(user, done)(noted(`${i}`))
  expect(await storesFirst(busy, 'the last one')).toBe(true)
  expect(await storesFirst(busy, 'one over')).toBe(false)

  await busy.endInOrder()
  expect(await storesFirst(await openMarks(records, clock), 'calm again')).toBe(false)
})

const done = async () => ({ ok: true, value: 'done' }) as const

function openMarks(records: HostRecords, clock: Clock): Promise<CrashMarks> {
  return openCrashMarks({
    ...{ records, instance: '', salt: 'salt', version: '1', clock },
    onRefused: () => undefined,
    onFault: (cause) => expect.fail(String(cause)),
  })
}

async function namesOf(records: HostRecords, prefix: string): Promise<readonly string[]> {
  return (await records.readHostRecords()).flatMap(({ value: { name } }) =>
    name.startsWith(prefix) ? [name] : [],
  )
}
