/** Every scenario once, with the least that runs it: real processes, real relays, real peers. Its times mean nothing. */

import { availableParallelism } from 'node:os'
import { execPath } from 'node:process'
import { beforeAll, expect, test } from 'vitest'
import { ownClient, ROUND_TRIP, RUST_NOSTR } from '../src/load/client/names.ts'
import { SMOKE } from '../src/plan.ts'
import { findLoad, GROUPS, type Report } from '../src/report/data.ts'
import { runAll } from '../src/run.ts'
import { FIRST_SIGNATURE } from '../src/scenario/start-up.ts'

let report: Report
const told: string[] = []

beforeAll(async () => {
  const onProgress = (label: string, done: number): void => void told.push(`${done} ${label}`)
  report = await runAll({ plan: SMOKE, nodes: [execPath], onProgress })
}, 1_200_000)

test('every group has figures, or says why not', () => {
  const silent = GROUPS.filter(
    ({ name }) =>
      !report.figures.some(({ group }) => group === name) &&
      !report.notRun.some(({ group }) => group === name) &&
      !(name === 'relay' && report.loads.length > 0),
  )
  expect(silent.map(({ name }) => name)).toEqual([])
})

test('every figure is a positive number, and no case was run twice under one name', () => {
  expect(report.figures.length).toBeGreaterThan(80)
  const wrong = report.figures.filter(
    ({ value, scenario }) =>
      !(value.median > 0) && !scenario.startsWith('memory') && !scenario.startsWith('process'),
  )
  expect(wrong).toEqual([])
  const names = report.figures.map(({ scenario, subject }) => `${scenario}, ${subject}`)
  expect(names.filter((name, i) => names.indexOf(name) !== i)).toEqual([])
})

test('ours, NDK and applesauce answered the same loads rightly', () => {
  for (const bunker of ['remote-signer (tiny)', 'NDK backend', 'applesauce provider']) {
    for (const inFlight of [1, 4]) {
      const found = findLoad(report, bunker, inFlight)
      const what = `${bunker}, ${inFlight}: ${JSON.stringify(report.notRun)}`
      expect(found, what).toBeDefined()
      // What a peer loses on a busy machine is its own.
      if (bunker === 'remote-signer (tiny)') expect(found?.lost, what).toBe(0)
      expect(found?.answered).toBeGreaterThanOrEqual(inFlight)
      expect(found?.latency.p999).toBeGreaterThanOrEqual(found?.latency.p50 ?? Number.NaN)
    }
    expect(report.loads.some((load) => load.bunker === bunker && load.kind === 'open')).toBe(true)
  }
})

test('our client and four others signed the same notes rightly over one signer', () => {
  const reasons = JSON.stringify(report.notRun)
  const names = report.figures.filter(({ scenario }) => scenario === ROUND_TRIP).map(({ subject }) => subject)
  expect(names, reasons).toEqual(
    expect.arrayContaining([
      ownClient('tiny'),
      ownClient('noble'),
      'nostr-tools',
      RUST_NOSTR,
      'NDK',
      'applesauce',
    ]),
  )
})

test('tiny, noble and nostr-tools start in a fresh process', () => {
  const subjects = report.figures
    .filter(({ scenario }) => scenario === FIRST_SIGNATURE)
    .map(({ subject }) => subject)
  expect(subjects).toEqual(expect.arrayContaining(['bare Node', 'tiny', 'noble', 'nostr-tools']))
})

test('our remote signer answered over one worker and over two', () => {
  const over = report.figures.filter(
    ({ group, scenario }) => group === 'workers' && scenario.endsWith('tiny'),
  )
  const reasons = JSON.stringify(report.notRun)
  expect(over.map(({ subject }) => subject).toSorted(), reasons).toEqual(
    availableParallelism() < 2
      ? []
      : [
          ...Array(3).fill('1 worker'),
          ...Array(3).fill('2 workers'),
          'bare threads',
          'sharded remote signer',
        ],
  )
})

test('the machine and the versions are told, and nothing of where it ran', () => {
  expect(report.machine).toMatchObject({ node: `Node ${process.version}`, cores: expect.any(Number) })
  expect(report.versions['nostr-tools']).toMatch(/^\d+\.\d+\.\d+/)
  expect(JSON.stringify(report)).not.toMatch(/\/(?:home|root|tmp|work|Users)\//)
})

test('progress was told from the first case to the last load', () => {
  expect(told.length).toBeGreaterThan(20)
  const shares = told.map((line) => Number(line.split(' ')[0]))
  expect(shares.every((share, i) => share >= (shares[i - 1] ?? 0))).toBe(true)
  expect(Math.max(...shares)).toBeLessThanOrEqual(1)
})
