/**
 * The report as Markdown, for the repository: what it must show, then every figure.
 * Never without the machine, the date and the versions: figures mean little elsewhere.
 */

import { type Figure, GROUPS, type Load, type Report } from './data.ts'
import { formatRange, formatTimes, formatValue, loadLabel } from './format.ts'
import { headLines, timesBaseline, unique } from './table.ts'

export function renderMarkdown(report: Report): string {
  const sections = GROUPS.flatMap(({ name, title }) => {
    const figures = report.figures.filter(({ group }) => group === name)
    const tables = [
      ...(figures.length === 0 ? [] : [figureTable(report, figures)]),
      ...(name === 'relay' && report.loads.length > 0 ? [loadTable(report.loads)] : []),
    ]
    return tables.length === 0 ? [] : [`## ${title}`, ...tables]
  })
  return `${[
    '# Benchmarks',
    `Written by \`pnpm bench${report.mode === 'full' ? ':full' : ''} --markdown BENCHMARKS.md\` (see [apps/bench](./apps/bench/README.md)). Compare ratios, not microseconds: everything here was measured side by side in one run.`,
    headLines(report)
      .map((line) => `- ${escapeCell(line)}`)
      .join('\n'),
    '## What it must show',
    barTable(report),
    ...sections,
    '## Not run',
    notRunList(report),
  ].join('\n\n')}\n`
}

function barTable({ bars }: Report): string {
  return table(
    ['figure', 'wanted', 'measured', '', 'remark'],
    bars.map(({ figure, atLeast, measured, holds, note }) => [
      figure,
      atLeast,
      measured ?? '',
      holds === null ? '' : holds ? 'holds' : '**fails**',
      note ?? '',
    ]),
  )
}

/** Scenarios down, subjects across; a figure is its median, and how many times as good as nostr-tools. */
function figureTable(report: Report, figures: readonly Figure[]): string {
  const scenarios = unique(figures.map(({ scenario }) => scenario))
  const subjects = unique(figures.map(({ subject }) => subject))
  if (subjects.length === 1) {
    return table(
      ['', subjects[0] ?? '', 'middle half', 'wall'],
      figures.map((figure) => [
        figure.scenario,
        formatValue(figure.value.median, figure.unit),
        figure.samples > 1 ? formatRange(figure.value, figure.unit) : '',
        figure.wall === undefined ? '' : formatValue(figure.wall.median, figure.unit),
      ]),
    )
  }
  const rows = scenarios.map((scenario) => [
    scenario,
    ...subjects.map((subject) => {
      const figure = figures.find((item) => item.scenario === scenario && item.subject === subject)
      return figure === undefined ? '' : cell(report, figure)
    }),
  ])
  return table(['', ...subjects], rows)
}

function cell(report: Report, figure: Figure): string {
  const times = timesBaseline(report, figure)
  const value = formatValue(figure.value.median, figure.unit)
  return times === undefined || figure.subject === 'nostr-tools' ? value : `${value} (${formatTimes(times)})`
}

function loadTable(loads: readonly Load[]): string {
  return table(
    ['load', 'bunker', 'answers a second', 'CPU an answer', 'p50', 'p99', 'p99.9', 'lost'],
    loads.map((load) => [
      loadLabel(load),
      load.bunker,
      formatValue(load.throughput.median, '1/s'),
      formatValue(load.cpu.median, 'us'),
      formatValue(load.latency.p50, 'ms'),
      formatValue(load.latency.p99, 'ms'),
      formatValue(load.latency.p999, 'ms'),
      String(load.lost),
    ]),
  )
}

function notRunList({ notRun }: Report): string {
  if (notRun.length === 0) return 'Everything was run.'
  return notRun
    .map(({ scenario, subject, reason }) => `- ${escapeCell(`${scenario}, ${subject}: ${reason}`)}`)
    .join('\n')
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.map(escapeCell).join(' | ')} |`
  return [line(head), line(head.map((_, i) => (i === 0 ? '---' : '---:'))), ...rows.map(line)].join('\n')
}

function escapeCell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ')
}
