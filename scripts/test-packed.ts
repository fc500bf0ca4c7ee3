/**
 * Checks the packages as they would be published: builds and packs them, looks into each tarball, lints it with publint
 * and attw, installs all of them in an empty folder with npm, checks their types there, runs smoke.mjs on the machine's own
 * Node and on every supported line, and one session in every runtime.
 * Never publishes and leaves nothing in the work tree but the ignored `dist` folders.
 */

import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { formatTally } from './closing-line.ts'
import { RUNTIMES, type Runtime, Skipped } from './runtimes.ts'
import {
  listFiles,
  listPackages,
  type Manifest,
  NODE_ENTRIES,
  type Project,
  root,
  type Target,
} from './workspace.ts'

/** The oldest supported release, then one of each living line; the workspace's own Node is run besides. */
const NODE_VERSIONS = ['20.19.0', '22.23.3', '26.10.0']
/** What is run where the tarballs are installed. */
const PROGRAMS = [
  'smoke.mjs',
  'smoke-session.mjs',
  'smoke-signer.mjs',
  'smoke-runtime.mjs',
  'smoke-worker.mjs',
  'smoke-page.mjs',
]
/** As in pnpm-workspace.yaml: the version that ox pins names a file that is not there. */
const OX_REPAIR = { ox: { '@scure/bip39': '2.4.0' } }
/** For what hangs: many times what it takes. */
const INSTALL_MS = 600_000
const CHECK_MS = 300_000

interface Tarball extends Project {
  readonly path: string
  readonly contents: readonly string[]
}

const tally = { passed: 0, failed: 0, skipped: 0 }
const folder = mkdtempSync(join(tmpdir(), 'nip46-packed-'))
/** Without the workspace's binaries: what a stranger's shell would find. */
const strangersPath = (process.env['PATH'] ?? '')
  .split(delimiter)
  .filter((part) => !part.startsWith(root))
  .join(delimiter)

try {
  await checkPackages()
} finally {
  rmSync(folder, { recursive: true, force: true })
}
const summary = process.env['TEST_SUMMARY_FILE']
if (summary) writeFileSync(summary, `${tally.passed} ${tally.failed} ${tally.skipped}\n`)
console.log(formatTally(tally))
process.exitCode = tally.failed === 0 ? 0 : 1

async function checkPackages(): Promise<void> {
  // Files of sources that are gone would be packed too.
  for (const project of listPackages())
    rmSync(join(root, project.folder, 'dist'), { recursive: true, force: true })
  const packages = listPackages()
  const filters = packages.map(({ manifest }) => `--filter=${manifest.name}`)
  const built = await check('the packages build', () =>
    run('turbo', ['run', 'build', ...filters], {
      cwd: root,
      timeout: INSTALL_MS,
      env: { ...process.env, TURBO_TELEMETRY_DISABLED: '1' },
    }),
  )
  if (!built) return
  const tarballs: Tarball[] = []
  for (const project of packages) {
    await check(`${project.manifest.name} packs`, async () => void tarballs.push(await pack(project)))
  }
  for (const tarball of tarballs) {
    const { name } = tarball.manifest
    await check(`${name} holds what it should`, () => inspect(tarball))
    await Promise.all([
      check(`${name} passes publint`, () => run('publint', ['run', tarball.path, '--strict'])),
      check(`${name} passes attw`, () => run('attw', [tarball.path, '--profile', 'esm-only'])),
    ])
  }
  if (await check('the tarballs install', () => install(tarballs))) {
    await check('the types hold for a stranger', () => checkTypes(tarballs))
    await Promise.all(nodes().map((node) => check(`smoke on ${node.title}`, () => node.run('smoke.mjs'))))
    await checkRuntimes()
  }
}

/** One session in each runtime, all against one remote signer; those of Node besides what smoke.mjs does there. */
async function checkRuntimes(): Promise<void> {
  const app = join(folder, 'app')
  const runs: readonly Runtime[] = [
    ...nodes().map(({ title, run }) => ({
      title,
      run: async (_app: string, uri: string) => (await run('smoke-runtime.mjs', uri)).stdout.trim(),
    })),
    ...RUNTIMES,
  ]
  const signer = spawn(process.execPath, ['smoke-signer.mjs', String(runs.length)], {
    cwd: app,
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const uris: string[] = []
  for await (const line of createInterface({ input: signer.stdout })) {
    uris.push(line)
    if (uris.length === runs.length) break
  }
  await check('the remote signer for the runtimes offers tokens', async () => {
    if (uris.length < runs.length) throw new Error(`${uris.length} of ${runs.length}`)
  })
  await Promise.all(
    runs.map(({ title, run }, index) =>
      check(`session on ${title}`, async () =>
        console.log(`        ${title}: ${await run(app, uris[index] ?? '')}`),
      ),
    ),
  )
  signer.stdin.end()
  await once(signer, 'exit')
}

/** Runs one check, prints its name, time and (when it fails) what it had to say. */
async function check(title: string, action: () => Promise<unknown>): Promise<boolean> {
  const start = performance.now()
  const seconds = (): string => `${((performance.now() - start) / 1000).toFixed(1)} s`
  try {
    await action()
    tally.passed += 1
    console.log(`  ok    ${title} (${seconds()})`)
    return true
  } catch (error) {
    if (error instanceof Skipped) {
      tally.skipped += 1
      console.log(`  skip  ${title}: ${error.message}`)
      return false
    }
    tally.failed += 1
    const {
      message,
      stdout = '',
      stderr = '',
    } = error as { message: string; stdout?: string; stderr?: string }
    console.log(`  FAIL  ${title} (${seconds()})\n${message}\n${stdout}${stderr}`)
    return false
  }
}

async function pack(project: Project): Promise<Tarball> {
  const { stdout } = await run('pnpm', ['pack', '--json', '--pack-destination', folder], {
    cwd: join(root, project.folder),
  })
  const report = JSON.parse(stdout) as { filename: string; files: readonly { path: string }[] }
  const { stdout: manifest } = await run('tar', ['-xzOf', report.filename, 'package/package.json'])
  const contents = report.files.map(({ path }) => path)
  return { ...project, manifest: JSON.parse(manifest) as Manifest, path: report.filename, contents }
}

async function inspect({ contents, manifest, folder: source }: Tarball): Promise<void> {
  const faults: string[] = []
  for (const path of [...targetsOf(manifest.exports ?? {}), ...targetsOf(manifest.imports ?? {})]) {
    if (path.startsWith('./') && !contents.includes(path.slice(2)))
      faults.push(`${path} is named but not there`)
  }
  for (const file of listFiles(`${source}/src/**/*.ts`).map((path) => path.slice(source.length + 1))) {
    for (const made of [
      file,
      file.replace(/^src(.*)\.ts$/, 'dist$1.js'),
      file.replace(/^src(.*)\.ts$/, 'dist$1.d.ts'),
    ]) {
      if (!contents.includes(made)) faults.push(`${made} is not there`)
    }
  }
  const expected = /^(?:(?:src|dist)\/.+|package\.json|README\.md|LICENSE|CHANGELOG\.md)$/
  faults.push(
    ...contents
      .filter((path) => !expected.test(path) || /(?:^|\/)tests?\/|\.test\./.test(path))
      .map((path) => `${path} is there`),
  )
  for (const path of ['package.json', 'README.md', 'LICENSE']) {
    if (!contents.includes(path)) faults.push(`${path} is not there`)
  }
  const ranges = Object.entries({ ...manifest.dependencies, ...manifest.peerDependencies })
  faults.push(
    ...ranges
      .filter(([, range]) => /^(?:workspace|catalog|file|link):/.test(range))
      .map(([name]) => `${name} has no version`),
  )
  if (faults.length > 0) throw new Error(faults.join('\n'))
}

function targetsOf(target: Target): readonly string[] {
  return typeof target === 'string' ? [target] : Object.values(target).flatMap(targetsOf)
}

async function install(tarballs: readonly Tarball[]): Promise<void> {
  const app = join(folder, 'app')
  const ox = tarballs.find(({ manifest }) => manifest.name === '@nip46/crypto')?.manifest.peerDependencies?.[
    'ox'
  ]
  const dependencies = {
    ...Object.fromEntries(tarballs.map(({ manifest, path }) => [manifest.name, `file:${path}`])),
    // The WASM backend of the resumed sessions, which crypto leaves to those who want it.
    ...(ox !== undefined && { ox }),
  }
  mkdirSync(app)
  writeFileSync(
    join(app, 'package.json'),
    JSON.stringify({ private: true, type: 'module', dependencies, overrides: OX_REPAIR }),
  )
  for (const program of PROGRAMS) copyFileSync(join(import.meta.dirname, program), join(app, program))
  await stranger(
    'npm',
    ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'],
    INSTALL_MS,
  )
}

/**
 * With skipLibCheck off, a declaration that leads nowhere is an error and not a silent any. What loads in browsers has
 * to do without the types of Node.
 */
async function checkTypes(tarballs: readonly Tarball[]): Promise<void> {
  const entries = tarballs.flatMap(({ manifest }) =>
    Object.keys(manifest.exports ?? {})
      .filter((entry) => !entry.endsWith('.json'))
      .map((entry) => manifest.name + entry.slice(1)),
  )
  const inNode = entries.filter((entry) => NODE_ENTRIES.includes(entry))
  const anywhere = entries.filter((entry) => !NODE_ENTRIES.includes(entry))
  await checkTypesOf('anywhere.ts', anywhere, ['--types', ''])
  await checkTypesOf('node.ts', inNode, ['--types', 'node', '--typeRoots', join(root, 'node_modules/@types')])
}

async function checkTypesOf(
  file: string,
  entries: readonly string[],
  types: readonly string[],
): Promise<void> {
  const app = join(folder, 'app')
  const code = entries.map(
    (entry, index) => `import * as entry${index} from '${entry}'\nvoid entry${index}\n`,
  )
  writeFileSync(join(app, file), code.join(''))
  const options = '--pretty false --strict --noEmit --module nodenext --target es2022 --lib es2022,dom'.split(
    ' ',
  )
  await run('tsc', [...options, '--skipLibCheck', 'false', ...types, file], { cwd: app })
}

interface NodeLine {
  readonly title: string
  readonly run: (...args: readonly string[]) => Promise<{ stdout: string }>
}

function nodes(): readonly NodeLine[] {
  const published = `node-${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}`
  return [
    { title: "the machine's own Node", run: (...args) => stranger('node', args) },
    { title: `Node ${process.versions.node}`, run: (...args) => stranger(process.execPath, args) },
    ...NODE_VERSIONS.map((version) => ({
      title: `Node ${version}`,
      run: (...args: readonly string[]) =>
        stranger('npx', ['-y', '-p', `${published}@${version}`, '--', 'node', ...args], INSTALL_MS),
    })),
  ]
}

/** A command in the folder where the tarballs are installed, which sees nothing of the workspace. */
function stranger(command: string, args: readonly string[], timeout = CHECK_MS): Promise<{ stdout: string }> {
  return run(command, args, {
    cwd: join(folder, 'app'),
    timeout,
    env: { ...process.env, PATH: strangersPath },
  })
}

interface RunOptions {
  readonly cwd?: string
  readonly timeout?: number
  readonly env?: NodeJS.ProcessEnv
}

function run(
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<{ stdout: string; stderr: string }> {
  const limits = { timeout: CHECK_MS, killSignal: 'SIGKILL' as const, maxBuffer: 64 << 20 }
  return promisify(execFile)(command, args, { ...limits, encoding: 'utf8', ...options })
}
