/**
 * The command line of the harness.
 * Never guesses: what it does not know ends the program with a hint.
 */

import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { UsageError } from '@nip46/core'
import { FULL, type Plan, QUICK, SMOKE } from './plan.ts'
import { GROUPS, type Group } from './report/data.ts'

export interface Options {
  readonly plan: Plan
  readonly help: boolean
  readonly json: string | undefined
  readonly html: string | undefined
  readonly markdown: string | undefined
  readonly compare: string | undefined
  readonly from: string | undefined
  readonly nodes: readonly string[] | undefined
}

export const HELP: string = `Usage: bench [options]

  --full            the complete run; without it a quick one of at most three and a half minutes
  --only GROUP,...  some groups of scenarios: ${GROUPS.map(({ name }) => name).join(', ')}
  --rounds N        interleaved rounds of the cases in this process
  --json FILE       the report as JSON, for --compare and --from
  --html FILE       the report as one page with plots, which needs nothing else
  --markdown FILE   the report as Markdown
  --compare FILE    what moved since the report in this JSON file
  --from FILE       print and write the report in this JSON file instead of running
  --node FILE       another Node to measure NIP-44 on, in place of those on PATH; may be repeated
  --help            this text
`

/** Files are relative to `folder`: where the reader stands, which pnpm is not. Throws `UsageError`, with what would work. */
export function parseOptions(args: readonly string[], folder: string = process.cwd()): Options {
  const { values } = readArgs(args)
  const base = values.smoke === true ? SMOKE : values.full === true ? FULL : QUICK
  const plan: Plan = {
    ...base,
    ...(values.rounds !== undefined && { rounds: parseRounds(values.rounds) }),
    ...(values.only !== undefined && { groups: parseGroups(values.only) }),
  }
  const place = (file: string | undefined): string | undefined =>
    file === undefined ? undefined : resolve(folder, file)
  return {
    plan,
    help: values.help === true,
    json: place(values.json),
    html: place(values.html),
    markdown: place(values.markdown),
    compare: place(values.compare),
    from: place(values.from),
    nodes: values.node?.map((file) => resolve(folder, file)),
  }
}

function readArgs(args: readonly string[]) {
  try {
    return parseArgs({
      // pnpm hands on the `--` before the arguments.
      args: args.filter((arg) => arg !== '--'),
      options: {
        full: { type: 'boolean' },
        smoke: { type: 'boolean' },
        only: { type: 'string' },
        rounds: { type: 'string' },
        json: { type: 'string' },
        html: { type: 'string' },
        markdown: { type: 'string' },
        compare: { type: 'string' },
        from: { type: 'string' },
        node: { type: 'string', multiple: true },
        help: { type: 'boolean' },
      },
    })
  } catch (cause) {
    throw new UsageError(`${cause instanceof Error ? cause.message : String(cause)}\n\n${HELP}`)
  }
}

function parseRounds(text: string): number {
  const rounds = Number(text)
  if (!Number.isSafeInteger(rounds) || rounds < 1 || rounds > 1_000)
    throw new UsageError('--rounds takes a whole number from 1 to 1000')
  return rounds
}

function parseGroups(text: string): readonly Group[] {
  const known = new Map<string, Group>(GROUPS.map(({ name }) => [name, name]))
  return text.split(',').map((name) => {
    const group = known.get(name)
    if (group === undefined)
      throw new UsageError(`--only takes groups from: ${[...known.keys()].join(', ')}; not ${name}`)
    return group
  })
}
