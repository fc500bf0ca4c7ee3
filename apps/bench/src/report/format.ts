/**
 * Numbers as people read them, the same in every form of the report.
 * Never more digits than the spread allows: three that count.
 */

import type { Spread } from '../statistics.ts'
import type { Figure, Load, Unit } from './data.ts'

const STEPS: Readonly<
  Record<Unit, readonly { readonly from: number; readonly by: number; readonly unit: string }[]>
> = {
  us: [
    { from: 10_000_000, by: 1e-6, unit: 's' },
    { from: 10_000, by: 1e-3, unit: 'ms' },
    { from: 0, by: 1, unit: 'µs' },
  ],
  ms: [
    { from: 10_000, by: 1e-3, unit: 's' },
    { from: 0, by: 1, unit: 'ms' },
  ],
  B: [{ from: 0, by: 1, unit: 'B' }],
  MB: [{ from: 0, by: 1, unit: 'MB' }],
  '1/s': [{ from: 0, by: 1, unit: '/s' }],
  x: [{ from: 0, by: 1, unit: 'x' }],
}

/** `12.3 µs`. */
export function formatValue(value: number, unit: Unit): string {
  const step = stepOf(value, unit)
  const number = digits(value * step.by)
  return unit === 'x' ? `${number}x` : `${number} ${step.unit}`
}

/** `11.9 to 13.0`, in the unit of its median. */
export function formatRange({ median, low, high }: Spread, unit: Unit): string {
  const { by } = stepOf(median, unit)
  return `${digits(low * by)} to ${digits(high * by)}`
}

/** `9.4x`. */
export function formatTimes(times: number): string {
  return `${digits(times)}x`
}

export function formatShare(share: number): string {
  return `${Math.round(100 * share)} %`
}

function stepOf(value: number, unit: Unit): { readonly by: number; readonly unit: string } {
  const [last = { by: 1, unit: '' }] = STEPS[unit].slice(-1)
  return STEPS[unit].find(({ from }) => Math.abs(value) >= from) ?? last
}

function digits(value: number): string {
  if (!Number.isFinite(value)) return 'no figure'
  const size = Math.abs(value)
  if (size >= 100) return Math.round(value).toLocaleString('en-US')
  return value.toFixed(size >= 10 ? 1 : 2)
}

/** More is better for answers a second, and for ratios. */
export function moreIsBetter({ unit }: Pick<Figure, 'unit'>): boolean {
  return unit === '1/s' || unit === 'x'
}

/** `64 in flight`, `open load at 50 %`. */
export function loadLabel({ inFlight, share }: Pick<Load, 'inFlight' | 'share'>): string {
  return inFlight === null
    ? `open load at ${formatShare(share ?? 0)} of its throughput`
    : `${inFlight} in flight`
}
