/** The bounds of what is marked after a crash: at the limit and one over, without a process. */

import type { Operation, Pubkey } from '@nip46/core'
import { memoryStore } from '@nip46/remote-signer'
import { expect, test } from 'vitest'
import { type CrashMarks, openCrashMarks } from '../src/daemon/crash-marks.ts'
import { CRASH_MARKS, CRASH_MARKS_AT_ONCE } from '../src/daemon/limits.ts'
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
