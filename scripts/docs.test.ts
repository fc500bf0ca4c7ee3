/**
 * Every program in a document is checked for types and run in a process of its own: it must end by itself with code 0.
 * The programs use the packages' sources and real parts: relays on loopback, no network.
 */

import { execFile } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { readCommands, readPrograms } from './markdown-program.ts'
import { listFiles, readManifest, readText, root } from './workspace.ts'

/** A program that has not ended by then is stopped and fails. */
const PROGRAM_MS = 150_000
/** The exit code of a program that lacks something on this machine; it prints what. */
const CANNOT_RUN = 77

const documents = [
  ...listFiles('*.md'),
  ...listFiles('docs/**/*.md'),
  ...listFiles('packages/*/README.md'),
  ...listFiles('apps/*/README.md'),
]
const folder = join(root, '.ci/out/docs')
const programs = documents.flatMap((path) =>
  readPrograms(readText(path)).map((program) => ({
    ...program,
    title: `${path}:${program.line}`,
    file:
      /^\/\/ ([a-z.-]+\.ts)\n/m.exec(program.code)?.[1] ??
      `${path.replace(/\.md$/, '').replaceAll(/[^A-Za-z0-9]+/g, '-')}-${program.line}.ts`,
  })),
)
/** Components of React, which docs/test-browser builds and runs. */
const components = documents.flatMap((path) =>
  [...readText(path).matchAll(/^```tsx\n(\/\/ (\w+\.tsx)\n.*?)^```$/gms)].map(([, code = '', file = '']) => ({
    code,
    file,
  })),
)
const run = promisify(execFile)

rmSync(folder, { recursive: true, force: true })
mkdirSync(folder, { recursive: true })
// What docs/package.json names, a document can import.
symlinkSync('../../../docs/node_modules', join(folder, 'node_modules'))
copyFileSync(join(root, 'docs/party.ts'), join(folder, 'party.ts'))
for (const { file, code } of [...programs, ...components]) writeFileSync(join(folder, file), `${code}\n`)

test('every block of the documents that is a React component names its file', () => {
  const blocks = documents.flatMap((path) => [...readText(path).matchAll(/^```tsx$/gm)])
  expect(components).toHaveLength(blocks.length)
})

describe('programs in the documents', () => {
  test('pass the type checker', async () => {
    const compilerOptions = {
      customConditions: ['@nip46/source'],
      moduleDetection: 'force',
      jsx: 'react-jsx',
      // As in an app.
      declaration: false,
      declarationMap: false,
    }
    const include = ['*.ts', '*.tsx']
    const config = { extends: '../../../tsconfig.base.json', compilerOptions, include, files: [] }
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config))
    if (programs.length === 0) return
    const tsc = join(root, 'node_modules/.bin/tsc')
    expect(await outcome(tsc, ['--pretty', 'false', '-p', folder])).toEqual({ code: 0, output: '' })
  })

  for (const program of programs) {
    if (program.notRun !== undefined) test.skip(`${program.title} is not run: ${program.notRun}`)
    else {
      test.concurrent(`${program.title} runs to its end`, async ({ expect, skip }) => {
        const result = await outcome(process.execPath, ['--conditions=@nip46/source', program.file])
        if (result.code === CANNOT_RUN) skip(result.output.trim())
        expect(result.code, result.output).toBe(0)
      })
    }
  }
})

describe('README.md', () => {
  const commands = documents.includes('README.md') ? readCommands(readText('README.md')) : []
  const manifest = readManifest('.')
  const start = `npx -y ${manifest.packageManager} `

  test.each(['demo', 'test'])('names the command for %s', (script) => {
    expect(commands).toContain(start + script)
  })

  test('names only commands that exist', () => {
    const scripts = commands.filter((line) => line.startsWith('npx -y pnpm'))
    const missing = scripts.filter((line) => {
      const [script = ''] = line.slice(start.length).replace(/^run /, '').split(' ')
      return !line.startsWith(start) || !(script in (manifest.scripts ?? {}) || script === 'install')
    })
    expect(missing).toEqual([])
  })
})

test.each(documents)('the relative links of %s lead somewhere', (path) => {
  // A call in a program, such as `deeds[name](argument)`, is no link.
  const prose = readText(path).replaceAll(/^```.*?^```$/gms, '')
  const targets = [...prose.matchAll(/\]\((?!https?:|mailto:|#)([^)#\s]+)[^)]*\)/g)].map((match) => match[1])
  expect(targets.filter((target) => !existsSync(join(root, dirname(path), target ?? '')))).toEqual([])
})

async function outcome(command: string, args: readonly string[]): Promise<{ code: unknown; output: string }> {
  try {
    await run(command, args, { cwd: folder, timeout: PROGRAM_MS, killSignal: 'SIGKILL' })
    return { code: 0, output: '' }
  } catch (error) {
    const failure = error as { code?: unknown; killed?: boolean; stdout?: string; stderr?: string }
    const output = `${failure.stdout ?? ''}${failure.stderr ?? ''}`
    return failure.killed
      ? { code: `still running after ${PROGRAM_MS} ms`, output }
      : { code: failure.code, output }
  }
}
