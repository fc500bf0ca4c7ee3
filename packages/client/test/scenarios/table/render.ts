/**
 * The table in words: on a terminal and as Markdown.
 * Never a verdict of its own: it only shortens what the rows said.
 */

import type { ClientScenario, Verdict } from '@nip46/testing/client-scenarios'
import type { Contestant } from './contestant.ts'
import type { Cell } from './play-all.ts'

/** One line below the table: a figure of each contestant, by its name. */
export interface FooterLine {
  readonly figure: string
  readonly values: Readonly<Record<string, string>>
}

export interface Table {
  readonly contestants: readonly Contestant[]
  readonly scenarios: readonly ClientScenario[]
  readonly cells: readonly Cell[]
  readonly footer: readonly FooterLine[]
  /** ISO 8601. */
  readonly startedAt: string
  readonly seconds: number
  /** As `Node v24.21.0, Linux, 2 cores`. */
  readonly machine: string
}

/** Rows whose passes have a figure worth its place. */
const FIGURES = [4, 19, 20, 21, 30, 31, 32]
const NAME_CHARS = 46
const CELL_CHARS = 26
const REASON_CHARS = 70

/** A verdict in a few words. */
export function describeVerdict(verdict: Verdict | undefined, row: number): string {
  if (verdict === undefined) return 'not played'
  const { passed, what } = verdict
  if (passed === null) return `n/a: ${what}`
  if (passed) return FIGURES.includes(row) ? `pass: ${briefFigure(what)}` : 'pass'
  if (what.startsWith('the process died'))
    return `exits: ${cut(what.replace(/^[^,]*,? ?/, ''), REASON_CHARS)}`
  const hang = /^(?:(?<doing>[^:]*): )?no end within (?<time>.*)$/.exec(what)
  if (hang?.groups !== undefined) {
    const { doing, time } = hang.groups
    return `${doing === undefined ? '' : `${doing} `}hangs ${time}`
  }
  return cut(what.replace(/ after [\d.]+ m?s(?=:)/, ''), REASON_CHARS)
}

function briefFigure(what: string): string {
  return what
    .replace(/^(?:logged in after|signed after|signed|ends) /, '')
    .replace(/ after (?:the relay's return|close\(\).*)$/, '')
}

/** Passed rows and rows that apply, of one contestant. */
export function countRows(
  { cells }: Table,
  { name }: Contestant,
): { readonly passed: number; readonly of: number } {
  const own = cells.filter(({ contestant }) => contestant === name)
  const passed = own.filter(({ verdict }) => verdict?.passed === true)
  const apply = own.filter(({ verdict }) => verdict !== undefined && verdict.passed !== null)
  return { passed: passed.length, of: apply.length }
}

export function renderText(table: Table): string {
  const { contestants, footer } = table
  const line = (row: string, name: string, cells: readonly string[]): string =>
    [row.padStart(3), padTo(name, NAME_CHARS), ...cells.map((cell) => padTo(cell, CELL_CHARS))]
      .join('  ')
      .trimEnd()
  const values = ({ values }: FooterLine): string[] => contestants.map(({ name }) => values[name] ?? '')
  return [
    line(
      'row',
      'situation',
      contestants.map(({ title }) => title),
    ),
    ...rows(table).map(({ row, name, cells }) => line(String(row), name, cells)),
    line(
      '',
      'rows passed',
      contestants.map((one) => total(table, one)),
    ),
    ...footer.map((one) => line('', one.figure, values(one))),
    '',
    ...versions(table).map((text) => `    ${text}`),
    `    ${table.machine}; ${table.seconds} s`,
  ].join('\n')
}

export function renderMarkdown(table: Table): string {
  const { contestants, footer } = table
  const line = (cells: readonly string[]): string => `| ${cells.map(escapeCell).join(' | ')} |`
  const failed = contestants.flatMap((one) => failures(table, one))
  return `# Scenarios

<!-- Written by \`pnpm scenarios --write\`. -->

The situations in which client libraries of NIP-46 were found to hang, crash or believe the wrong one, played with this client and
with the published packages of others: each client in a process of its own, over real sockets, with the same relays and the same
scripted remote signer. What is judged is what an app can observe. A row that a client failed by a time limit was played
up to three times, and a pass counts. ${table.startedAt.slice(0, 10)}, ${table.machine}, ${table.seconds} s.

${versions(table)
  .map((text) => `- ${text}`)
  .join('\n')}

${line(['', 'situation', ...contestants.map(({ title }) => title)])}
${line(['--:', '---', ...contestants.map(() => '---')])}
${rows(table)
  .map(({ row, name, cells }) => line([String(row), name, ...cells]))
  .join('\n')}
${line(['', '**rows passed**', ...contestants.map((one) => `**${total(table, one)}**`)])}
${footer.map(({ figure, values }) => line(['', figure, ...contestants.map(({ name }) => values[name] ?? '')])).join('\n')}

## What was wanted

| row | wanted |
| --: | --- |
${table.scenarios.map(({ row, wanted }) => line([String(row), wanted])).join('\n')}
${failed.length === 0 ? '' : `\n## What went wrong, in the words of the harness\n\n${failed.join('\n')}\n`}`
}

function rows({ scenarios, contestants, cells }: Table) {
  return scenarios.map(({ row, name }) => ({
    row,
    name,
    cells: contestants.map((one) =>
      describeVerdict(cells.find((cell) => cell.row === row && cell.contestant === one.name)?.verdict, row),
    ),
  }))
}

function failures({ cells }: Table, { name, title }: Contestant): readonly string[] {
  return cells
    .filter(({ contestant, verdict }) => contestant === name && verdict?.passed === false)
    .map(({ row, verdict }) => `- ${title}, row ${row}: ${escapeCell(verdict?.what ?? '')}`)
}

function total(table: Table, contestant: Contestant): string {
  const { passed, of } = countRows(table, contestant)
  return `${passed} of ${of}`
}

function versions({ contestants }: Table): readonly string[] {
  return contestants
    .filter(({ packages }) => packages.length > 0)
    .map(({ title, packages }) => `${title}: ${packages.join(', ')}`)
}

function cut(text: string, chars: number): string {
  return text.length > chars ? `${text.slice(0, chars - 1)}…` : text
}

function padTo(text: string, chars: number): string {
  return cut(text, chars).padEnd(chars)
}

function escapeCell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('<', '&lt;').replaceAll('\n', ' ')
}
