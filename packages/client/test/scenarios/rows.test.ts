/**
 * The 32 situations that client libraries were measured in (field/clients.md, table 1a), with this client over real
 * sockets. That each of them can fail is shown in `broken-clients.test.ts`.
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
import { bundleProcess, findOldNode } from './old-node.ts'
import { createOwnClient, hostHere, hurriedClient } from './own-client.ts'

/** How fast the client's own clock runs where a row waits for one of its deadlines. */
const PACE = 25
const PATIENT_ROWS = [5, 17]
/**
 * Time limits are so much longer than in the printed table: here other tests run beside the rows, which so say what the client does. A
 * client that waits for its own time-outs (60 s) instead of for what it is told still misses them.
 */
const SLACK = 6

const parts = {
  crypto: tinyCrypto(),
  random: (length: number) => new Uint8Array(randomBytes(length)),
  clock: systemClock,
  slack: SLACK,
}
const oldNode = await findOldNode()

function optionsFor({ row, needs }: ClientScenario): PlayOptions {
  if (needs === 'old-node') {
    return {
      ...parts,
      startClient: async () =>
        startClientProcess({ node: oldNode ?? '', args: [await bundleProcess('own-process')] }),
    }
  }
  if (needs === 'process') {
    const program = new URL('./own-process.ts', import.meta.url).pathname
    return {
      ...parts,
      startClient: () => startClientProcess({ args: ['--conditions=@nip46/source', program] }),
    }
  }
  return PATIENT_ROWS.includes(row)
    ? { ...parts, pace: PACE, startClient: async () => hostHere(hurriedClient(PACE)) }
    : { ...parts, startClient: async () => hostHere(createOwnClient()) }
}

test('there are 32 rows, each once', () => {
  expect(clientScenarios.map(({ row }) => row)).toEqual(Array.from({ length: 32 }, (_, i) => i + 1))
})

const waiting = clientScenarios.filter(({ needs }) => needs === undefined || needs === 'process')
const quiet = clientScenarios.filter(({ needs }) => needs === 'quiet')
const old = clientScenarios.filter(({ needs }) => needs === 'old-node')

async function expectToPass(scenario: ClientScenario): Promise<void> {
  const verdict = await playScenario(scenario, optionsFor(scenario))
  expect(verdict, `${scenario.name}: wanted ${scenario.wanted}`).toMatchObject({ passed: true })
  // A signer that answers in NIP-04 may be followed, but not by us.
  expect(verdict.what).not.toContain('goes on in NIP-04')
}

// Most of a row is waiting: they wait side by side.
describe.concurrent('our client', () => {
  for (const scenario of waiting) {
    test(`${scenario.row}: ${scenario.name}: ${scenario.wanted}`, () => expectToPass(scenario), 600_000)
  }
})

describe('our client, alone on the machine as far as we can', () => {
  for (const scenario of quiet) {
    test(`${scenario.row}: ${scenario.name}: ${scenario.wanted}`, () => expectToPass(scenario), 600_000)
  }
})

describe.skipIf(oldNode === undefined)('our client (left out where there is no Node 20: row 25)', () => {
  for (const scenario of old) {
    test(`${scenario.row}: ${scenario.name}: ${scenario.wanted}`, () => expectToPass(scenario), 600_000)
  }
})
