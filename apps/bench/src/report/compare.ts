/**
 * What moved between two reports, after taking out how much the machine itself moved.
 * Never calls noise a move: what stays within both spreads, or within a twentieth, is the same.
 */

import { quantile, type Spread, scaleSpread } from '../statistics.ts'
import { BASELINE, type Report, type Unit } from './data.ts'
import { formatTimes, formatValue, loadLabel } from './format.ts'

export interface Move {
  readonly label: string
  readonly unit: Unit
  /** Undefined: it was not there. */
  readonly before: number | undefined
  readonly after: number | undefined
  /** Above 1: better now, the machine's drift taken out. Undefined if one of them is missing. */
  readonly times: number | undefined
  readonly verdict: 'better' | 'worse' | 'same' | 'new' | 'gone'
}

export interface Comparison {
  /** How many times as fast nostr-tools ran as in the report before: the machine, not us. */
  readonly drift: number
  readonly moves: readonly Move[]
}

const NOISE = 1.05
/** A tail is one figure of a run, without a spread of its own. */
const TAIL_NOISE = 1.2

export function compareReports(before: Report, after: Report): Comparison {
  const old = measuresOf(before)
  const now = measuresOf(after)
  const drift = driftOf(old, now)
  const labels = [...new Set([...old.keys(), ...now.keys()])]
  return { drift, moves: labels.map((label) => moveOf(label, old.get(label), now.get(label), drift)) }
}

export function renderComparison({ drift, moves }: Comparison): string {
  const moved = moves.filter(({ verdict }) => verdict !== 'same')
  const same = moves.length - moved.length
  return [
    `== Since the other report: the machine is ${formatTimes(drift)} as fast (nostr-tools); taken out below`,
    ...moved.map(({ label, unit, before, after, times, verdict }) => {
      const from = before === undefined ? 'nothing' : formatValue(before, unit)
      const to = after === undefined ? 'nothing' : formatValue(after, unit)
      return `${verdict.padEnd(7)}${label}: ${from} to ${to}${times === undefined ? '' : `, ${formatTimes(times)}`}`
    }),
    `${same} figures are the same`,
  ].join('\n')
}

/** Reads a report that was written before. Throws if it is something else. */
export function parseReport(text: string): Report {
  const value = JSON.parse(text) as Partial<Report>
  if (value.format !== 'nip46-bench' || value.version !== 1)
    throw new Error('this file is no report of this harness: write one with --json FILE')
  return value as Report
}

interface Measure {
  readonly unit: Unit
  readonly value: Spread
  readonly subject: string
  readonly timed: boolean
}

function measuresOf({ figures, loads }: Report): ReadonlyMap<string, Measure> {
  const measures = new Map<string, Measure>()
  for (const { scenario, subject, unit, value } of figures) {
    const timed = unit === 'us' || unit === 'ms'
    measures.set(`${scenario}, ${subject}`, { unit, value, subject, timed })
  }
  for (const load of loads) {
    const label = `${loadLabel(load)}, ${load.bunker}`
    const { bunker: subject, throughput, cpu, latency } = load
    const { p99 } = latency
    const tail = { median: p99, low: p99 / TAIL_NOISE, high: p99 * TAIL_NOISE }
    measures.set(`${label}: answers a second`, { unit: '1/s', value: throughput, subject, timed: true })
    measures.set(`${label}: CPU`, { unit: 'us', value: cpu, subject, timed: true })
    measures.set(`${label}: p99`, { unit: 'ms', value: tail, subject, timed: true })
  }
  return measures
}

function driftOf(old: ReadonlyMap<string, Measure>, now: ReadonlyMap<string, Measure>): number {
  const ratios = [...now].flatMap(([label, { subject, value, unit }]) => {
    const before = old.get(label)
    return subject === BASELINE && unit === 'us' && before !== undefined
      ? [before.value.median / value.median]
      : []
  })
  return ratios.length === 0
    ? 1
    : quantile(
        ratios.toSorted((a, b) => a - b),
        0.5,
      )
}

function moveOf(label: string, old: Measure | undefined, now: Measure | undefined, drift: number): Move {
  const unit = (now ?? old)?.unit ?? 'us'
  const before = old?.value.median
  const after = now?.value.median
  if (old === undefined || now === undefined)
    return { label, unit, before, after, times: undefined, verdict: old === undefined ? 'new' : 'gone' }
  const more = unit === '1/s'
  const machine = now.timed ? drift : 1
  const scaled = scaleSpread(now.value, more ? 1 / machine : machine)
  const times = more ? scaled.median / old.value.median : old.value.median / scaled.median
  const overlaps = scaled.low <= old.value.high && old.value.low <= scaled.high
  const still = overlaps || (times < NOISE && times > 1 / NOISE)
  return { label, unit, before, after, times, verdict: still ? 'same' : times > 1 ? 'better' : 'worse' }
}
