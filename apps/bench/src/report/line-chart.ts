/**
 * Lines over two logarithmic axes as inline SVG, with a legend that does not need colours alone.
 * Never extrapolates: points are joined, nothing else is drawn.
 */

import { escapeText } from './markup.ts'

export interface Series {
  readonly name: string
  /** Solid for ours, dashed for others. */
  readonly dashed: boolean
  readonly points: readonly { readonly x: number; readonly y: number }[]
}

export interface Axis {
  readonly title: string
  readonly ticks: readonly { readonly at: number; readonly label: string }[]
}

const WIDTH = 340
const HEIGHT = 236
const LEFT = 58
const RIGHT = 18
const TOP = 10
const BOTTOM = 42
/** Colours of series, as classes; a further series repeats them. */
const COLOURS = 6

export function lineChart(
  title: string,
  series: readonly Series[],
  xAxis: Axis,
  formatY: (y: number) => string,
): string {
  const all = series.flatMap(({ points }) => points)
  const ys = all.map(({ y }) => y).filter((y) => y > 0)
  const xs = [...xAxis.ticks.map(({ at }) => at), ...all.map(({ x }) => x)]
  const yTicks = decades(Math.min(...ys), Math.max(...ys))
  const [yFirst = 1] = yTicks
  const yLast = yTicks.at(-1) ?? 10
  const scaleX = logScale(Math.min(...xs), Math.max(...xs), LEFT, WIDTH - RIGHT)
  const scaleY = logScale(yFirst, yLast, HEIGHT - BOTTOM, TOP)
  const grid = yTicks.map(
    (y) =>
      `<path class="grid" d="M${LEFT} ${px(scaleY(y))}H${WIDTH - RIGHT}"/><text class="tick" x="${LEFT - 5}" y="${px(scaleY(y) + 4)}" text-anchor="end">${escapeText(formatY(y))}</text>`,
  )
  const foot = xAxis.ticks.map(
    ({ at, label }) =>
      `<path class="grid" d="M${px(scaleX(at))} ${TOP}V${HEIGHT - BOTTOM}"/><text class="tick" x="${px(scaleX(at))}" y="${HEIGHT - BOTTOM + 19}" text-anchor="middle">${escapeText(label)}</text>`,
  )
  const lines = series.map(({ dashed, points }, i) => {
    const path = points
      .filter(({ y }) => y > 0)
      .map(({ x, y }, at) => `${at === 0 ? 'M' : 'L'}${px(scaleX(x))} ${px(scaleY(y))}`)
      .join('')
    const dots = points
      .filter(({ y }) => y > 0)
      .map(
        ({ x, y }) =>
          `<circle class="dot c${i % COLOURS}" cx="${px(scaleX(x))}" cy="${px(scaleY(y))}" r="2.4"/>`,
      )
    return `<path class="line c${i % COLOURS}${dashed ? ' dashed' : ''}" d="${path}"/>${dots.join('')}`
  })
  const legend = series.map(
    ({ name, dashed }, i) =>
      `<li><svg class="swatch" viewBox="0 0 24 10" aria-hidden="true"><path class="line c${i % COLOURS}${dashed ? ' dashed' : ''}" d="M1 5H23"/></svg>${escapeText(name)}</li>`,
  )
  const xTitle = `<text class="tick" x="${(LEFT + WIDTH - RIGHT) / 2}" y="${HEIGHT - 6}" text-anchor="middle">${escapeText(xAxis.title)}</text>`
  return `<figure><figcaption>${escapeText(title)}<span class="scale">log scales</span></figcaption><svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${escapeText(`${title}: the figures are in the table below`)}">${grid.join('')}${foot.join('')}${xTitle}${lines.join('')}</svg><ul class="legend">${legend.join('')}</ul></figure>`
}

function logScale(from: number, to: number, start: number, end: number): (value: number) => number {
  const span = Math.log(to / from) || 1
  return (value) => start + ((end - start) * Math.log(value / from)) / span
}

/** Powers of ten that enclose the values; at least two. */
function decades(least: number, most: number): readonly number[] {
  const first = Math.floor(Math.log10(least) + 1e-9)
  const last = Math.max(first + 1, Math.ceil(Math.log10(most) - 1e-9))
  return Array.from({ length: last - first + 1 }, (_, i) => 10 ** (first + i))
}

function px(value: number): string {
  return String(Math.round(value * 10) / 10)
}
