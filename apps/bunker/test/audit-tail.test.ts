/** New entries of the log for those who read along: how many are read at once, how they are put together, when nobody reads. */

import type { AuditEntry, AuditLog } from '@nip46/core/remote-signer'
import { createFakeClock } from '@nip46/testing'
import { expect, test } from 'vitest'
import { createAuditTail } from '../src/daemon/audit-tail.ts'
import { AUDIT_TAIL_MS, AUDIT_TAIL_PAGE } from '../src/daemon/limits.ts'

/** A log that grows, and the pages that were asked for. */
function startLog() {
  const positions: number[] = []
  const reads: { readonly after?: number; readonly limit?: number }[] = []
  let isBroken = false
  const audit: Pick<AuditLog, 'readAudit'> = {
    async readAudit({ order = 'oldest', after = 0, limit = 100 } = {}) {
      reads.push({ after, limit })
      if (isBroken) throw new Error('away')
      const found =
        order === 'newest' ? positions.slice(-limit).reverse() : positions.filter((at) => at > after)
      return { entries: found.slice(0, limit).map((position) => ({ position }) as AuditEntry), next: null }
    },
  }
  return {
    audit: audit as AuditLog,
    reads,
    write(count: number) {
      for (let i = 0; i < count; i++) positions.push(positions.length + 1)
    },
    set isBroken(is: boolean) {
      isBroken = is
    },
  }
}

function startTail() {
  const clock = createFakeClock()
  const log = startLog()
  const told: number[] = []
  const faults: unknown[] = []
  const wanted = { is: false }
  const tail = createAuditTail({
    ...{ audit: log.audit, clock },
    isWanted: () => wanted.is,
    onEntry: ({ position }) => told.push(position),
    onFault: (cause) => faults.push(cause),
  })
  return { clock, log, told, faults, wanted, tail }
}

test('what was there before is not told, what comes is told together after its time, and nobody is read for', async () => {
  const { clock, log, told, wanted, tail } = startTail()
  log.write(3)
  tail.stir()
  expect(clock.pending).toBe(0)
  await tail.ready()
  wanted.is = true
  log.write(1)
  tail.stir()
  await clock.run(AUDIT_TAIL_MS - 1)
  expect(told).toEqual([])
  log.write(1)
  tail.stir()
  await clock.run(1)
  expect(told).toEqual([4, 5])
  expect(log.reads).toHaveLength(2)
  wanted.is = false
  log.write(1)
  tail.stir()
  expect(clock.pending).toBe(0)
})

test('a page at a time: the next one is read after the same time, and only if one was full', async () => {
  const { clock, log, told, wanted, tail } = startTail()
  await tail.ready()
  wanted.is = true
  log.write(AUDIT_TAIL_PAGE - 1)
  tail.stir()
  await clock.run(AUDIT_TAIL_MS)
  expect(told).toHaveLength(AUDIT_TAIL_PAGE - 1)
  expect(clock.pending).toBe(0)
  log.write(AUDIT_TAIL_PAGE + 1)
  tail.stir()
  await clock.run(AUDIT_TAIL_MS)
  expect(told).toHaveLength(2 * AUDIT_TAIL_PAGE - 1)
  expect(clock.pending).toBe(1)
  await clock.run(AUDIT_TAIL_MS)
  expect(told).toEqual(Array.from({ length: 2 * AUDIT_TAIL_PAGE }, (_, i) => i + 1))
  expect(clock.pending).toBe(0)
  expect(log.reads.slice(1).every(({ limit }) => limit === AUDIT_TAIL_PAGE)).toBe(true)
})

test('a log that cannot be read is told, and nothing of it is left out once it can', async () => {
  const { clock, log, told, faults, wanted, tail } = startTail()
  await tail.ready()
  wanted.is = true
  log.isBroken = true
  log.write(2)
  tail.stir()
  await clock.run(AUDIT_TAIL_MS)
  expect([told, faults.length]).toEqual([[], 1])
  log.isBroken = false
  tail.stir()
  await clock.run(AUDIT_TAIL_MS)
  expect(told).toEqual([1, 2])
})

test('once closed, nothing is read any more, whatever is done meanwhile', async () => {
  const { clock, log, wanted, tail } = startTail()
  await tail.ready()
  wanted.is = true
  log.write(1)
  tail.stir()
  tail.close()
  tail.stir()
  expect(clock.pending).toBe(0)
  await clock.run(10 * AUDIT_TAIL_MS)
  expect(log.reads).toHaveLength(1)
})
