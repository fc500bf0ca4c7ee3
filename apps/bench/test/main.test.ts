/** The program as people start it, on a report that was made before, so that it takes a moment only. */

import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, expect, test } from 'vitest'
import { figure, sampleReport } from './report-sample.ts'

const folder = mkdtempSync(join(tmpdir(), 'bench-'))
const main = fileURLToPath(new URL('../src/main.ts', import.meta.url))
afterAll(() => rmSync(folder, { recursive: true }))

function bench(...args: readonly string[]) {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ['--conditions=@nip46/source', main, ...args],
    { encoding: 'utf8', timeout: 150_000 },
  )
  return { status, stdout, stderr }
}

function file(name: string, content: string): string {
  const path = join(folder, name)
  writeFileSync(path, content)
  return path
}

test('a saved report is printed, compared and written as JSON, page and Markdown', () => {
  const before = file('before.json', JSON.stringify(sampleReport()))
  const faster = sampleReport().figures.map((found) =>
    found.subject === 'tiny' && found.group === 'request' ? figure(found.scenario, 'tiny', 300) : found,
  )
  const after = file('after.json', JSON.stringify(sampleReport({ figures: faster })))
  const [json, html, markdown] = ['out.json', 'out.html', 'out.md'].map((name) => join(folder, name))
  const { status, stdout, stderr } = bench(
    '--from',
    after,
    '--compare',
    before,
    '--json',
    json ?? '',
    '--html',
    html ?? '',
    '--markdown',
    markdown ?? '',
  )
  expect(stderr).toBe('')
  expect(status).toBe(0)
  expect(stdout).toMatch(/better +sign_event request, tiny: 568 µs to 300 µs, 1\.89x/)
  expect(JSON.parse(readFileSync(json ?? '', 'utf8'))).toEqual(sampleReport({ figures: faster }))
  expect(readFileSync(html ?? '', 'utf8')).toContain('What moved')
  expect(readFileSync(markdown ?? '', 'utf8')).toContain('# Benchmarks')
})

test('a file to compare with that is no report is found out before anything runs', () => {
  const { status, stderr } = bench('--compare', file('wrong.json', '{}'))
  expect(status).toBe(2)
  expect(stderr).toContain('--json FILE')
})

test('help names every option, and an unknown one ends the program with it', () => {
  const { stdout, status } = bench('--help')
  expect(status).toBe(0)
  const wrong = bench('--turbo')
  expect(wrong.status).toBe(2)
  for (const option of ['--full', '--json', '--html', '--compare', '--markdown']) {
    expect(stdout).toContain(option)
    expect(wrong.stderr).toContain(option)
  }
})
