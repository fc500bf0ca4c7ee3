/**
 * What moved between two reports. Where nostr-tools (or NDK, for whole bunkers) was measured beside a figure, what is
 * compared is how many times as good it was: the machine may have had a better day. Elsewhere its drift is taken out.
 * Never calls noise a move: what stays within both spreads, or within a tenth, is the same.
 */

import { NDK_BUNKER } from '../load/names.ts'
import { quantile, type Spread, scaleSpread, timesLess, timesMore } from '../statistics.ts'
import { BASELINE, type Report, type Unit } from './data.ts'
import { formatTimes, formatValue, loadLabel, moreIsBetter } from './format.ts'

export interface Move {
  readonly label: string
  readonly unit: Unit
  /** Undefined: it was not there. */
  readonly before: number | undefined
  readonly after: number | undefined
  /** Above 1: better now, the machine taken out. Undefined if one of them is missing. */
  readonly times: number | undefined
  readonly verdict: 'better' | 'worse' | 'same' | 'new' | 'gone'
}

export interface Comparison {
  /** How many times as fast nostr-tools ran as in the report before: the machine, not us. */
  readonly drift: number
  /** Of everything but the yardsticks themselves. */
  readonly moves: readonly Move[]
}

const NOISE = 1.1
/** Whole bunkers may have been measured in one round, without a spread. */
const LOAD_NOISE = 1.3
/** A tail is one figure of a run. */
const TAIL_NOISE = 1.5

export function compareReports(before: Report, after: Report): Comparison {
  const old = measuresOf(before)
  const now = measuresOf(after)
  const drift = driftOf(old, now)
  const labels = [...new Set([...old.keys(), ...now.keys()])]
  const moves = labels.flatMap((label) => {
    const [was, is] = [old.get(label), now.get(label)]
    return (is ?? was)?.yardstick === true ? [] : [moveOf(label, was, is, drift)]
  })
  return { drift, moves }
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
  readonly yardstick: boolean
  /** How many times as good as its yardstick; undefined if there is none beside it. */
  readonly times: Spread | undefined
  readonly noise: number
}

function measuresOf({ figures, loads }: Report): ReadonlyMap<string, Measure> {
  const measures = new Map<string, Measure>()
  for (const { scenario, subject, unit, value } of figures) {
    const base = figures.find((other) => other.scenario === scenario && other.subject === BASELINE)
    measures.set(`${scenario}, ${subject}`, {
      unit,
      value,
      yardstick: subject === BASELINE,
      times: base === undefined ? undefined : timesAsGood(unit, value, base.value),
      noise: NOISE,
    })
  }
  for (const load of loads) {
    const name = loadLabel(load)
    const label = `${name}, ${load.bunker}`
    const base = loads.find((other) => other.bunker === NDK_BUNKER && loadLabel(other) === name)
    const yardstick = load.bunker === NDK_BUNKER
    const add = (what: string, unit: Unit, noise: number, read: (from: typeof load) => Spread): void => {
      const times = base === undefined ? undefined : timesAsGood(unit, read(load), read(base))
      measures.set(`${label}: ${what}`, { unit, value: read(load), yardstick, times, noise })
    }
    // What an open load answers is what was offered.
    if (load.kind === 'window') add('answers a second', '1/s', LOAD_NOISE, ({ throughput }) => throughput)
    add('CPU', 'us', LOAD_NOISE, ({ cpu }) => cpu)
    add('p99', 'ms', TAIL_NOISE, ({ latency: { p99 } }) => ({ median: p99, low: p99, high: p99 }))
  }
  return measures
}

function timesAsGood(unit: Unit, value: Spread, base: Spread): Spread {
  return (moreIsBetter({ unit }) ? timesMore : timesLess)(value, base)
}

function driftOf(old: ReadonlyMap<string, Measure>, now: ReadonlyMap<string, Measure>): number {
  const ratios = [...now].flatMap(([label, { yardstick, value, unit }]) => {
    const before = old.get(label)
    return yardstick && unit === 'us' && before !== undefined ? [before.value.median / value.median] : []
  })
  const sorted = ratios.toSorted((a, b) => a - b)
  return sorted.length === 0 ? 1 : quantile(sorted, 0.5)
}

function moveOf(label: string, old: Measure | undefined, now: Measure | undefined, drift: number): Move {
  const unit = (now ?? old)?.unit ?? 'us'
  const before = old?.value.median
  const after = now?.value.median
  if (old === undefined || now === undefined)
    return { label, unit, before, after, times: undefined, verdict: old === undefined ? 'new' : 'gone' }
  const [was, is] = goodness(old, now, drift)
  const times = is.median / was.median
  const overlaps = is.low <= was.high && was.low <= is.high
  const still = overlaps || (times < now.noise && times > 1 / now.noise)
  return { label, unit, before, after, times, verdict: still ? 'same' : times > 1 ? 'better' : 'worse' }
}

/** Both in one scale where more is better, the machine taken out. */
function goodness(old: Measure, now: Measure, drift: number): readonly [Spread, Spread] {
  if (old.times !== undefined && now.times !== undefined) return [old.times, now.times]
  const machine = ['B', 'MB', 'x'].includes(now.unit) ? 1 : drift
  if (moreIsBetter(now)) return [old.value, scaleSpread(now.value, 1 / machine)]
  return [inverse(old.value), inverse(scaleSpread(now.value, machine))]
}

function inverse({ median, low, high }: Spread): Spread {
  return { median: 1 / median, low: 1 / high, high: 1 / low }
}
