/**
 * That the other clients of the table are driven rightly: each passes a row that it is known to pass, and fails some in the
 * way its users report. The whole table is `pnpm scenarios`; a new version of a peer may well change a line here.
 */

import { clientScenarios, playScenario, type Verdict } from '@nip46/testing/client-scenarios'
import { describe, expect, test } from 'vitest'
import { contestants } from './table/contestant.ts'
import { parties } from './table/play-all.ts'

const KNOWN: readonly (readonly [name: string, row: number, passed: boolean, what: RegExp])[] = [
  ['nostr-tools', 1, true, /^logged in and signed/],
  ['nostr-tools', 11, false, /signing rejects.*https:\/\/bunker\.example/],
  ['nostr-tools', 12, false, /^accepted$/],
  ['nostr-tools', 5, false, /^the process died: exit 1/],
  ['ndk', 1, true, /^logged in and signed/],
  ['ndk', 2, false, /login rejects.*undefined/],
  ['ndk', 14, false, /^accepted: an event whose signature is not good/],
  ['ndk', 15, false, /believes "forged"/],
  ['applesauce', 1, true, /^logged in and signed/],
  ['applesauce', 10, false, /corrupted to "first"/],
  ['applesauce', 12, false, /^accepted$/],
  ['applesauce', 28, false, /hijacked/],
]
/** A busy machine may miss a time limit, and a peer may fall silent on one: only what was judged for something else counts. */
const SLACK = 4
const TRIES = 3

async function play(name: string, row: number): Promise<Verdict> {
  const contestant = contestants.find((one) => one.name === name)
  const scenario = clientScenarios.find((one) => one.row === row)
  if (contestant === undefined || scenario === undefined) throw new Error(`no ${name}, or no row ${row}`)
  const options = { ...parties, slack: SLACK, startClient: () => contestant.start() }
  let verdict = await playScenario(scenario, options)
  for (let tries = 1; verdict.late && tries < TRIES; tries++) verdict = await playScenario(scenario, options)
  return verdict
}

describe.concurrent.each(contestants.slice(1))('$title', ({ name }) => {
  for (const [peer, row, passed, what] of KNOWN) {
    if (peer !== name) continue
    test(`${passed ? 'passes' : 'fails'} row ${row}`, { timeout: 600_000 }, async () => {
      expect(await play(name, row)).toMatchObject({ passed, what: expect.stringMatching(what) })
    })
  }
})
