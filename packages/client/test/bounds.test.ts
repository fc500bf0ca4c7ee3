/** The small parts with a limit, at it and one over. */

import { bytesToHex, hexToBytes, ok, type RelayUrl } from '@nip46/core'
import { createFakeClock } from '@nip46/testing'
import { expect, test } from 'vitest'
import { createCalls } from '../src/calls.ts'
import { createClientKey } from '../src/client-key.ts'
import { createJunkBudget } from '../src/junk-budget.ts'
import { JUNK_EVENTS_BURST, JUNK_RELAYS, SEEN_EVENTS } from '../src/limits.ts'
import { createRecentIds } from '../src/recent-ids.ts'
import { createSteadyTime } from '../src/steady-time.ts'
import { crypto, ONE, random } from './world.ts'

test('recent ids are remembered up to the limit, then the oldest is forgotten', () => {
  const ids = createRecentIds(SEEN_EVENTS)
  for (let i = 0; i < SEEN_EVENTS; i += 1) ids.add(`id ${i}`)
  expect(ids.has('id 0')).toBe(true)
  ids.add('id 0')
  ids.add('one more')
  expect(ids.has('id 0')).toBe(false)
  expect(ids.has('id 1')).toBe(true)
  expect(ids.has('one more')).toBe(true)
})

test('junk is counted for each relay, up to a number of relays', () => {
  const budget = createJunkBudget()
  for (let i = 0; i < JUNK_EVENTS_BURST; i += 1) budget.charge(ONE, 0)
  expect(budget.allows(ONE, 0)).toBe(false)
  for (let i = 1; i < JUNK_RELAYS; i += 1) budget.charge(`wss://r${i}.example/` as RelayUrl, 0)
  expect(budget.allows(ONE, 0)).toBe(false)
  budget.charge('wss://one-more.example/' as RelayUrl, 0)
  expect(budget.allows(ONE, 0)).toBe(true)
})

test('a junk budget fills up again, and never over its burst', () => {
  const budget = createJunkBudget()
  for (let i = 0; i < JUNK_EVENTS_BURST; i += 1) budget.charge(ONE, 0)
  expect(budget.allows(ONE, 19)).toBe(false)
  expect(budget.allows(ONE, 20)).toBe(true)
  budget.charge(ONE, 1_000_000)
  for (let i = 1; i < JUNK_EVENTS_BURST; i += 1) budget.charge(ONE, 1_000_000)
  expect(budget.allows(ONE, 1_000_000)).toBe(false)
})

test('steady time never goes back and never stands still', () => {
  const clock = createFakeClock(1_000)
  const now = createSteadyTime(clock)
  expect(now()).toBe(1_000)
  clock.jump(500)
  expect(now()).toBe(1_500)
  clock.jump(-10_000)
  expect(now()).toBe(1_500)
  clock.jump(250)
  expect(now()).toBe(1_750)
})

test('a request settles once, and nothing is kept of it', async () => {
  const settled: string[] = []
  const asked: string[] = []
  const calls = createCalls({
    crypto,
    random,
    feed: (input) => void (input.type === 'request' && asked.push(input.id)),
    userPubkey: () => null,
    allowCreatedAtChange: false,
    timeout: undefined,
    clock: createFakeClock(0),
    concurrency: 1,
    onStage: (id, _, { stage }) => void (stage === 'settled' && settled.push(id)),
  })
  const ping = calls.call('ping', [])
  const [id = ''] = asked
  calls.settle('another', ok('pong'))
  calls.settle(id, ok('pong'))
  calls.settle(id, ok('pong'))
  expect(await ping).toBe('pong')
  expect(settled).toEqual([id])
})

test('a client key cannot be read or used once it is destroyed', () => {
  const given = random(32)
  const key = createClientKey(crypto, random, given)
  expect(key.exportHex()).toBe(bytesToHex(given))
  expect(hexToBytes(key.exportHex())).toEqual(given)
  key.destroy()
  key.destroy()
  expect(key.destroyed).toBe(true)
  expect(() => key.exportHex()).toThrow('gone')
  expect(() => key.handle.sign('0'.repeat(64), random(32))).toThrow()
})
