/**
 * What the page is tested with: the bunker's daemon in a process of its own, a relay in another, and a server that has nothing
 * but the built files.
 * Never anything of the page.
 */

import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { extname, join, normalize } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

export interface Program {
  /** The first line that matches, also of those already printed. Rejects if it ends, or after 60 s. */
  line(pattern: RegExp): Promise<string>
  /** Everything it printed, once it has ended by itself. */
  output(): Promise<string>
  /** Ends it and waits for that. */
  stop(): Promise<void>
}

/** Runs a program of the workspace's sources, in `home` if it keeps anything. */
export function run(file: string, args: readonly string[] = [], home?: string): Program {
  const path = fileURLToPath(new URL(file, import.meta.url))
  const own =
    home === undefined ? {} : { HOME: home, XDG_RUNTIME_DIR: '', XDG_DATA_HOME: '', XDG_CONFIG_HOME: '' }
  const child: ChildProcess = spawn(process.execPath, ['--conditions=@nip46/source', path, ...args], {
    env: { ...process.env, NODE_OPTIONS: '', ...own },
    stdio: ['pipe', 'pipe', 'pipe'],
    ...(home !== undefined && { cwd: home }),
  })
  const lines: string[] = []
  const watchers = new Set<() => void>()
  const ended = new Promise<void>((resolve) => child.on('close', () => resolve()))
  for (const output of [child.stdout, child.stderr]) {
    if (output === null) continue
    createInterface({ input: output }).on('line', (line) => {
      lines.push(line)
      for (const watch of watchers) watch()
    })
  }
  return {
    line: (pattern) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const found = lines.find((line) => pattern.test(line))
          if (found === undefined) return
          watchers.delete(look)
          clearTimeout(timer)
          resolve(found)
        }
        const fail = (): void => reject(new Error(`no line like ${pattern} in:\n${lines.join('\n')}`))
        const timer = setTimeout(fail, 60_000)
        watchers.add(look)
        void ended.then(fail)
        look()
      }),
    async output() {
      await ended
      return lines.join('\n')
    },
    async stop() {
      child.stdin?.end()
      child.kill('SIGTERM')
      await ended
    },
  }
}

/** The bunker as its users run it, with a new key and a home of its own. */
export interface Bunker {
  readonly npub: string
  /** One command of its command line; resolves with what it printed as JSON. */
  command(...args: readonly string[]): Promise<string>
  /** A link that lets one app sign notes. */
  link(): Promise<string>
  /** Ends the daemon; its home stays. */
  down(): Promise<void>
  /** Starts it again. */
  up(): Promise<void>
  /** Ends the daemon and removes its home. */
  stop(): Promise<void>
}

const BUNKER = '../../bunker/src/main.ts'
const OPEN = ['--vault-passphrase-file', 'password']

export async function startBunker(relay: string): Promise<Bunker> {
  const home = await mkdtemp(join(tmpdir(), 'nip46-example-'))
  await writeFile(join(home, 'password'), 'correct horse battery staple\n', { mode: 0o600 })
  const command = (...args: readonly string[]): Promise<string> =>
    run(BUNKER, [...args, '--json'], home).output()
  const made = await command('init', '--key', 'me', '--relay', relay, ...OPEN)
  const start = async (): Promise<Program> => {
    const daemon = run(BUNKER, ['up', '--unlock', 'me', ...OPEN], home)
    await daemon.line(/started/)
    return daemon
  }
  let daemon = await start()
  return {
    npub: /npub1\w+/.exec(made)?.[0] ?? '',
    command,
    link: async () =>
      /bunker:\/\/[^"\s]+/.exec(await command('link', 'new', '--grant', 'sign_event:1'))?.[0] ?? '',
    down: () => daemon.stop(),
    async up() {
      daemon = await start()
    },
    async stop() {
      await daemon.stop()
      await rm(home, { recursive: true, force: true })
    },
  }
}

/** Serves the files of a folder on loopback. Resolves with its address and how to end it. */
export async function serve(folder: string): Promise<{ readonly url: string; close(): Promise<void> }> {
  const server = createServer((request, response) => {
    const path = normalize(new URL(request.url ?? '/', 'http://localhost').pathname)
    const file = join(folder, path === '/' ? 'index.html' : path)
    readFile(file).then(
      (bytes) => response.writeHead(200, { 'content-type': TYPES[extname(file)] ?? 'text/plain' }).end(bytes),
      () => response.writeHead(404).end(),
    )
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}/`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
}
