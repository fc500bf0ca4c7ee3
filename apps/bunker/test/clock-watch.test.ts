/** Whose word on our clock counts, at each bound and one over, with clocks of the test's own. */

import type { Pubkey, RelayUrl } from '@nip46/core'
import { expect, test } from 'vitest'
import { type ClockVerdict, type ClockWatch, createClockWatch, showClock } from '../src/daemon/clock-watch.ts'
import { checkHealth } from '../src/daemon/health.ts'
import type { Host } from '../src/daemon/host.ts'
import {
  CLOCK_OFF_MS,
  CLOCK_REMEMBERED,
  CLOCK_SETTLE_MS,
  CLOCK_STEP_MS,
  CLOCK_WINDOW_MS,
} from '../src/daemon/limits.ts'

const START = 1_750_000_000_000

interface World {
  readonly watch: ClockWatch
  readonly changes: ClockVerdict[]
  relays: RelayUrl[]
  /** Lets time go by on both clocks. */
  pass(ms: number): void
  /** Sets our clock. */
  set(ms: number): void
  /** A relay says that ours is so far ahead. */
  told(name: string, aheadMs: number): void
  /** An app says so. A whole number of seconds. */
  heard(name: string, aheadMs: number): void
}

function createWorld(relays: readonly string[] = []): World {
  let now = START
  let steady = 1_000_000
  const changes: ClockVerdict[] = []
  const world: World = {
    changes,
    relays: relays.map(urlOf),
    watch: createClockWatch({
      now: () => now,
      steady: () => steady,
      relays: () => world.relays,
      onChanged: (verdict) => void changes.push(verdict),
    }),
    pass(ms) {
      now += ms
      steady += ms
    },
    set(ms) {
      now += ms
    },
    told: (name, aheadMs) => world.watch.told(urlOf(name), now - aheadMs),
    heard: (name, aheadMs) => world.watch.heard(name as Pubkey, (now - aheadMs) / 1_000),
  }
  return world
}

const urlOf = (name: string): RelayUrl => `wss://${name}.example/` as RelayUrl

test('nobody says anything: nothing is known, and nothing is wrong', () => {
  const { watch, changes } = createWorld(['a'])
  expect(watch.verdict()).toEqual({ isOff: false, aheadMs: 0, by: null })
  expect(changes).toEqual([])
})

test.each([1, -1])(
  'relays that agree are believed from one millisecond over the bound on (side %i)',
  (side) => {
    const world = createWorld(['a', 'b'])
    for (const name of ['a', 'b']) world.told(name, side * CLOCK_OFF_MS)
    expect(world.watch.verdict()).toEqual({ isOff: false, aheadMs: side * CLOCK_OFF_MS, by: 'relays' })
    for (const name of ['a', 'b']) world.told(name, side * (CLOCK_OFF_MS + 1))
    const off = { isOff: true, aheadMs: side * (CLOCK_OFF_MS + 1), by: 'relays' }
    expect(world.watch.verdict()).toEqual(off)
    expect(world.changes).toEqual([off])
    for (const name of ['a', 'b']) world.told(name, 0)
    expect(world.changes).toHaveLength(2)
    expect(world.changes[1]?.isOff).toBe(false)
  },
)

test('one relay is believed only where there is no other, and half of them are not', () => {
  const alone = createWorld(['a'])
  alone.told('a', 900_000)
  expect(alone.watch.verdict().isOff).toBe(true)
  const world = createWorld(['a', 'b', 'c', 'd'])
  world.told('a', 900_000)
  expect(world.watch.verdict().by).toBe(null)
  world.told('b', 500)
  expect(world.watch.verdict().isOff).toBe(false)
  world.told('c', 900_000)
  expect(world.watch.verdict().isOff).toBe(true)
  world.told('d', 700)
  expect(world.watch.verdict().isOff).toBe(false)
})

test('those who contradict each other are not believed', () => {
  const world = createWorld(['a', 'b'])
  world.told('a', 900_000)
  world.told('b', -900_000)
  expect(world.watch.verdict()).toEqual({ isOff: false, aheadMs: 0, by: 'relays' })
})

test('relays that an app brought along do not count, however many', () => {
  const world = createWorld(['a'])
  for (let at = 0; at <= CLOCK_REMEMBERED; at++) world.told(`of-the-app-${at}`, 900_000)
  expect(world.watch.verdict().by).toBe(null)
  world.told('a', 0)
  expect(world.watch.verdict()).toMatchObject({ isOff: false, by: 'relays' })
})

test('one app cannot make our clock wrong, whatever it says how often; the bound is that of relays', () => {
  const world = createWorld()
  for (let at = 0; at < 100; at++) world.heard('hostile', 86_400_000)
  expect(world.watch.verdict()).toMatchObject({ isOff: false, by: null })
  world.heard('honest', 0)
  expect(world.watch.verdict()).toMatchObject({ isOff: false, by: 'apps' })
  world.heard('honest', CLOCK_OFF_MS)
  expect(world.changes).toEqual([])
  world.heard('honest', CLOCK_OFF_MS + 1_000)
  expect(world.changes).toMatchObject([{ isOff: true, aheadMs: CLOCK_OFF_MS + 1_000, by: 'apps' }])
  world.heard('honest', 0)
  expect(world.changes.map(({ isOff }) => isOff)).toEqual([true, false])
})

test('what relays say goes before what apps say', () => {
  const world = createWorld(['a'])
  for (const name of ['x', 'y']) world.heard(name, 900_000)
  expect(world.watch.verdict()).toMatchObject({ isOff: true, by: 'apps' })
  world.told('a', 0)
  expect(world.watch.verdict()).toMatchObject({ isOff: false, by: 'relays' })
})

test('the word of an app counts for its window, and no longer', () => {
  const world = createWorld()
  for (const name of ['x', 'y']) world.heard(name, 900_000)
  world.pass(CLOCK_WINDOW_MS)
  expect(world.watch.verdict().isOff).toBe(true)
  world.pass(1)
  expect(world.watch.verdict()).toMatchObject({ isOff: false, by: null })
})

test('only the apps that spoke last are remembered', () => {
  const world = createWorld()
  const half = CLOCK_REMEMBERED / 2
  for (let at = 0; at <= half; at++) world.heard(`right-${at}`, 0)
  for (let at = 0; at < half; at++) world.heard(`old-${at}`, 900_000)
  expect(world.watch.verdict().isOff).toBe(false)
  // As many said the one as the other; but of those who said the one, two are forgotten.
  world.heard('one-more', 900_000)
  expect(world.watch.verdict().isOff).toBe(true)
})

test('once the clock is set, what was said of it is void; and what apps say counts again after a while', () => {
  const world = createWorld(['a'])
  world.told('a', 900_000)
  world.set(-CLOCK_STEP_MS)
  expect(world.watch.verdict().isOff).toBe(true)
  world.set(-CLOCK_STEP_MS - 1)
  expect(world.watch.verdict()).toEqual({ isOff: false, aheadMs: 0, by: null })
  expect(world.changes.map(({ isOff }) => isOff)).toEqual([true, false])
  world.pass(CLOCK_SETTLE_MS - 1)
  // As what waited while a machine slept.
  for (const name of ['x', 'y']) world.heard(name, 900_000)
  expect(world.watch.verdict().by).toBe(null)
  world.pass(1)
  for (const name of ['x', 'y']) world.heard(name, 900_000)
  expect(world.watch.verdict()).toMatchObject({ isOff: true, by: 'apps' })
})

test('how far it is off can be read', () => {
  expect(showClock({ isOff: true, aheadMs: 660_000, by: 'relays' })).toBe(
    'relays say that our clock is 11 min ahead',
  )
  expect(showClock({ isOff: true, aheadMs: -7_200_000, by: 'apps' })).toBe(
    'apps say that our clock is 2 h behind',
  )
})

/** What readiness says of the clock where these relays are the owner's, and these refuse the time of what we publish. */
function clockCheck(own: readonly string[], refusing: readonly string[]) {
  const host = {
    signer: {
      stats: () => ({ relays: { live: own, down: [] } }),
      sessions: () => [],
      offers: () => [],
    },
    vault: { list: () => [{ state: 'unlocked' }] },
    store: { facts: { daemons: [], reachable: true } },
    storeWatch: { isAway: false, reason: null },
    poolHealth: { read: () => refusing.map((name) => ({ relay: urlOf(name), clockSkew: true })) },
    clockWatch: createWorld().watch,
    loaded: { config: { relays: own.map(urlOf) } },
    settings: { state: { added: [], removed: [], panicAt: null } },
    served: urlOf('here'),
    brake: { isOn: false },
  } as unknown as Host
  return checkHealth(host).find(({ name }) => name === 'clock')
}

test.each([
  [['a'], ['a'], false],
  [['a', 'b'], ['a'], true],
  [['a', 'b'], ['a', 'b'], false],
  [['a', 'b', 'c'], ['b', 'c'], false],
  // An app brought these along; and one is our own.
  [['a'], ['x', 'y', 'here'], true],
  [[], ['x', 'y'], true],
])('of relays %j those that refuse our time are %j: is the clock well? %s', (own, refusing, ok) => {
  expect(clockCheck(own, refusing)).toMatchObject({ ok })
})
