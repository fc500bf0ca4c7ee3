import type { RelayUrl, SignedEvent } from '@nip46/core'
import { createFakeClock } from '@nip46/testing'
import { expect, test } from 'vitest'
import { RECALL_BATCH, RECALL_EVENTS, RECALL_MS, RECALL_READ } from '../src/limits.ts'
import { createRecall, type RecallHost } from '../src/recall.ts'
import { createReporter } from '../src/reporter.ts'

const RELAY = 'wss://relay.example/' as RelayUrl

/** Nothing but its id is looked at. */
const event = (id: string): SignedEvent => ({ id }) as SignedEvent
const ids = (name: string, count: number): string[] => Array.from({ length: count }, (_, i) => `${name} ${i}`)

function makeRecall(host: Partial<RecallHost> = {}) {
  const clock = createFakeClock()
  const reporter = createReporter(undefined)
  const turns: string[] = []
  const reads: number[] = []
  const recall = createRecall({
    clock,
    reporter,
    async readClaimed(eventIds) {
      reads.push(eventIds.length)
      return eventIds.filter((id) => id.startsWith('old'))
    },
    isBusy: () => false,
    onTurn: ({ id }) => turns.push(id),
    ...host,
  })
  return { clock, reporter, turns, reads, recall, take: (id: string) => recall.take(event(id), RELAY) }
}

test('news goes on at once and in order, what is claimed some at a time', async () => {
  const { clock, turns, reads, recall, take } = makeRecall()
  const old = ids('old', RECALL_BATCH + 1)
  for (const id of [...old, ...ids('new', RECALL_READ)]) expect(take(id)).toBe(true)
  expect(recall.waiting).toBe(old.length + RECALL_READ)
  await clock.settle()
  expect(reads).toEqual([RECALL_READ, old.length])
  expect(turns.splice(0)).toEqual(ids('new', RECALL_READ))
  expect(recall.waiting).toBe(0)
  await clock.run(RECALL_MS - 1)
  expect(turns).toEqual([])
  await clock.run(1)
  expect(turns.splice(0)).toEqual(old.slice(0, RECALL_BATCH))
  await clock.run(RECALL_MS)
  expect(turns).toEqual(old.slice(RECALL_BATCH))
  expect(clock.pending).toBe(0)
})

test('while anything else waits, one at a time gets its turn', async () => {
  const { clock, turns, take } = makeRecall({ isBusy: () => true })
  for (const id of ids('old', 3)) take(id)
  await clock.settle()
  await clock.run(2 * RECALL_MS)
  expect(turns).toEqual(['old 0', 'old 1'])
})

test('so many are looked for at a time, and the next one is not taken', async () => {
  const { clock, turns, take } = makeRecall()
  for (const id of ids('new', RECALL_EVENTS)) expect(take(id)).toBe(true)
  expect(take('one more')).toBe(false)
  await clock.settle()
  expect(turns).toHaveLength(RECALL_EVENTS)
  expect(take('and now')).toBe(true)
})

test('of what is claimed so many wait, each once; the next one is dropped', async () => {
  const { clock, reporter, turns, take } = makeRecall()
  for (const id of ids('old', RECALL_EVENTS)) take(id)
  await clock.settle()
  expect(reporter.dropped.get('event/seen')).toBeUndefined()
  for (const id of ['old 0', 'old one more']) take(id)
  await clock.settle()
  expect(reporter.dropped.get('event/seen')).toBe(2)
  await clock.run(RECALL_EVENTS * RECALL_MS)
  expect(turns).toHaveLength(RECALL_EVENTS)
})

test('where the store does not tell, everything counts as news', async () => {
  const { clock, reporter, turns, take } = makeRecall({
    readClaimed: () => Promise.reject(new Error('away')),
  })
  for (const id of ['old', 'new']) take(id)
  await clock.settle()
  expect(turns).toEqual(['old', 'new'])
  expect([...reporter.ailments]).toEqual(['store'])
})

test('once closed it takes nothing, hands nothing on, and leaves no timer', async () => {
  const { clock, turns, recall, take } = makeRecall()
  take('new')
  take('old')
  recall.close()
  expect(take('late')).toBe(false)
  await clock.run(10 * RECALL_MS)
  expect(turns).toEqual([])
  expect(clock.pending).toBe(0)
})
