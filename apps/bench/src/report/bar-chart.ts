/**
 * Horizontal bars as inline SVG: one row a subject, its name and figure above its bar, the middle half as a whisker.
 * Never wider than a phone: the width is that of its column.
 */

import { escapeText } from './markup.ts'

export interface BarRow {
  readonly label: string
  /** The figure as text, written at the right. */
  readonly text: string
  readonly value: number
  readonly low: number
  readonly high: number
  readonly kind: 'own' | 'peer' | 'bound'
}

const WIDTH = 340
const ROW = 36
const BAR = 10
/** The longest bar; the rest is room for its whisker. */
const LENGTH = 330
/** Bars are logarithmic once the longest is this many times the shortest. */
const LOG_FROM = 20

export function barChart(title: string, rows: readonly BarRow[]): string {
  const values = rows.flatMap(({ value, low, high }) => [value, low, high]).filter((value) => value > 0)
  const most = Math.max(...values)
  const least = Math.min(...values)
  const isLog = most / least > LOG_FROM
  // A logarithmic bar begins a little below the shortest, so that no bar is empty.
  const floor = least / 2
  const lengthOf = (value: number): number => {
    const share = isLog ? Math.log(value / floor) / Math.log(most / floor) : value / most
    return LENGTH * Math.min(1, Math.max(0, share))
  }
  const height = rows.length * ROW + 4
  const drawn = rows.map((row, i) => barMarkup(row, i * ROW, lengthOf))
  const summary = rows.map(({ label, text }) => `${label} ${text}`).join('; ')
  const scale = isLog ? '<span class="scale">log scale</span>' : ''
  return `<figure><figcaption>${escapeText(title)}${scale}</figcaption><svg viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${escapeText(`${title}: ${summary}`)}">${drawn.join('')}</svg></figure>`
}

function barMarkup(row: BarRow, y: number, lengthOf: (value: number) => number): string {
  const { label, text, value, low, high, kind } = row
  const top = y + 20
  const middle = top + BAR / 2
  const from = lengthOf(low)
  const to = lengthOf(high)
  const whisker =
    to - from < 2
      ? ''
      : `<path class="whisker" d="M${px(from)} ${middle}H${px(to)}M${px(from)} ${middle - 3}v6M${px(to)} ${middle - 3}v6"/>`
  return [
    `<text class="name" x="0" y="${y + 14}">${escapeText(label)}</text>`,
    `<text class="value" x="${WIDTH}" y="${y + 14}">${escapeText(text)}</text>`,
    `<rect class="bar ${kind}" x="0" y="${top}" width="${px(Math.max(1.5, lengthOf(value)))}" height="${BAR}" rx="2"/>`,
    whisker,
  ].join('')
}

function px(value: number): string {
  return String(Math.round(value * 10) / 10)
}
