/**
 * The report as one page that needs nothing else: plots as inline SVG, every figure in a table beneath them.
 * Never refers to anything outside itself, and runs no script.
 */

import { OUR_BUNKER } from '../load/names.ts'
import { type BarRow, barChart } from './bar-chart.ts'
import type { Comparison } from './compare.ts'
import { BASELINE, type Bar, type Figure, GROUPS, type Load, type Report } from './data.ts'
import { formatRange, formatShare, formatTimes, formatValue, loadLabel } from './format.ts'
import { lineChart, type Series } from './line-chart.ts'
import { escapeText, tableMarkup } from './markup.ts'
import { STYLE } from './style.ts'
import { headLines, timesBaseline, unique } from './table.ts'

export function renderHtml(report: Report, comparison?: Comparison): string {
  const sections = GROUPS.map(({ name, title }) => {
    const figures = report.figures.filter(({ group }) => group === name)
    const parts = [
      ...(figures.length === 0 ? [] : [figureSection(report, figures)]),
      ...(name === 'relay' && report.loads.length > 0 ? [loadSection(report.loads)] : []),
    ]
    return parts.length === 0 ? '' : section(title, parts.join(''))
  })
  const [when = '', ...facts] = headLines(report)
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>NIP-46 benchmarks, ${escapeText(report.startedAt.slice(0, 10))}</title>
<style>${STYLE}</style>
</head>
<body>
<main>
<h1>NIP-46 benchmarks</h1>
<p>${escapeText(when)}</p>
<ul class="facts">${facts.map((fact) => `<li>${escapeText(fact)}</li>`).join('')}</ul>
${section('What it must show', `<ul class="bars">${report.bars.map(barMarkup).join('')}</ul>`)}
${comparison === undefined ? '' : section('What moved', comparisonMarkup(comparison))}
<p class="key"><span><i class="own"></i>ours</span><span><i class="peer"></i>others</span><span><i class="bound"></i>native bound</span><span>shorter is better, but for answers a second</span></p>
${sections.join('\n')}
${section('Not run', notRunMarkup(report))}
</main>
</body>
</html>
`
}

function section(title: string, content: string): string {
  return `<section><h2>${escapeText(title)}</h2>${content}</section>`
}

function barMarkup({ figure, atLeast, measured, holds, note }: Bar): string {
  const [kind, word] = holds === null ? ['none', 'not here'] : holds ? ['holds', 'holds'] : ['fails', 'fails']
  const remark = note === null ? '' : `<span class="quiet note">${escapeText(note)}</span>`
  return `<li><b class="${kind}">${word}</b><span>${escapeText(figure)}</span><span class="quiet">wanted ${escapeText(atLeast)}</span><span>${escapeText(measured ?? '')}</span>${remark}</li>`
}

// -- figures ---------------------------------------------------------------------------------------

function figureSection(report: Report, figures: readonly Figure[]): string {
  const scenarios = unique(figures.map(({ scenario }) => scenario))
  const charts = scenarios.map((scenario) =>
    barChart(
      scenario,
      figures.filter((figure) => figure.scenario === scenario).map((figure) => rowOf(report, figure)),
    ),
  )
  const rows = figures.map((figure) => {
    const { scenario, subject, unit, value, wall, samples, note } = figure
    const times = timesBaseline(report, figure)
    return [
      scenario,
      subject,
      formatValue(value.median, unit),
      samples > 1 ? formatRange(value, unit) : '',
      wall === undefined ? '' : formatValue(wall.median, unit),
      times === undefined ? '' : formatTimes(times),
      note ?? '',
    ]
  })
  const head = ['', 'subject', 'median', 'middle half', 'wall time', `to ${BASELINE}`, '']
  return `<div class="grid">${charts.join('')}</div>${details(tableMarkup(head, rows))}`
}

function rowOf(report: Report, figure: Figure): BarRow {
  const { subject, unit, value } = figure
  const times = timesBaseline(report, figure)
  const beside = times === undefined || subject === BASELINE ? '' : ` · ${formatTimes(times)}`
  return {
    label: subject,
    text: formatValue(value.median, unit) + beside,
    value: value.median,
    low: value.low,
    high: value.high,
    kind: kindOf(subject),
  }
}

const OTHERS = ['nostr-tools', 'nostr-tools + nostr-wasm', 'Map of keys', 'bare Node', 'bare threads']

function kindOf(subject: string): BarRow['kind'] {
  if (subject === 'native bound') return 'bound'
  return OTHERS.includes(subject) ? 'peer' : 'own'
}

// -- loads -----------------------------------------------------------------------------------------

/** Points of a distribution that a reader looks for: each is a nine further. */
const NINES = [
  { at: 0.5, label: 'p50' },
  { at: 0.9, label: 'p90' },
  { at: 0.99, label: 'p99' },
  { at: 0.999, label: 'p99.9' },
]

function loadSection(loads: readonly Load[]): string {
  const bunkers = unique(loads.map(({ bunker }) => bunker))
  const windows = loads.filter(({ kind }) => kind === 'window')
  const labels = unique(loads.map(loadLabel))
  const bars = labels.map((label) =>
    barChart(
      `${label}: answers a second`,
      loads
        .filter((load) => loadLabel(load) === label)
        .map(({ bunker, throughput }) => ({
          label: bunker,
          text: formatValue(throughput.median, '1/s'),
          value: throughput.median,
          low: throughput.low,
          high: throughput.high,
          kind: bunker.startsWith(OUR_BUNKER) ? 'own' : 'peer',
        })),
    ),
  )
  const inFlight = {
    title: 'requests in flight',
    ticks: unique(windows.flatMap((load) => load.inFlight ?? [])).map((at) => ({ at, label: String(at) })),
  }
  const over = (read: (load: Load) => number): readonly Series[] =>
    bunkers.map((bunker) => ({
      name: bunker,
      dashed: !bunker.startsWith(OUR_BUNKER),
      points: windows
        .filter((load) => load.bunker === bunker)
        .map((load) => ({ x: load.inFlight ?? 1, y: read(load) })),
    }))
  const lines = [
    lineChart(
      'Throughput against load',
      over(({ throughput }) => throughput.median),
      inFlight,
      perSecond,
    ),
    lineChart(
      'Median latency against load',
      over(({ latency }) => latency.p50),
      inFlight,
      millis,
    ),
    ...labels.map((label) =>
      lineChart(
        `Latency distribution, ${label}`,
        distributions(loads.filter((load) => loadLabel(load) === label)),
        {
          title: 'share of answers',
          ticks: NINES.map(({ at, label: name }) => ({ at: nines(at), label: name })),
        },
        millis,
      ),
    ),
  ]
  const rows = loads.map((load) => {
    const { bunker, throughput, cpu, latency, answered, lost, busy, offered } = load
    return [
      loadLabel(load),
      bunker,
      formatValue(throughput.median, '1/s'),
      formatRange(throughput, '1/s'),
      offered === null ? '' : formatValue(offered, '1/s'),
      formatValue(cpu.median, 'us'),
      ...[latency.p50, latency.p90, latency.p99, latency.p999, latency.max].map((ms) =>
        formatValue(ms, 'ms'),
      ),
      String(answered),
      String(lost),
      ...[busy.bunker, busy.relay, busy.generator].map(formatShare),
    ]
  })
  const head = [
    '',
    'bunker',
    'answers a second',
    'middle half',
    'offered',
    'CPU an answer',
    'p50',
    'p90',
    'p99',
    'p99.9',
    'most',
    'answered',
    'lost',
    'bunker busy',
    'relay busy',
    'generator busy',
  ]
  const remark = '<p>Ours solid, others dashed. All answer the same requests, signed beforehand.</p>'
  return `${remark}<div class="grid">${lines.join('')}${bars.join('')}</div>${details(tableMarkup(head, rows))}`
}

function distributions(loads: readonly Load[]): readonly Series[] {
  return loads.map(({ bunker, latency }) => ({
    name: bunker,
    dashed: !bunker.startsWith(OUR_BUNKER),
    points: latency.curve
      .filter(({ share }) => share >= 0.5 && share <= 0.999)
      .map(({ share, ms }) => ({ x: nines(share), y: ms })),
  }))
}

/** The share that is slower, upside down: 2 for p50, 1,000 for p99.9. */
function nines(share: number): number {
  return 1 / (1 - share)
}

function perSecond(value: number): string {
  return `${value.toLocaleString('en-US')}/s`
}

function millis(value: number): string {
  return value < 1_000 ? `${value} ms` : `${value / 1_000} s`
}

// -- the rest --------------------------------------------------------------------------------------

function comparisonMarkup({ drift, moves }: Comparison): string {
  const moved = moves.filter(({ verdict }) => verdict !== 'same')
  const rows = moved.map(({ label, unit, before, after, times, verdict }) => [
    label,
    verdict,
    before === undefined ? '' : formatValue(before, unit),
    after === undefined ? '' : formatValue(after, unit),
    times === undefined ? '' : formatTimes(times),
  ])
  const same = moves.length - moved.length
  const facts = `<p>The machine ran nostr-tools ${escapeText(formatTimes(drift))} as fast; that is taken out. ${same} figures are the same.</p>`
  return facts + (rows.length === 0 ? '' : tableMarkup(['', '', 'before', 'now', 'times as good'], rows))
}

function notRunMarkup({ notRun }: Report): string {
  if (notRun.length === 0) return '<p>Everything was run.</p>'
  const items = notRun.map(
    ({ scenario, subject, reason }) => `<li>${escapeText(`${scenario}, ${subject}: ${reason}`)}</li>`,
  )
  return `<ul class="facts">${items.join('')}</ul>`
}

function details(content: string): string {
  return `<details><summary>All figures</summary>${content}</details>`
}
