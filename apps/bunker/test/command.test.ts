/**
 * The command line as its users run it: in a process of its own.
 */

import { type ChildProcess, spawn } from 'node:child_process'
import { chmod, mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { connect } from '@nip46/client'
import { decodeNpub } from '@nip46/crypto'
import { tinyCrypto } from '@nip46/crypto/tiny'
import { createRelayPool } from '@nip46/transport-websocket'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'

const main = fileURLToPath(new URL('../src/main.ts', import.meta.url))
let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'nip46-bunker-'))
  await writeFile(join(folder, 'password'), 'correct horse\n', { mode: 0o600 })
})
afterAll(() => rm(folder, { recursive: true }))

interface Run {
  readonly child: ChildProcess
  readonly lines: string[]
  /** The first line that matches, also of those already printed. */
  line(pattern: RegExp): Promise<string>
  /** Exit code and all output. */
  readonly ended: Promise<{ readonly code: number | null; readonly text: string }>
}

function start(...args: readonly string[]): Run {
  const child = spawn(process.execPath, ['--conditions=@nip46/source', main, ...args], {
    cwd: folder,
    env: {
      ...process.env,
      HOME: folder,
      XDG_RUNTIME_DIR: '',
      XDG_DATA_HOME: '',
      XDG_CONFIG_HOME: '',
      NODE_OPTIONS: '',
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  const lines: string[] = []
  const watchers = new Set<(line: string) => void>()
  const take = (line: string): void => {
    lines.push(line)
    for (const watch of watchers) watch(line)
  }
  createInterface({ input: child.stdout as NodeJS.ReadableStream }).on('line', take)
  createInterface({ input: child.stderr as NodeJS.ReadableStream }).on('line', take)
  return {
    child,
    lines,
    line: (pattern) =>
      new Promise((resolve, reject) => {
        const found = lines.find((line) => pattern.test(line))
        if (found !== undefined) return resolve(found)
        const timer = setTimeout(
          () => reject(new Error(`no line like ${pattern} in:\n${lines.join('\n')}`)),
          120_000,
        )
        watchers.add((line) => {
          if (!pattern.test(line)) return
          clearTimeout(timer)
          resolve(line)
        })
      }),
    ended: new Promise((resolve) => child.on('close', (code) => resolve({ code, text: lines.join('\n') }))),
  }
}

test('the demo shows both flows, nostr-tools and a client of early 2024, and exits 0', async () => {
  const { code, text } = await start('demo').ended
  expect(code, text).toBe(0)
  for (const shown of [
    'bunker:// with @nip46/client',
    'nostrconnect:// with @nip46/client',
    "bunker:// with nostr-tools' BunkerSigner",
    "nostrconnect:// with nostr-tools' BunkerSigner",
    'verified by nostr-tools            yes',
    '"a secret note"',
    'refused: denied: the user of this demo says no',
    'get_relays',
    'nip44_get_key',
    '"old style"',
  ]) {
    expect(text).toContain(shown)
  }
  expect(text).not.toMatch(/secret=[0-9a-f]/)
})

test('from nothing to a signed note: init, up, a link; and SIGTERM stops it cleanly', async () => {
  // What cannot be is said before anything is made.
  for (const words of [
    ['--key', 'a b'],
    ['--serve', '99999'],
    ['--relay', 'ws://relay.example.com'],
  ]) {
    const refused = await start('init', ...words, '--vault-passphrase-file', 'password').ended
    expect(
      [refused.code, refused.text.includes('key is') || refused.text.includes(words[0] ?? '')],
      refused.text,
    ).toEqual([words[0] === '--key' ? 1 : 2, true])
  }
  const open = await start('init', '--data', '/', '--vault-passphrase-file', 'password').ended
  expect([open.code, open.text]).toEqual([1, expect.stringContaining('others may look into /')])
  const made = await start(
    'init',
    '--key',
    'me',
    '--serve',
    '127.0.0.1:0',
    '--vault-passphrase-file',
    'password',
    '--json',
  ).ended
  expect(made.code, made.text).toBe(0)
  const { key, config, vault } = JSON.parse(made.text)
  expect((await stat(config)).mode & 0o777).toBe(0o600)
  expect((await stat(vault)).mode & 0o777).toBe(0o700)
  const again = await start('init', '--vault-passphrase-file', 'password').ended
  expect([again.code, again.text]).toEqual([1, expect.stringContaining('nothing was changed')])

  // Without a daemon keys are those of the vault.
  const listed = await start('key', 'list', '--vault-passphrase-file', 'password', '--json').ended
  expect(JSON.parse(listed.text).keys).toMatchObject([{ name: 'me', npub: key.npub, state: 'locked' }])
  expect((await start('key', 'lock', 'me').ended).code).toBe(3)

  const up = start('up', '--unlock', 'me', '--vault-passphrase-file', 'password')
  await up.line(/started/)
  const link = await start('link', 'new', '--grant', 'sign_event:1', '--json').ended
  expect(link.code, link.text).toBe(0)
  const pool = createRelayPool()
  const session = await connect(JSON.parse(link.text).links[0].uri, { crypto: tinyCrypto(), transport: pool })
  expect(await session.getPublicKey()).toBe(decodeNpub(key.npub))
  expect((await session.signEvent({ kind: 1, content: 'hello' })).content).toBe('hello')
  expect((await start('status').ended).text).toContain('1 of 1 unlocked')
  // A second one finds the first.
  const second = await start('up', '--vault-passphrase-file', 'password').ended
  expect(second.code, second.text).toBe(2)
  session.close()
  await pool.close()
  up.child.kill('SIGTERM')
  const { code, text } = await up.ended
  expect(code, text).toBe(0)
  expect(text).not.toMatch(/nsec1|secret=|correct horse|hello/)
})

test('a wrong passphrase, one that others may read, no terminal: one line that says what to do', async () => {
  await writeFile(join(folder, 'wrong'), 'battery staple\n', { mode: 0o600 })
  await writeFile(join(folder, 'open'), 'correct horse\n', { mode: 0o644 })
  await chmod(join(folder, 'open'), 0o644)
  const runs = [
    start('up', '--serve', '127.0.0.1:0', '--vault-passphrase-file', 'wrong'),
    start('up', '--serve', '127.0.0.1:0', '--vault-passphrase-file', 'open'),
    start('up', '--serve', '127.0.0.1:0'),
    start('up', '--serve', 'nonsense', '--vault-passphrase-file', 'password'),
  ]
  const [wrong, open, none, serve] = await Promise.all(runs.map(({ ended }) => ended))
  expect([wrong?.code, wrong?.text]).toEqual([1, expect.stringContaining('wrong passphrase of the vault')])
  expect([open?.code, open?.text]).toEqual([1, expect.stringMatching(/others may read .*: run chmod 600/)])
  expect([none?.code, none?.text]).toEqual([2, expect.stringContaining('give --vault-passphrase-file FILE')])
  expect([serve?.code, serve?.text]).toEqual([2, expect.stringContaining('--serve must be HOST:PORT')])
})
