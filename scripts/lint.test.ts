/** The lint nets hold: each fault that they exist for is reported, and plain code beside it is not. */

import { execFile } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { root } from './workspace.ts'

const CORE = 'packages/core/src'
const CLIENT = 'packages/client/src'

/** Folder, code, and the rule that must name it (none: the code is fine). */
const cases: readonly (readonly [title: string, folder: string, code: string, rule: string | undefined])[] = [
  ['core reads the clock', CORE, 'export const f = (): number => Date.now()', 'noRestrictedGlobals'],
  ['core makes a date', CORE, 'export const f = (): unknown => new Date(0)', 'noRestrictedGlobals'],
  ['core sets a timer', CORE, 'setTimeout(() => 1, 1)', 'noRestrictedGlobals'],
  ['core rolls dice', CORE, 'export const f = (): number => Math.random()', 'noJsRestrictedProperties'],
  [
    'core asks the host for bytes',
    CORE,
    'export const f = (): unknown => crypto.subtle',
    'noRestrictedGlobals',
  ],
  ['core is async', CORE, 'export async function f(): Promise<number> { return 1 }', 'plugin'],
  ['core has an async arrow', CORE, 'export const f = async (): Promise<number> => 1', 'plugin'],
  ['core has an async method', CORE, 'export const f = { async g(): Promise<void> {} }', 'plugin'],
  ['core awaits', CORE, 'await 1\nexport {}', 'plugin'],
  ['core makes a promise', CORE, 'export const f: Promise<number> = Promise.resolve(1)', 'plugin'],
  [
    'core reads a file',
    CORE,
    "import { readFileSync } from 'node:fs'\nreadFileSync('x')",
    'noRestrictedImports',
  ],
  ['core imports a package', CORE, "import { x } from 'nostr-tools/pure'\nx()", 'noRestrictedImports'],
  ['core imports a sibling', CORE, "import { x } from '@nip46/crypto'\nx()", 'noRestrictedImports'],
  ['core names Promise as a type', CORE, 'export type F = () => Promise<number>', undefined],
  ['core counts', CORE, 'export const f = (n: number): number => Math.max(n, 1)', undefined],
  ['core hashes', CORE, "import { sha256 } from '@noble/hashes/sha2.js'\nexport const f = sha256", undefined],
  [
    'a package rolls dice',
    CLIENT,
    'export const f = (): number => Math.random()',
    'noJsRestrictedProperties',
  ],
  ['a package logs', CLIENT, "console.log('x')", 'noConsole'],
  [
    'a package waits',
    CLIENT,
    'export async function f(): Promise<void> { await g() }\nfunction g(): Promise<void> { return f() }',
    undefined,
  ],
  ['an error is swallowed', CLIENT, 'try { x() } catch {}\nfunction x(): void { return }', 'plugin'],
  [
    'a named error is swallowed',
    CLIENT,
    'try { x() } catch (_error) { }\nfunction x(): void { return }',
    'plugin',
  ],
  [
    'a promise floats',
    CLIENT,
    'export async function f(): Promise<number> { return 1 }\nf()',
    'noFloatingPromises',
  ],
  ['an entry exports everything', CLIENT, "export * from './other.ts'", 'plugin'],
  ['an import has no ending', CLIENT, "import { a } from './other'\na()", 'useImportExtensions'],
  ['a value is any', CLIENT, 'export const f = (x: any): unknown => x', 'noExplicitAny'],
  ['an export has no name', CLIENT, 'export default 1', 'noDefaultExport'],
  ['a test runs alone', 'packages/client/test', "test.only('x', () => 1)", 'noFocusedTests'],
]

const fileOf = (index: number): string => `${cases[index]?.[1]}/case-${index}.ts`
const found = new Map<string, string[]>()
let folder: string

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'nip46-lint-'))
  cpSync(join(root, 'scripts/lint'), join(folder, 'scripts/lint'), { recursive: true })
  const config = JSON.parse(readFileSync(join(root, 'biome.json'), 'utf8')) as object
  writeFileSync(join(folder, 'biome.json'), JSON.stringify({ ...config, vcs: { enabled: false } }))
  for (const [index, [, , code]] of cases.entries()) {
    mkdirSync(dirname(join(folder, fileOf(index))), { recursive: true })
    writeFileSync(join(folder, fileOf(index)), `${code}\n`)
  }
  writeFileSync(join(folder, CLIENT, 'other.ts'), 'export const a = (): number => 1\n')
  for (const { category, location } of await lint()) {
    found.set(location.path, [...(found.get(location.path) ?? []), category])
  }
})

afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('lint', () => {
  test.each(cases.map(([title, , , rule], index) => ({ title, rule, index })))(
    '$title: $rule',
    ({ rule, index }) => {
      const names = (found.get(fileOf(index)) ?? []).map((category) => category.split('/').at(-1))
      if (rule === undefined) expect(names).toEqual([])
      else expect(names).toContain(rule)
    },
  )
})

interface Diagnostic {
  readonly category: string
  readonly location: { readonly path: string }
}

async function lint(): Promise<readonly Diagnostic[]> {
  const args = ['lint', '--reporter=json', '--max-diagnostics=none', 'packages']
  const run = promisify(execFile)(join(root, 'node_modules/.bin/biome'), args, { cwd: folder })
  // Faults make it exit with 1; the report is on its output all the same.
  const { stdout } = await run.catch((error: { stdout: string }) => error)
  return (JSON.parse(stdout) as { diagnostics: readonly Diagnostic[] }).diagnostics
}
