/** The same cases run in a page, and the report is readable on a phone. */

import { expect, test } from 'vitest'
import { mountPage } from '../browser/page.ts'
import { type PagePlan, runPage } from '../browser/page-run.ts'
import { judge } from '../src/report/bars.ts'
import { renderHtml } from '../src/report/html.ts'
import { figure, load, sampleReport } from '../test/report-sample.ts'

const LEAST: PagePlan = { rounds: 1, sliceMs: 0.1, warmUpMs: 0.1, sizes: [100] }

test('every case runs in a page, on every backend that a page can have', async () => {
  const { figures, notRun } = await runPage(LEAST)
  const subjects = new Set(figures.map(({ subject }) => subject))
  expect([...subjects]).toEqual(
    expect.arrayContaining(['ox', 'tiny', 'noble', 'nostr-tools', 'nostr-tools + nostr-wasm']),
  )
  for (const subject of subjects) {
    const scenarios = figures.filter((found) => found.subject === subject).map(({ scenario }) => scenario)
    expect(scenarios, subject).toEqual(
      expect.arrayContaining([
        'sign a note',
        'verify',
        'conversation key',
        'nip44 encrypt 100 B',
        'sign_event request',
      ]),
    )
  }
  expect(notRun.map(({ subject }) => subject)).toEqual(['native'])
})

test('a reader presses the button and sees the figures', async () => {
  const host = document.createElement('div')
  document.body.append(host)
  mountPage(host, LEAST)
  host.querySelector('button')?.click()
  await expect
    .poll(() => host.querySelector('main h1')?.textContent, { timeout: 60_000 })
    .toBe('NIP-46 benchmarks')
  expect(host.querySelectorAll('figure svg').length).toBeGreaterThan(8)
  expect(host.querySelector('button')?.disabled).toBe(false)
  host.remove()
})

const SAMPLE = sampleReport({
  loads: [1, 16, 64, 256].flatMap((inFlight) => [
    load('remote-signer (native)', inFlight, 3_000),
    load('remote-signer (tiny)', inFlight, 1_000),
    load('NDK backend', inFlight, 60),
    load('applesauce provider', inFlight, 70),
  ]),
  figures: [
    ...sampleReport().figures,
    figure('decrypt 1,000 gift wraps', 'nostr-tools + nostr-wasm', 7_000_000, { group: 'wraps' }),
  ],
})
const HTML = renderHtml({ ...SAMPLE, bars: judge(SAMPLE) })

/** The page in a frame of this width. */
async function show(width: number): Promise<Document> {
  const frame = document.createElement('iframe')
  frame.style.width = `${width}px`
  frame.style.height = '900px'
  frame.style.border = '0'
  const loaded = new Promise((resolve) => frame.addEventListener('load', resolve, { once: true }))
  frame.srcdoc = HTML
  document.body.append(frame)
  await loaded
  if (frame.contentDocument === null) throw new Error('the frame has no document')
  return frame.contentDocument
}

test.each([320, 390, 1280])('nothing of the report sticks out at %i px', async (width) => {
  const page = await show(width)
  expect(page.documentElement.scrollWidth).toBeLessThanOrEqual(width)
  // A figure, not its scrolling table, has to fit as it is.
  for (const part of page.querySelectorAll('figure, .bars li, p, h1, h2, figure > svg, .legend')) {
    const { left, right } = part.getBoundingClientRect()
    expect(left).toBeGreaterThanOrEqual(0)
    expect(right).toBeLessThanOrEqual(width + 0.5)
  }
})

test.each([320, 390, 1280])('texts of a plot neither leave it nor meet at %i px', async (width) => {
  const page = await show(width)
  const plots = [...page.querySelectorAll('figure > svg')]
  expect(plots.length).toBeGreaterThan(8)
  for (const plot of plots) {
    const frame = plot.getBoundingClientRect()
    const texts = [...plot.querySelectorAll('text')].map((text) => ({
      words: text.textContent,
      box: text.getBoundingClientRect(),
    }))
    for (const { words, box } of texts) {
      expect(box.left, words ?? '').toBeGreaterThanOrEqual(frame.left - 1)
      expect(box.right, words ?? '').toBeLessThanOrEqual(frame.right + 1)
    }
    const meet = texts.flatMap((one, i) =>
      texts
        .slice(i + 1)
        .filter((other) => overlaps(one.box, other.box))
        .map((other) => [one.words, other.words]),
    )
    expect(meet).toEqual([])
  }
})

function overlaps(one: DOMRect, other: DOMRect): boolean {
  const x = Math.min(one.right, other.right) - Math.max(one.left, other.left)
  const y = Math.min(one.bottom, other.bottom) - Math.max(one.top, other.top)
  return x > 1 && y > 3
}
