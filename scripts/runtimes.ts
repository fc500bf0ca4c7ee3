/**
 * The runtimes beside Node that the packed packages are tried in, each from its npm package, which holds the binary.
 * Never runs an install script; a runtime that cannot be had here is skipped with the reason.
 */

import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { extname, join } from 'node:path'
import { promisify } from 'node:util'
import { chromium } from 'playwright'
import { CHROMIUM_ARGS, chromiumPath } from './chromium.ts'

/** A reason why a check is left out, as what it throws. */
export class Skipped extends Error {
  override readonly name = 'Skipped'
}

export interface Runtime {
  readonly title: string
  /** Runs smoke-session.mjs, which lies in `app` beside the installed packages, against this token. */
  readonly run: (app: string, bunkerUri: string) => Promise<string>
}

const RUN_MS = 60_000
const FETCH_MS = 120_000

export const RUNTIMES: readonly Runtime[] = [
  {
    title: 'Deno 2.9.6',
    run: async (app, uri) => {
      const arm = process.arch === 'arm64'
      const deno = await fetch(app, `@deno/linux-${arm ? 'arm64' : 'x64'}-glibc`, '2.9.6', 'deno')
      const options = ['run', '--quiet', '--no-remote', '--node-modules-dir=manual', '--allow-all']
      return run(deno, [...options, 'smoke-runtime.mjs', uri], app)
    },
  },
  {
    title: 'Bun 1.4.5',
    run: async (app, uri) => {
      const arch = process.arch === 'arm64' ? 'aarch64' : 'x64'
      const bun = await fetch(app, `@oven/bun-linux-${arch}`, '1.4.5', 'bin/bun')
      return run(bun, ['smoke-runtime.mjs', uri], app)
    },
  },
  {
    title: 'workerd 1.20261117.1',
    run: async (app, uri) => {
      const name = `@cloudflare/workerd-linux-${process.arch === 'arm64' ? 'arm64' : '64'}`
      const workerd = await fetch(app, name, '1.20261117.1', 'bin/workerd')
      const { build } = await import('esbuild')
      await build({
        entryPoints: [join(app, 'smoke-worker.mjs')],
        outfile: join(app, 'worker.js'),
        bundle: true,
        format: 'esm',
        target: 'es2022',
        conditions: ['workerd', 'worker', 'browser'],
        logLevel: 'error',
      })
      writeFileSync(join(app, 'worker.capnp'), workerConfig(uri))
      return run(workerd, ['test', 'worker.capnp'], app)
    },
  },
  { title: 'Chromium, through a plain Vite build', run: runInChromium },
]

function workerConfig(uri: string): string {
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = (
      modules = [(name = "worker.js", esModule = embed "worker.js")],
      compatibilityDate = "2026-01-01",
      bindings = [(name = "BUNKER_URI", text = ${JSON.stringify(uri)})],
      globalOutbound = "net",
    )),
    (name = "net", network = (allow = ["private", "public"])),
  ],
);
`
}

/** No plugin and no settings: what somebody has after creating a project. */
async function runInChromium(app: string, uri: string): Promise<string> {
  if (!existsSync(chromiumPath())) throw new Skipped(`there is no ${chromiumPath()}`)
  const { build } = await import('vite')
  const page = '<!doctype html><title>smoke</title><script type="module" src="./smoke-page.mjs"></script>'
  writeFileSync(join(app, 'index.html'), page)
  await build({ root: app, configFile: false, logLevel: 'error' })
  const server = createServer((request, response) => {
    const file = join(app, 'dist', request.url === '/' ? 'index.html' : (request.url ?? ''))
    if (!existsSync(file)) return response.writeHead(404).end()
    const type = { '.html': 'text/html', '.js': 'text/javascript' }[extname(file)]
    return response
      .writeHead(200, { 'content-type': type ?? 'application/octet-stream' })
      .end(readFileSync(file))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const browser = await chromium.launch({ executablePath: chromiumPath(), args: [...CHROMIUM_ARGS] })
  try {
    const opened = await browser.newPage()
    const { port } = server.address() as AddressInfo
    await opened.goto(`http://127.0.0.1:${port}/#${encodeURIComponent(uri)}`)
    await opened.waitForFunction('document.title !== "smoke"', undefined, { timeout: RUN_MS })
    const title = await opened.title()
    if (!title.startsWith('smoke: connected')) throw new Error(title)
    return title
  } finally {
    await browser.close()
    server.close()
  }
}

/** The binary of an npm package, put beside the app. */
async function fetch(app: string, name: string, version: string, binary: string): Promise<string> {
  if (process.platform !== 'linux') throw new Skipped(`tried on Linux only, not on ${process.platform}`)
  const folder = join(app, '..', name.replaceAll(/\W/g, '-'))
  mkdirSync(folder)
  writeFileSync(join(folder, 'package.json'), '{"private":true}')
  const options = ['--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']
  try {
    await promisify(execFile)('npm', ['install', ...options, `${name}@${version}`], {
      cwd: folder,
      timeout: FETCH_MS,
    })
  } catch (cause) {
    const words = (cause as { stderr?: string }).stderr?.split('\n')[0] ?? String(cause)
    throw new Skipped(`${name}@${version} cannot be had here: ${words}`)
  }
  return join(folder, 'node_modules', name, binary)
}

async function run(command: string, args: readonly string[], cwd: string): Promise<string> {
  const options = { cwd, timeout: RUN_MS, killSignal: 'SIGKILL' as const, encoding: 'utf8' as const }
  const { stdout, stderr } = await promisify(execFile)(command, args, options)
  const line = /^.*smoke: connected.*$/m.exec(`${stdout}\n${stderr}`)?.[0]
  if (line === undefined) throw new Error(`it said nothing of a session:\n${stdout}${stderr}`)
  return line.trim()
}
