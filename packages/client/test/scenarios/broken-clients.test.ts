/**
 * That each row can fail: a small client passes it, and the same client with one mistake that a deployed library makes
 * does not, for the reason one would expect. Rows 25 and 32 are about processes, and have programs of their own.
 */

import { randomBytes } from 'node:crypto'
import { tinyCrypto } from '@nip46/crypto/tiny'
import { systemClock } from '@nip46/testing'
import {
  type ClientScenario,
  clientScenarios,
  type PlayOptions,
  playScenario,
  startClientProcess,
} from '@nip46/testing/client-scenarios'
import { describe, expect, test } from 'vitest'
import { createBrokenClient, type Mistake } from './broken-client.ts'
import { bundleProcess, findOldNode } from './old-node.ts'

/** What is about time is failed by time, whichever limit comes first. */
const LATE = /no end within|takes [\d.]+ m?s|no answer|p50 [\d.]+ m?s/
/** Limits and patience for all that is not: as long as a busy machine needs. */
const SLACK = 6
const LONG_PATIENCE_MS = 60_000

/** By row: the mistake, and what is then said of the client. */
const MISTAKES: readonly (readonly [number, Mistake, RegExp])[] = [
  [1, 'wants switch_relays to work', /login rejects.*unsupported/],
  [2, 'takes nothing but ack', /login rejects.*undefined/],
  [3, 'sends no target', /login rejects.*invalid: target/],
  [4, 'waits for switch_relays', LATE],
  [5, 'chokes on NIP-04', LATE],
  [6, 'loses the reason', /the reason is lost: undefined/],
  [7, 'takes error: null for an error', /login rejects.*null/],
  [8, 'takes error: "" for an error', /login rejects/],
  [9, 'takes an empty result for none', LATE],
  [10, 'unwraps lists', /corrupted to "first"/],
  [11, 'rejects with the URL', /signing rejects.*https:/],
  [12, 'believes every event', /^accepted$/],
  [13, 'checks no author', /^accepted$/],
  [14, 'checks no signature', /^accepted: an event whose signature/],
  [15, 'believes every stranger', /believes "forged"/],
  [16, 'dies of junk', /signing rejects.*junk/],
  [17, 'waits for ever', LATE],
  [18, 'ignores refusals', LATE],
  [19, 'never reconnects', LATE],
  [20, 'forgets what is in flight', LATE],
  [21, 'waits for every relay', /login rejects.*refused to connect/],
  [22, 'stays where it is', LATE],
  [23, 'waits for a list of relays', LATE],
  [24, 'knows no NIP-42', LATE],
  [26, 'wants a secret', /login rejects.*no secret/],
  [27, 'expects ack for an offer', LATE],
  [28, 'takes ack for an offer', /hijacked/],
  [29, 'ends its offer at junk', /login rejects.*junk/],
  [30, 'does ten at once', /too many requests/],
  [31, 'collects for 200 ms', LATE],
]

const parts = {
  crypto: tinyCrypto(),
  random: (length: number) => new Uint8Array(randomBytes(length)),
  clock: systemClock,
}
const options = (mistake: Mistake, own = LONG_PATIENCE_MS): PlayOptions => ({
  ...parts,
  slack: SLACK,
  startClient: async () => createBrokenClient(mistake, own),
})
/** Of a client that is to be too late: that may be soon. */
const lateOptions = (mistake: Mistake): PlayOptions => ({
  ...parts,
  patienceMs: 6_000,
  startClient: async () => createBrokenClient(mistake, 4_000),
})

function rowOf(row: number): ClientScenario {
  const scenario = clientScenarios.find((one) => one.row === row)
  if (scenario === undefined) throw new Error(`there is no row ${row}`)
  return scenario
}

describe.concurrent('a client with one mistake fails the row that is about it', () => {
  for (const [row, mistake, what] of MISTAKES) {
    const scenario = rowOf(row)
    test(`${row}: ${scenario.name}: a client that ${mistake}`, async () => {
      const verdict = await playScenario(scenario, (what === LATE ? lateOptions : options)(mistake))
      expect(verdict).toMatchObject({ passed: false, what: expect.stringMatching(what) })
    })
  }
})

describe.concurrent('and without the mistake it passes', () => {
  for (const [row] of MISTAKES) {
    const scenario = rowOf(row)
    test(`${row}: ${scenario.name}`, async () => {
      // Rows 17 and 22 wait it out.
      const own = row === 17 || row === 22 ? 15_000 : LONG_PATIENCE_MS
      expect(await playScenario(scenario, options('nothing', own))).toMatchObject({ passed: true })
    })
  }
})

const oldNode = await findOldNode()

describe.skipIf(oldNode === undefined)('on Node 20 (left out where there is none)', () => {
  test('25: a client that counts on a global WebSocket does not log in', async () => {
    const args = [await bundleProcess('global-socket-process')]
    const startClient = () => startClientProcess({ node: oldNode ?? '', args })
    const verdict = await playScenario(rowOf(25), { ...parts, slack: SLACK, startClient })
    expect(verdict).toMatchObject({
      passed: false,
      what: expect.stringMatching(/WebSocket is not defined/),
    })
  })
})

test('25: and on this Node the same program passes', async () => {
  const program = new URL('./global-socket-process.ts', import.meta.url).pathname
  const startClient = () => startClientProcess({ args: ['--conditions=@nip46/source', program] })
  expect(await playScenario(rowOf(25), { ...parts, slack: SLACK, startClient })).toMatchObject({
    passed: true,
  })
})

test('32: a client that leaves a timer behind does not end by itself', async () => {
  const program = new URL('./leaky-process.ts', import.meta.url).pathname
  const startClient = () => startClientProcess({ args: ['--conditions=@nip46/source', program] })
  const verdict = await playScenario(rowOf(32), { ...parts, startClient })
  expect(verdict).toMatchObject({
    passed: false,
    what: expect.stringMatching(/still there.*held by.*Timeout/),
  })
})

test('a process that dies in a row has failed it, whatever it was asked', async () => {
  const program = new URL('./dying-process.ts', import.meta.url).pathname
  const startClient = () => startClientProcess({ args: ['--conditions=@nip46/source', program] })
  for (const row of [1, 12, 18]) {
    const verdict = await playScenario(rowOf(row), { ...parts, startClient })
    expect(verdict).toMatchObject({
      passed: false,
      what: expect.stringMatching(/^the process died: exit 1.*boom/),
    })
  }
})

test('a program that does not serve a client is said not to have started', async () => {
  await expect(startClientProcess({ args: ['-e', 'throw new Error("no such library")'] })).rejects.toThrow(
    /did not start.*no such library/,
  )
})
