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

const HANG = /no end within/

/** By row: the mistake, and what is then said of the client. */
const MISTAKES: readonly (readonly [number, Mistake, RegExp])[] = [
  [1, 'wants switch_relays to work', /login rejects.*unsupported/],
  [2, 'takes nothing but ack', /login rejects.*undefined/],
  [3, 'sends no target', /login rejects.*invalid: target/],
  [4, 'waits for switch_relays', /login takes \d+\.\d s/],
  [5, 'chokes on NIP-04', HANG],
  [6, 'loses the reason', /the reason is lost: undefined/],
  [7, 'takes error: null for an error', /login rejects.*null/],
  [8, 'takes error: "" for an error', /login rejects/],
  [9, 'takes an empty result for none', /rejects after \d\.\d s: Error: no answer/],
  [10, 'unwraps lists', /corrupted to "first"/],
  [11, 'rejects with the URL', /signing rejects.*https:/],
  [12, 'believes every event', /^accepted$/],
  [13, 'checks no author', /^accepted$/],
  [14, 'checks no signature', /^accepted: an event whose signature/],
  [15, 'believes every stranger', /believes "forged"/],
  [16, 'dies of junk', /signing rejects.*junk/],
  [17, 'waits for ever', HANG],
  [18, 'ignores refusals', HANG],
  [19, 'never reconnects', /no answer/],
  [20, 'forgets what is in flight', /no answer|no end/],
  [21, 'waits for every relay', /login rejects.*refused to connect/],
  [22, 'stays where it is', /no answer/],
  [23, 'waits for a list of relays', HANG],
  [24, 'knows no NIP-42', /login: no end/],
  [26, 'wants a secret', /login rejects.*no secret/],
  [27, 'expects ack for an offer', /login: no end/],
  [28, 'takes ack for an offer', /hijacked/],
  [29, 'ends its offer at junk', /login rejects.*junk/],
  [30, 'does ten at once', /too many requests/],
  [31, 'collects for 200 ms', /p50 [2-9]\d\d ms|p50 [\d.]+ s/],
]

const parts = {
  crypto: tinyCrypto(),
  random: (length: number) => new Uint8Array(randomBytes(length)),
  clock: systemClock,
}
const options = (mistake: Mistake): PlayOptions => ({
  ...parts,
  // A client that fails may do so soon; one that passes has the time that a busy machine needs.
  ...(mistake === 'nothing' ? { slack: 6 } : { patienceMs: 6_000 }),
  startClient: async () => createBrokenClient(mistake),
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
      const verdict = await playScenario(scenario, options(mistake))
      expect(verdict).toMatchObject({ passed: false, what: expect.stringMatching(what) })
    })
  }
})

describe.concurrent('and without the mistake it passes', () => {
  for (const [row] of MISTAKES) {
    const scenario = rowOf(row)
    test(`${row}: ${scenario.name}`, async () => {
      expect(await playScenario(scenario, options('nothing'))).toMatchObject({ passed: true })
    })
  }
})

const oldNode = await findOldNode()

describe.skipIf(oldNode === undefined)('on Node 20 (left out where there is none)', () => {
  test('25: a client that counts on a global WebSocket does not log in', async () => {
    const args = [await bundleProcess('global-socket-process')]
    const startClient = () => startClientProcess({ node: oldNode ?? '', args })
    const verdict = await playScenario(rowOf(25), { ...parts, startClient })
    expect(verdict).toMatchObject({
      passed: false,
      what: expect.stringMatching(/WebSocket is not defined/),
    })
  })
})

test('25: and on this Node the same program passes', async () => {
  const program = new URL('./global-socket-process.ts', import.meta.url).pathname
  const startClient = () => startClientProcess({ args: ['--conditions=@nip46/source', program] })
  expect(await playScenario(rowOf(25), { ...parts, startClient })).toMatchObject({ passed: true })
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
