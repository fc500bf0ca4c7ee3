import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { STANDSTILL_MS } from '../src/limits.ts'
import { inTime, runningNow } from '../src/patience.ts'

/** As a process that was stopped, or whose machine was. */
function standStill(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}

test('what does not come in time is given up', async () => {
  const never = new Promise<never>(() => undefined)
  await expect(inTime(never, runningNow() + 20, 'no answer')).rejects.toMatchObject({
    code: 'store/unavailable',
    message: 'PostgreSQL did not answer in time (no answer)',
  })
  await expect(inTime(never, runningNow() - 1, 'no answer')).rejects.toThrow('no answer')
})

test('what comes in time is taken, and what fails in time fails', async () => {
  expect(await inTime(sleep(1, 'there'), runningNow() + 30_000, 'no answer')).toBe('there')
  await expect(inTime(Promise.reject(new Error('mine')), runningNow() + 30_000, 'late')).rejects.toThrow(
    'mine',
  )
})

test('while the process stands still no time goes by', async () => {
  const answer = inTime(sleep(STANDSTILL_MS * 1.2, 'there'), runningNow() + STANDSTILL_MS * 2, 'no answer')
  await sleep(1)
  standStill(STANDSTILL_MS * 2.5)
  expect(await answer).toBe('there')
})
