/**
 * The report: one table a scenario, each subject with its time and its ratio to nostr-tools in the same run.
 * Never leaves out a case that was asked for.
 */

import { arch, cpus } from 'node:os'
import type { Figure } from './measure.ts'

/** Figures as text for a terminal. */
export function renderTable(figures: readonly Figure[], baseline: string): string {
  const scenarios = [...new Set(figures.map(({ scenario }) => scenario))]
  const subjects = [...new Set(figures.map(({ subject }) => subject))]
  const lines = [
    `machine: ${cpus()[0]?.model ?? 'unknown'} (${cpus().length} cores, ${arch()}), Node ${process.version}`,
  ]
  lines.push(
    'microseconds of CPU time, median of interleaved rounds; times as fast as nostr-tools in brackets',
    '',
  )
  lines.push(row('', subjects))
  for (const scenario of scenarios) {
    const base = figures.find((figure) => figure.scenario === scenario && figure.subject === baseline)
    const cells = subjects.map((subject) => {
      const figure = figures.find((item) => item.scenario === scenario && item.subject === subject)
      if (figure === undefined) return 'not run'
      const ratio = base === undefined ? '' : ` (${(base.median / figure.median).toFixed(1)}x)`
      return `${figure.median.toFixed(figure.median < 100 ? 1 : 0)}${ratio}`
    })
    lines.push(row(scenario, cells))
  }
  return lines.join('\n')
}

function row(head: string, cells: readonly string[]): string {
  return head.padEnd(30) + cells.map((cell) => cell.padStart(18)).join('')
}
