import { expect, test } from 'vitest'
import { loadBackends } from '../src/subject/backends.ts'
import { missingFor, SCENARIOS } from '../stress/run.ts'
import { renderVerdict } from '../stress/verdict.ts'

const ROUNDS = 5

for (const scenario of SCENARIOS) {
  const { name, store } = scenario
  const missing = await missingFor(scenario)
  if (missing !== undefined) process.stdout.write(`stress, ${name} on ${store}: skipped, ${missing}\n`)
  // How fast it is on a busy machine is no question for a test.
  test.skipIf(missing !== undefined)(`${name} on ${store}, in short`, { timeout: 600_000 }, async () => {
    const [backend] = (await loadBackends()).found
    if (backend === undefined) throw new Error('no backend loads')
    const verdict = await scenario.run({ rounds: ROUNDS, backend, onProgress: () => undefined }, true)
    process.stdout.write(`${renderVerdict(verdict)}\n`)
    expect(verdict.checks.filter(({ kind, holds }) => kind === 'always' && !holds)).toEqual([])
  })
}
