import { describe, expect, test } from 'vitest'
import { judge } from '../src/report/bars.ts'
import { compareReports, parseReport, renderComparison } from '../src/report/compare.ts'
import type { Report } from '../src/report/data.ts'
import { formatValue } from '../src/report/format.ts'
import { renderHtml } from '../src/report/html.ts'
import { renderMarkdown } from '../src/report/markdown.ts'
import { renderTable } from '../src/report/table.ts'
import { figure, load, sampleReport } from './report-sample.ts'

const report: Report = { ...sampleReport(), bars: judge(sampleReport()) }

/** The text of every figure of a report. */
function figuresOf({ figures, loads }: Report): readonly string[] {
  return [
    ...figures.map(({ value, unit }) => formatValue(value.median, unit)),
    ...loads.flatMap(({ throughput, cpu, latency }) => [
      formatValue(throughput.median, '1/s'),
      formatValue(cpu.median, 'us'),
      formatValue(latency.p50, 'ms'),
      formatValue(latency.p99, 'ms'),
      formatValue(latency.p999, 'ms'),
    ]),
  ]
}

describe('the page', () => {
  const html = renderHtml(report, compareReports(sampleReport(), report))

  test('is well formed: every element that opens closes, in order', () => {
    expect(unclosed(html)).toEqual([])
    expect(unclosed('<p><b>x</p>')).not.toEqual([])
  })

  test('contains every figure, everything that was not run, and every bar', () => {
    for (const text of figuresOf(report)) expect(html).toContain(text)
    expect(html).toContain('every scenario, abacus: is &lt;not&gt; here')
    for (const bar of report.bars) expect(html).toContain(bar.figure)
  })

  test('refers to nothing outside itself and runs nothing', () => {
    expect(html).not.toMatch(/https?:|\/\/\w|<script|<link|<img|<iframe|@import|url\(|src=|href=/i)
    expect(html).not.toMatch(/\son\w+=/i)
  })

  test('takes names for text', () => {
    expect(html).not.toContain('<fast>')
    expect(html).toContain('A &lt;fast&gt; processor')
    expect(html).toContain('said &amp; done')
  })

  test('is laid out for a phone and for dark and light', () => {
    expect(html).toContain('width=device-width')
    expect(html).toContain('prefers-color-scheme:dark')
  })

  test('draws no figure as something else than a number', () => {
    expect(html).not.toMatch(/NaN|Infinity|undefined/)
  })

  test('of an empty run is a page too', () => {
    const empty = renderHtml(sampleReport({ figures: [], loads: [], notRun: [], bars: [] }))
    expect(unclosed(empty)).toEqual([])
    expect(empty).toContain('Everything was run.')
  })
})

test('the terminal table has every figure, its wall time, its ratio, and what was not run', () => {
  const table = renderTable(report)
  for (const text of figuresOf(report)) expect(table).toContain(text)
  expect(table).toMatch(/tiny +568 µs .*wall 625 µs +12\.0x/)
  expect(table).toContain('not run: every scenario, abacus: is <not> here')
  expect(table).toContain('A <fast> processor, 2 cores')
  expect(table).toContain('nostr-tools 2.25.2')
})

test('the Markdown has the date, the machine, the bars and every median', () => {
  const markdown = renderMarkdown(report)
  expect(markdown).toContain('2026-01-02 03:04 UTC')
  expect(markdown).toContain('A <fast> processor')
  for (const { value, unit } of report.figures) expect(markdown).toContain(formatValue(value.median, unit))
  for (const { throughput } of report.loads) expect(markdown).toContain(formatValue(throughput.median, '1/s'))
  expect(markdown).toMatch(/\| one sign_event request.*\| 10x \| 12\.0x .*\| holds \|/)
  const rows = markdown.split('\n').filter((line) => line.startsWith('|'))
  for (const row of rows) expect(row.endsWith('|')).toBe(true)
})

describe('the bars', () => {
  const bar = (name: string, from: Partial<Report> = {}) =>
    judge(sampleReport(from)).find(({ figure: text }) => text.includes(name))

  test('hold when the median reaches them', () => {
    expect(bar('tiny / nostr-tools')).toMatchObject({
      holds: true,
      measured: expect.stringMatching(/^12\.0x/),
    })
    expect(bar('best WASM')).toMatchObject({ holds: true, note: 'ox' })
    expect(bar('native / nostr-tools')).toMatchObject({ holds: true })
    expect(bar('native bound')).toMatchObject({ holds: true, measured: expect.stringMatching(/^1\.25x/) })
    expect(bar('on Node 24')).toMatchObject({ holds: true, measured: expect.stringMatching(/^12\.0x/) })
    expect(bar('NDK backend')).toMatchObject({ holds: true, measured: expect.stringMatching(/^25\.0x/) })
    expect(bar('memory per')).toMatchObject({ holds: true, measured: '181 B' })
  })

  test('fail just below', () => {
    const figures = [
      figure('sign_event request', 'tiny', 100.1),
      figure('sign_event request', 'nostr-tools', 1_000),
    ]
    expect(bar('tiny / nostr-tools', { figures })).toMatchObject({ holds: false })
    const loads = [load('remote-signer (tiny)', 64, 1_499), load('NDK backend', 64, 100)]
    expect(bar('NDK backend', { loads })).toMatchObject({ holds: false })
    const heavy = [
      figure('memory of a cached conversation', 'native', 251, { group: 'memory', unit: 'B' }),
      figure('memory of a cached conversation', 'Map of keys', 1, { group: 'memory', unit: 'B' }),
    ]
    expect(bar('memory per', { figures: heavy })).toMatchObject({ holds: false, measured: '251 B' })
  })

  test('hold neither way when what they need was not run', () => {
    for (const { holds, measured, note } of judge(sampleReport({ figures: [], loads: [] }))) {
      expect(holds).toBeNull()
      expect(measured).toBeNull()
      expect(note).toMatch(/not run/)
    }
  })

  test('take two workers against one on tiny, and say the others and the ceiling beside', () => {
    const gain = (backend: string, sharded: number, bare: number) =>
      [sharded, bare].map((times, i) =>
        figure(`two workers to one, ${backend}`, i === 0 ? 'sharded remote signer' : 'bare threads', times, {
          group: 'workers',
          unit: 'x',
        }),
      )
    const figures = [...gain('native', 1.5, 1.9), ...gain('tiny', 1.8, 1.95)]
    expect(bar('two workers', { figures })).toMatchObject({
      holds: true,
      measured: expect.stringMatching(/^1\.80x/),
      note: 'on tiny, where bare threads reach 1.95x; 1.50x on native, where bare threads reach 1.90x',
    })
    expect(bar('two workers', { figures: gain('tiny', 1.6, 1.9) })).toMatchObject({ holds: false })
  })

  test('take the other Node from its own figures', () => {
    const figures = ['encrypt', 'decrypt'].flatMap((deed) => [
      figure(`nip44 ${deed} 1 KB, Node 20.20.2`, '@nip46/crypto', 10, { group: 'other-node' }),
      figure(`nip44 ${deed} 1 KB, Node 20.20.2`, 'nostr-tools', 150, { group: 'other-node' }),
    ])
    expect(bar('on Node 20', { figures })).toMatchObject({
      holds: true,
      measured: expect.stringMatching(/^15\.0x/),
    })
    expect(bar('on Node 24', { figures })).toMatchObject({ holds: null })
  })
})

describe('a comparison', () => {
  const request = (tiny: number, peer: number) =>
    sampleReport({
      figures: [
        figure('sign_event request', 'tiny', tiny),
        figure('sign_event request', 'nostr-tools', peer),
      ],
      loads: [],
    })
  const verdict = (before: Report, after: Report, name: string) =>
    compareReports(before, after).moves.find(({ label }) => label.includes(name))?.verdict

  test('of a report with itself finds nothing', () => {
    const { drift, moves } = compareReports(report, report)
    expect(drift).toBe(1)
    expect(moves.length).toBeGreaterThan(10)
    expect(moves.every(({ verdict: word }) => word === 'same')).toBe(true)
  })

  test('finds what became better and what became worse', () => {
    expect(verdict(request(100, 1_000), request(70, 1_000), 'tiny')).toBe('better')
    expect(verdict(request(100, 1_000), request(130, 1_000), 'tiny')).toBe('worse')
    expect(verdict(request(100, 1_000), request(105, 1_000), 'tiny')).toBe('same')
  })

  test('does not take a slower machine for slower code', () => {
    expect(verdict(request(100, 1_000), request(200, 2_000), 'tiny')).toBe('same')
    expect(verdict(request(100, 1_000), request(100, 2_000), 'tiny')).toBe('better')
    expect(compareReports(request(100, 1_000), request(200, 2_000)).drift).toBe(0.5)
  })

  test('takes the drift out where nothing stands beside', () => {
    const alone = (core: number, peer: number) =>
      sampleReport({
        figures: [
          figure('client steps', 'core', core, { group: 'machine' }),
          figure('sign_event request', 'nostr-tools', peer),
        ],
        loads: [],
      })
    expect(verdict(alone(10, 1_000), alone(20, 2_000), 'core')).toBe('same')
    expect(verdict(alone(10, 1_000), alone(20, 1_000), 'core')).toBe('worse')
  })

  test('counts bytes as bytes on any machine', () => {
    const memory = (bytes: number, peer: number) =>
      sampleReport({
        figures: [
          figure('memory of a conversation', 'native', bytes, { group: 'memory', unit: 'B' }),
          figure('sign_event request', 'nostr-tools', peer),
        ],
        loads: [],
      })
    expect(verdict(memory(100, 1_000), memory(100, 2_000), 'memory')).toBe('same')
    expect(verdict(memory(100, 1_000), memory(150, 1_000), 'memory')).toBe('worse')
  })

  test('counts more answers a second as better, measured against NDK', () => {
    const loads = (perSecond: number, ndk: number) =>
      sampleReport({
        figures: [],
        loads: [load('remote-signer (tiny)', 64, perSecond), load('NDK backend', 64, ndk)],
      })
    expect(verdict(loads(1_000, 50), loads(1_700, 50), 'answers a second')).toBe('better')
    expect(verdict(loads(1_000, 50), loads(600, 50), 'answers a second')).toBe('worse')
    expect(verdict(loads(1_000, 50), loads(500, 25), 'answers a second')).toBe('same')
  })

  test('does not list the yardsticks', () => {
    const labels = compareReports(report, report).moves.map(({ label }) => label)
    expect(labels.filter((label) => /nostr-tools$|NDK/.test(label))).toEqual([])
  })

  test('names what is new and what is gone', () => {
    const without = sampleReport({ figures: [], loads: [] })
    expect(verdict(without, request(1, 1), 'tiny')).toBe('new')
    expect(verdict(request(1, 1), without, 'tiny')).toBe('gone')
    expect(renderComparison(compareReports(without, request(1, 1)))).toMatch(/new +sign_event request, tiny/)
  })

  test('refuses a file that is no report', () => {
    expect(parseReport(JSON.stringify(report))).toEqual(report)
    expect(() => parseReport('{"figures":[]}')).toThrow('--json FILE')
    expect(() => parseReport('no JSON')).toThrow()
  })
})

const VOID = new Set(['meta', 'br', 'hr', 'input'])

/** Elements that are opened and not closed in order; empty for a well-formed page. */
function unclosed(html: string): readonly string[] {
  const open: string[] = []
  const problems: string[] = []
  const text = html.replace(/^<!doctype html>/, '').replace(/<style>[\s\S]*?<\/style>/, '')
  for (const [tag, slash, name = '', self] of text.matchAll(
    /<(\/?)([a-zA-Z][\w-]*)(?:\s+[\w-]+(?:="[^"<>]*")?)*\s*(\/?)>/g,
  )) {
    if (slash === '/') {
      const last = open.pop()
      if (last !== name) problems.push(`${tag} closes ${last}`)
    } else if (self !== '/' && !VOID.has(name)) open.push(name)
  }
  const rest = text.replaceAll(/<\/?[a-zA-Z][\w-]*(?:\s+[\w-]+(?:="[^"<>]*")?)*\s*\/?>/g, '')
  if (/[<>]/.test(rest)) problems.push('a stray angle bracket')
  return [...problems, ...open]
}
