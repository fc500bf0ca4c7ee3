#!/usr/bin/env node
/**
 * Stress as a program: `stress [name …] [--rounds N] [--store NAME]` runs scenarios and prints what was measured, and the verdict.
 * Exits with 1 if a condition does not hold.
 */

import { parseArgs } from 'node:util'
import { loadBackends } from '../src/subject/backends.ts'
import { missingFor, SCENARIOS } from './run.ts'
import { renderVerdict } from './verdict.ts'

const HELP = `stress [name ...] [--rounds N] [--store NAME]

Scenarios: ${[...new Set(SCENARIOS.map(({ name }) => name))].join(', ')}; all of them without a name.
  --rounds N     kills of the crash scenario (default 20)
  --store NAME   only on this store: sqlite, postgres, memory

Example: stress crash --rounds 500
  both stores; a second or so for each round on a quiet machine, at most 2.4 and some 5 minutes more`

/** How often progress is told where it does not go to a terminal, in milliseconds. */
const PROGRESS_MS = 15_000

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '20' },
    store: { type: 'string' },
    help: { type: 'boolean', short: 'h' },
  },
})
const rounds = Number(values.rounds)
const chosen = SCENARIOS.filter(
  ({ name, store }) =>
    (positionals.length === 0 || positionals.includes(name)) &&
    (values.store === undefined || values.store === store),
)
const problem = problemOf()
if (values.help === true) console.log(HELP)
else if (problem !== undefined) {
  console.error(`${problem}\n\n${HELP}`)
  process.exitCode = 2
} else await runAll()

/** What is wrong with the command line. */
function problemOf(): string | undefined {
  const stray = positionals.find((positional) => SCENARIOS.every(({ name }) => name !== positional))
  if (stray !== undefined) return `There is no scenario ${stray}.`
  if (!Number.isSafeInteger(rounds) || rounds < 1) return '--rounds takes a whole number from 1 on.'
  return chosen.length === 0 ? `No such scenario is for the store ${values.store}.` : undefined
}

async function runAll(): Promise<void> {
  const [backend] = (await loadBackends()).found
  if (backend === undefined) throw new Error('no backend of @nip46/crypto loads')
  for (const scenario of chosen) {
    const missing = await missingFor(scenario)
    if (missing !== undefined) {
      console.log(`\n${scenario.name} on ${scenario.store}: not run, ${missing}`)
      continue
    }
    let saidAt = performance.now()
    const onProgress = (label: string): void => {
      if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${scenario.name}: ${label}\r`)
      else if (performance.now() - saidAt > PROGRESS_MS) {
        saidAt = performance.now()
        process.stderr.write(`${scenario.name}: ${label}\n`)
      }
    }
    const verdict = await scenario.run({ rounds, backend, onProgress }, false)
    console.log(renderVerdict(verdict))
    if (verdict.checks.some(({ holds }) => !holds)) process.exitCode = 1
  }
}
