/**
 * The report as text for a terminal: every figure, then the bars, then what was not run.
 * Never leaves out a case that was asked for.
 */

import { timesLess, timesMore } from '../statistics.ts'
import { BASELINE, type Figure, findFigure, GROUPS, type Load, type Report } from './data.ts'
import { formatRange, formatShare, formatTimes, formatValue, loadLabel, moreIsBetter } from './format.ts'

const NAME = 28

export function renderTable(report: Report): string {
  const lines: string[] = []
  for (const { name, title } of GROUPS) {
    const figures = report.figures.filter(({ group }) => group === name)
    if (name === 'relay' && report.loads.length > 0)
      lines.push('', heading(title), ...loadLines(report.loads))
    if (figures.length === 0) continue
    lines.push('', heading(title))
    for (const scenario of unique(figures.map((figure) => figure.scenario))) {
      lines.push(scenario)
      for (const figure of figures.filter((item) => item.scenario === scenario))
        lines.push(figureLine(report, figure))
    }
  }
  return [...headLines(report), ...lines, '', ...notRunLines(report), '', ...barLines(report)].join('\n')
}

export function headLines({
  machine,
  mode,
  startedAt,
  seconds,
  rounds,
  versions,
  remarks,
}: Report): readonly string[] {
  const { cpu, cores, platform, node, loads } = machine
  const busy =
    loads === null ? '' : `; load average ${loads.before.toFixed(1)} before, ${loads.after.toFixed(1)} after`
  const names = Object.entries(versions).map(([name, version]) => `${name} ${version}`)
  return [
    `${mode} run of ${startedAt.slice(0, 16).replace('T', ' ')} UTC, ${seconds} s, ${rounds} interleaved rounds`,
    `${cpu}, ${cores} cores, ${platform}, ${node}${busy}`,
    ...(names.length === 0 ? [] : [names.join(', ')]),
    ...remarks,
    'Medians of CPU time with the middle half of the rounds; then wall time; then how many times as good as nostr-tools.',
  ]
}

/** How a figure compares with nostr-tools in the same run. */
export function timesBaseline(report: Pick<Report, 'figures'>, figure: Figure): number | undefined {
  const base = findFigure(report, figure.scenario, BASELINE)
  if (base === undefined) return undefined
  return (moreIsBetter(figure) ? timesMore : timesLess)(figure.value, base.value).median
}

function figureLine(report: Report, figure: Figure): string {
  const { subject, unit, value, wall, note } = figure
  const times = timesBaseline(report, figure)
  return [
    `  ${subject}`.padEnd(NAME),
    formatValue(value.median, unit).padStart(12),
    (figure.samples > 1 ? formatRange(value, unit) : '').padStart(20),
    (wall === undefined ? '' : `wall ${formatValue(wall.median, unit)}`).padStart(18),
    (times === undefined ? '' : formatTimes(times)).padStart(9),
    note === undefined ? '' : `  ${note}`,
  ]
    .join('')
    .trimEnd()
}

function loadLines(loads: readonly Load[]): readonly string[] {
  const lines: string[] = []
  for (const label of unique(loads.map(loadLabel))) {
    lines.push(label)
    for (const load of loads.filter((item) => loadLabel(item) === label)) {
      const { bunker, throughput, cpu, latency, lost, busy } = load
      const { p50, p99, p999 } = latency
      const slow = [p50, p99, p999].map((ms) => formatValue(ms, 'ms')).join(', ')
      lines.push(
        `  ${bunker}`.padEnd(NAME) +
          formatValue(throughput.median, '1/s').padStart(12) +
          `   p50, p99, p99.9: ${slow}; CPU ${formatValue(cpu.median, 'us')} an answer; ` +
          `busy: bunker ${formatShare(busy.bunker)}, relay ${formatShare(busy.relay)}, ` +
          `generator ${formatShare(busy.generator)}${lost > 0 ? `; ${lost} LOST` : ''}`,
      )
    }
  }
  return lines
}

function notRunLines({ notRun }: Report): readonly string[] {
  if (notRun.length === 0) return ['Everything was run.']
  return notRun.map(({ scenario, subject, reason }) => `not run: ${scenario}, ${subject}: ${reason}`)
}

function barLines({ bars }: Report): readonly string[] {
  return [
    heading('What it must show'),
    ...bars.map(({ figure, atLeast, measured, holds, note }) => {
      const word = holds === null ? '      ' : holds ? 'holds ' : 'FAILS '
      return `${word}${figure}: ${measured ?? 'no figure'}, wanted ${atLeast}${note === null ? '' : ` (${note})`}`
    }),
  ]
}

function heading(title: string): string {
  return `== ${title}`
}

export function unique<T>(items: readonly T[]): readonly T[] {
  return [...new Set(items)]
}
