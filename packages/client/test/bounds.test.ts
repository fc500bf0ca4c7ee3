/** The small parts with a limit, at it and one over. */

import { bytesToHex, clientProfile, hexToBytes, ok } from '@nip46/core'
import { fromOffer } from '@nip46/core/client'
import { createFakeClock, createMemoryRelay } from '@nip46/testing'
import { expect, onTestFinished, test, vi } from 'vitest'
import { remember } from '../src/bounded-map.ts'
import { createCalls } from '../src/calls.ts'
import { createClientKey } from '../src/client-key.ts'
import { hostRandom } from '../src/host.ts'
import { allowsJunk, chargeJunk } from '../src/junk-budget.ts'
import { JUNK_EVENTS_BURST, RANDOM_DRAWN_BYTES, SEEN_EVENTS } from '../src/limits.ts'
import type { Loop } from '../src/loop.ts'
import { createSteadyTime } from '../src/steady-time.ts'
import { createTimers } from '../src/timers.ts'
import { crypto, newKey, ONE, random } from './world.ts'

test('a bounded map holds so many entries, and the one written longest ago is forgotten first', () => {
  const ids = new Map<string, boolean>()
  for (let i = 0; i < SEEN_EVENTS; i += 1) remember(ids, `id ${i}`, true, SEEN_EVENTS)
  expect(ids.has('id 0')).toBe(true)
  remember(ids, 'id 0', true, SEEN_EVENTS)
  remember(ids, 'one more', true, SEEN_EVENTS)
  expect(ids.size).toBe(SEEN_EVENTS)
  expect(ids.has('id 0')).toBe(true)
  expect(ids.has('id 1')).toBe(false)
  expect(ids.has('one more')).toBe(true)
})

test('a relay may send so much junk, and its budget fills up again, never over its burst', () => {
  const budget = { fullAt: 0 }
  for (let i = 0; i < JUNK_EVENTS_BURST; i += 1) {
    expect(allowsJunk(budget, 0)).toBe(true)
    chargeJunk(budget, 0)
  }
  expect(allowsJunk(budget, 19)).toBe(false)
  expect(allowsJunk(budget, 20)).toBe(true)
  chargeJunk(budget, 1_000_000)
  for (let i = 1; i < JUNK_EVENTS_BURST; i += 1) chargeJunk(budget, 1_000_000)
  expect(allowsJunk(budget, 1_000_000)).toBe(false)
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

const STATE = fromOffer(
  {
    clientPubkey: newKey().pubkey,
    profile: clientProfile('E'),
    relays: [ONE],
    secret: 'secret',
    seed: '0'.repeat(32),
  },
  0,
)

test('a request settles once, and nothing is kept of it', async () => {
  const settled: string[] = []
  const asked: string[] = []
  const clock = createFakeClock(0)
  const ports = {
    crypto,
    random,
    clock,
    transport: createMemoryRelay({ clock }).connect(),
    timeouts: {},
    concurrency: 1,
  }
  const loop: Pick<Loop, 'feed' | 'state'> = {
    feed: (input) => void (input.type === 'request' && asked.push(input.id)),
    state: () => STATE,
  }
  const calls = createCalls(ports, loop, createTimers(clock), (event) => {
    if (event.type === 'request' && event.stage === 'settled') settled.push(event.id)
  })
  const ping = calls.call('ping', [])
  const [id = ''] = asked
  calls.settle('another', ok('pong'))
  calls.settle(id, ok('pong'))
  calls.settle(id, ok('pong'))
  expect(await ping).toBe('pong')
  expect(settled).toEqual([id])
})

test('random bytes of the host are drawn so many at once, given out once, and not kept beyond the turn', async () => {
  const draw = vi.spyOn(globalThis.crypto, 'getRandomValues')
  onTestFinished(() => draw.mockRestore())
  const half = RANDOM_DRAWN_BYTES / 2
  const pieces = [hostRandom(half), hostRandom(half)]
  expect(draw).toHaveBeenCalledTimes(1)
  const [pool] = draw.mock.lastCall as [Uint8Array]
  expect(pool).toHaveLength(RANDOM_DRAWN_BYTES)
  // All of it was handed out.
  expect(pool).toEqual(new Uint8Array(RANDOM_DRAWN_BYTES))
  pieces.push(hostRandom(half))
  expect(draw).toHaveBeenCalledTimes(2)
  expect(pool.subarray(half)).not.toEqual(new Uint8Array(half))
  await Promise.resolve()
  expect(pool).toEqual(new Uint8Array(RANDOM_DRAWN_BYTES))
  pieces.push(hostRandom(half))
  expect(draw).toHaveBeenCalledTimes(3)
  expect(new Set(pieces.map(bytesToHex)).size).toBe(4)
  for (const piece of pieces) expect(piece.buffer.byteLength).toBe(half)
  expect(hostRandom(RANDOM_DRAWN_BYTES + 1)).toHaveLength(RANDOM_DRAWN_BYTES + 1)
  expect(draw.mock.lastCall?.[0]).toHaveLength(RANDOM_DRAWN_BYTES + 1)
})

test('a client key is a copy, whatever kind of bytes it is given as', () => {
  const given = Buffer.alloc(32, 7)
  const key = createClientKey({ crypto, random }, given)
  given.fill(8)
  expect(key.exportHex()).toBe('07'.repeat(32))
  key.destroy()
  expect(given).toEqual(Buffer.alloc(32, 8))
})

test('a client key cannot be read or used once it is destroyed', () => {
  const given = random(32)
  const key = createClientKey({ crypto, random }, given)
  expect(key.exportHex()).toBe(bytesToHex(given))
  expect(hexToBytes(key.exportHex())).toEqual(given)
  key.destroy()
  key.destroy()
  expect(key.exportHex()).toBe('0'.repeat(64))
  expect(() => key.handle.sign('0'.repeat(64), random(32))).toThrow()
})
