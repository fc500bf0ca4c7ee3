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
  /** The first line that matches, also of those already printed. Rejects if it ends, or after 20 s. */
  line(pattern: RegExp): Promise<string>
  /** Ends it and waits for that. */
  stop(): Promise<void>
}

/** Runs a program of the workspace's sources. */
export function run(file: string, args: readonly string[] = []): Program {
  const path = fileURLToPath(new URL(file, import.meta.url))
  const child: ChildProcess = spawn(process.execPath, ['--conditions=@nip46/source', path, ...args], {
    stdio: ['pipe', 'pipe', 'pipe'],
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
        const timer = setTimeout(fail, 20_000)
        watchers.add(look)
        void ended.then(fail)
        look()
      }),
    async stop() {
      child.stdin?.end()
      child.kill('SIGTERM')
      await ended
    },
  }
}

/** A daemon's folder: a new key, its password, and rules that let apps sign notes. */
export interface Keeper {
  /** The options of `up` for this key and these relays. */
  options(relay: string): readonly string[]
  readonly remove: () => Promise<void>
}

export const BUNKER = '../../bunker/src/main.ts'

export async function makeKey(): Promise<Keeper> {
  const folder = await mkdtemp(join(tmpdir(), 'nip46-example-'))
  const [keyFile, password, rules] = ['me.ncryptsec', 'password', 'rules.json'].map((name) =>
    join(folder, name),
  ) as [string, string, string]
  await writeFile(password, 'correct horse battery staple\n', { mode: 0o600 })
  const allowed = { grant: 'sign_event:1', rules: [{ decision: 'allow', perms: 'connect' }] }
  await writeFile(rules, JSON.stringify(allowed), { mode: 0o600 })
  const made = run(BUNKER, ['key', 'new', '--out', keyFile, '--password-file', password])
  await made.line(/^npub1/)
  await made.stop()
  return {
    options: (relay) => [
      'up',
      '--relay',
      relay,
      '--key-file',
      keyFile,
      '--password-file',
      password,
      '--rules',
      rules,
    ],
    remove: () => rm(folder, { recursive: true }),
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
