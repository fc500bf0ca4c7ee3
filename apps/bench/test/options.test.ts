import { expect, test } from 'vitest'
import { parseOptions } from '../src/options.ts'
import { FULL, QUICK } from '../src/plan.ts'
import { createProgress } from '../src/progress.ts'

test('without options the run is quick', () => {
  expect(parseOptions([]).plan).toEqual(QUICK)
  expect(parseOptions(['--full']).plan).toEqual(FULL)
})

test('files, rounds and groups are taken as given, after the -- that pnpm hands on', () => {
  const options = parseOptions(
    ['--', '--json', 'a', '--html', '/b', '--rounds', '3', '--only', 'request,memory'],
    '/here',
  )
  expect(options).toMatchObject({
    json: '/here/a',
    html: '/b',
    markdown: undefined,
    plan: { rounds: 3, groups: ['request', 'memory'] },
  })
  expect(parseOptions(['--node', 'x', '--node', '/y'], '/here').nodes).toEqual(['/here/x', '/y'])
})

test.each([
  [['--rounds', '0'], 'whole number from 1 to 1000'],
  [['--rounds', '1001'], 'whole number from 1 to 1000'],
  [['--rounds', 'many'], 'whole number from 1 to 1000'],
  [['--only', 'request,luck'], 'not luck'],
  [['--faster'], 'Usage'],
  [['surplus'], 'Usage'],
])('%j is refused with what would work', (args, hint) => {
  expect(() => parseOptions(args)).toThrow(hint)
})

test('progress is written to a terminal, cut to its width, and nowhere else', () => {
  const written: string[] = []
  const write = (text: string) => written.push(text)
  let now = 0
  createProgress({ write }, () => now).tell('x', 0.5)
  expect(written).toEqual([])
  const progress = createProgress({ isTTY: true, columns: 20, write }, () => now)
  progress.tell('a long label that does not fit', 0.5)
  progress.tell('too soon after the last', 0.6)
  now = 1_000
  progress.tell('later', 0.7)
  progress.clear()
  expect(written.map((line) => line.slice('\r\u001b[K'.length))).toEqual([
    ' 50 %  0 s  a long ',
    ' 70 %  1 s  later',
    '',
  ])
})
