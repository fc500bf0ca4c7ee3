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
import { afterAll, beforeAll, expect, test } from 'vitest'

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
    stdio: ['ignore', 'pipe', 'pipe'],
  })
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
          15_000,
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
    'refused: denied: by the rules',
    'get_relays',
    'nip44_get_key',
    '"old style"',
  ]) {
    expect(text).toContain(shown)
  }
  expect(text).not.toMatch(/secret=[0-9a-f]/)
}, 30_000)

test('up answers an app by its rules until it is told to stop, and stops cleanly', async () => {
  const made = await start('key', 'new', '--out', 'me.ncryptsec', '--password-file', 'password').ended
  expect(made.code, made.text).toBe(0)
  expect((await stat(join(folder, 'me.ncryptsec'))).mode & 0o777).toBe(0o600)
  await writeFile(
    join(folder, 'rules.json'),
    '{"grant":"sign_event:1","rules":[{"decision":"deny","perms":"sign_event"}]}',
  )

  const up = start(
    'up',
    '--serve',
    '0',
    '--key-file',
    'me.ncryptsec',
    '--password-file',
    'password',
    '--rules',
    'rules.json',
  )
  const uri = await up.line(/^bunker:/)
  const pool = createRelayPool()
  const session = await connect(uri, { crypto: tinyCrypto(), transport: pool })
  expect(await session.getPublicKey()).toBe(decodeNpub(made.text.trim()))
  expect((await session.signEvent({ kind: 1, content: 'hello' })).content).toBe('hello')
  await expect(session.signEvent({ kind: 6, content: '' })).rejects.toMatchObject({
    code: 'remote/error',
    reason: 'rejected',
  })
  await expect(session.nip44.encrypt(session.userPubkey, 'x')).rejects.toMatchObject({ reason: 'rejected' })
  await expect(connect(uri, { crypto: tinyCrypto(), transport: pool })).rejects.toMatchObject({
    reason: 'bad-secret',
  })
  session.close()
  await pool.close()
  up.child.kill('SIGTERM')
  const { code, text } = await up.ended
  expect(code, text).toBe(0)
  expect(text).toContain('done        sign_event kind 1')
  expect(text).not.toContain('nsec1')
}, 40_000)

test('a key file that others may read, a wrong password, a bad rules file: one line that says what to do', async () => {
  await start('key', 'new', '--out', 'open.ncryptsec', '--password-file', 'password').ended
  await chmod(join(folder, 'open.ncryptsec'), 0o644)
  const open = await start(
    'up',
    '--serve',
    '0',
    '--key-file',
    'open.ncryptsec',
    '--password-file',
    'password',
  ).ended
  expect(open).toEqual({
    code: 1,
    text: 'nip46-bunker: others may read open.ncryptsec: run chmod 600 open.ncryptsec',
  })

  await chmod(join(folder, 'open.ncryptsec'), 0o600)
  await writeFile(join(folder, 'wrong'), 'battery staple\n', { mode: 0o600 })
  const wrong = await start('up', '--serve', '0', '--key-file', 'open.ncryptsec', '--password-file', 'wrong')
    .ended
  expect(wrong.code).toBe(1)
  expect(wrong.text).toContain('wrong password')

  await writeFile(join(folder, 'bad.json'), '{"rules":[{"decision":"allow","kind":1}]}')
  const rules = await start(
    'up',
    '--serve',
    '0',
    '--key-file',
    'open.ncryptsec',
    '--password-file',
    'password',
    '--rules',
    'bad.json',
  ).ended
  expect(rules).toEqual({
    code: 1,
    text: 'nip46-bunker: bad.json: rule 1: unknown field "kind"; known are decision, perms, clients',
  })
}, 40_000)

test('an existing key file is never overwritten', async () => {
  await writeFile(join(folder, 'mine'), 'precious')
  const { code, text } = await start('key', 'new', '--out', 'mine', '--password-file', 'password').ended
  expect(code).toBe(1)
  expect(text).toBe('nip46-bunker: mine is there already: choose another name')
}, 20_000)

test('a file that is not there, a command that is half said, no relay: one line that says what is missing', async () => {
  const runs = [
    start('up', '--serve', '0', '--key-file', 'nowhere'),
    start('key'),
    start('up', '--key-file', 'nowhere'),
  ]
  expect(await Promise.all(runs.map(({ ended }) => ended))).toEqual([
    { code: 1, text: 'nip46-bunker: there is no file or folder nowhere' },
    { code: 1, text: 'nip46-bunker: say what to do with keys: key new --out me.ncryptsec' },
    {
      code: 1,
      text: 'nip46-bunker: give at least one relay: --relay wss://relay.example.com, or --serve 7777',
    },
  ])
}, 20_000)
