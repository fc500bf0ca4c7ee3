#!/usr/bin/env node
/**
 * The scenario table as a program: plays all rows with this client and three others and prints who passed what.
 * Never fails because of a peer: it ends with 1 only if this client did not pass a row.
 */

import { writeFileSync } from 'node:fs'
import { availableParallelism, type as systemName } from 'node:os'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { clientScenarios } from '@nip46/testing/client-scenarios'
import { findOldNode } from '../old-node.ts'
import { contestants } from './contestant.ts'
import { playFooter } from './footer.ts'
import { playAll } from './play-all.ts'
import { countRows, describeVerdict, renderMarkdown, renderText, type Table } from './render.ts'

const HELP = `Usage: scenarios [options]

  --only NAME,...   some clients: ${contestants.map(({ name }) => name).join(', ')}
  --rows N,...      some rows
  --write           also write docs/scenarios.md
  --help            this text
`
const PAGE = fileURLToPath(new URL('../../../../../docs/scenarios.md', import.meta.url))

const { values } = parseArgs({
  // pnpm hands on the `--` before the arguments.
  args: process.argv.slice(2).filter((arg) => arg !== '--'),
  options: {
    only: { type: 'string' },
    rows: { type: 'string' },
    write: { type: 'boolean' },
    help: { type: 'boolean' },
  },
})

if (values.help === true) console.log(HELP)
else process.exitCode = await main()

async function main(): Promise<number> {
  const names = values.only?.split(',')
  const rows = values.rows?.split(',').map(Number)
  const chosen = contestants.filter(({ name }) => names?.includes(name) ?? true)
  const scenarios = clientScenarios.filter(({ row }) => rows?.includes(row) ?? true)
  if (chosen.length < (names?.length ?? 1) || scenarios.length < (rows?.length ?? 1)) {
    console.error(HELP)
    return 2
  }
  if (values.write === true && (names !== undefined || rows !== undefined)) {
    console.error('--write takes the whole table: leave out --only and --rows')
    return 2
  }
  const startedAt = new Date()
  const began = performance.now()
  const cells = await playAll({
    contestants: chosen,
    scenarios,
    oldNode: await findOldNode(),
    onVerdict({ title }, { row }, verdict) {
      if (process.stderr.isTTY) console.error(`row ${row}, ${title}: ${describeVerdict(verdict, row)}`)
    },
  })
  const footer = rows === undefined ? await playFooter(chosen, cells) : []
  const table: Table = {
    contestants: chosen,
    scenarios,
    cells,
    footer,
    startedAt: startedAt.toISOString(),
    seconds: Math.round((performance.now() - began) / 1_000),
    machine: `Node ${process.version}, ${systemName()}, ${availableParallelism()} cores`,
  }
  console.log(renderText(table))
  if (values.write === true) writeFileSync(PAGE, renderMarkdown(table))
  const [ours] = chosen
  if (ours?.name !== 'ours') return 0
  const { passed, of } = countRows(table, ours)
  return passed === of ? 0 : 1
}
