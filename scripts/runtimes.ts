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
import { CHROMIUM_ARGS, chromiumPath, noChromium } from './chromium.ts'
import { launchFirefox, noFirefox } from './firefox.ts'
import { noWebKit, openInWebKit } from './webkit.ts'

/** A reason why a check is left out, as what it throws. */
export class Skipped extends Error {
  override readonly name = 'Skipped'
}

export interface Runtime {
  readonly title: string
  /** Runs smoke-session.mjs, which lies in `app` beside the installed packages, against this token. */
  readonly run: (app: string, bunkerUri: string) => Promise<string>
}

/** For what hangs: many times what it takes. */
const RUN_MS = 300_000
const FETCH_MS = 300_000

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
  { title: 'Chromium, through a plain Vite build', run: inBrowser(noChromium, lookInChromium) },
  { title: 'Firefox, through a plain Vite build', run: inBrowser(noFirefox, lookInFirefox) },
  { title: 'WebKitGTK, through a plain Vite build', run: inBrowser(noWebKit, lookInWebKit) },
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

type Look = (url: string) => Promise<string>

/** A page of the packages, in a browser that `open` opens: it resolves with the page's title, once that tells the outcome. */
function inBrowser(missing: () => string | undefined, open: Look): Runtime['run'] {
  return async (app, uri) => {
    const reason = missing()
    if (reason !== undefined) throw new Skipped(reason)
    const server = await servePage(app)
    try {
      const title = await open(`${server.url}#${encodeURIComponent(uri)}`)
      if (!title.startsWith('smoke: connected')) throw new Error(title)
      return title
    } finally {
      server.close()
    }
  }
}

const builds = new Map<string, Promise<unknown>>()

/** No plugin and no settings: what somebody has after creating a project. Built once for all browsers. */
async function servePage(app: string): Promise<{ readonly url: string; close(): void }> {
  const building = builds.get(app) ?? buildPage(app)
  builds.set(app, building)
  await building
  const server = createServer((request, response) => {
    const file = join(app, 'dist', request.url === '/' ? 'index.html' : (request.url ?? ''))
    if (!existsSync(file)) return response.writeHead(404).end()
    const type = { '.html': 'text/html', '.js': 'text/javascript' }[extname(file)]
    return response
      .writeHead(200, { 'content-type': type ?? 'application/octet-stream' })
      .end(readFileSync(file))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}/`,
    close() {
      server.close()
      server.closeAllConnections()
    },
  }
}

async function buildPage(app: string): Promise<void> {
  const { build } = await import('vite')
  const page =
    '<!doctype html><meta charset="utf-8"><title>smoke</title><script type="module" src="./smoke-page.mjs"></script>'
  writeFileSync(join(app, 'index.html'), page)
  await build({ root: app, configFile: false, logLevel: 'error' })
}

async function lookInChromium(url: string): Promise<string> {
  const browser = await chromium.launch({ executablePath: chromiumPath(), args: [...CHROMIUM_ARGS] })
  try {
    const page = await browser.newPage()
    await page.goto(url)
    return await outcome(() => page.title())
  } finally {
    await browser.close()
  }
}

async function lookInFirefox(url: string): Promise<string> {
  const browser = await launchFirefox()
  try {
    const page = await browser.newPage()
    await page.goto(url)
    return await outcome(() => page.title())
  } finally {
    await browser.close()
  }
}

async function lookInWebKit(url: string): Promise<string> {
  const page = await openInWebKit(url)
  try {
    return await outcome(() => page.title())
  } finally {
    await page.close()
  }
}

/** The title, once it is another than at first, or after `RUN_MS`. */
async function outcome(title: () => Promise<string>): Promise<string> {
  const late = Date.now() + RUN_MS
  for (;;) {
    const now = await title()
    if (now !== 'smoke') return now
    if (Date.now() > late) throw new Error(`the page said nothing for ${RUN_MS} ms`)
    await new Promise((resolve) => setTimeout(resolve, 100))
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
