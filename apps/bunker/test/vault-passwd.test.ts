/** Another passphrase for the vault: whatever the process dies of and wherever, one of the two opens it, with every key in it. */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { EXIT } from '../src/cli/exit-code.ts'
import { initVault, openVault } from '../src/keys/open-vault.ts'
import { readVaultKey } from '../src/keys/vault-files.ts'
import { passphraseFile, runIn } from './cli-world.ts'

const PEER = fileURLToPath(new URL('./peer/killed-passwd.mjs', import.meta.url))
const BEFORE = 'correct horse'
const AFTER = 'battery staple'
const FAST = { logN: 16 } as const
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

let directory: string
let folder: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'nip46-passwd-'))
  folder = join(directory, 'data', 'vault')
  await initVault(folder, bytes(BEFORE), FAST)
  const vault = await openVault(folder, bytes(BEFORE), FAST)
  await vault.create('me', bytes('of the key'))
  await vault.close()
})
afterEach(() => rm(directory, { recursive: true, force: true }))

interface Ended {
  readonly signal: string | null
  readonly said: {
    readonly effects: number
    readonly tries: readonly { code: string; message: string; changed: boolean }[]
    /** The passphrase that the last try gave it. */
    readonly last: string
  } | null
}

async function change(before: string, after: string, way: 'kill' | 'fail', at: number): Promise<Ended> {
  const child = spawn(
    process.execPath,
    ['--conditions=@nip46/source', '--no-warnings', PEER, folder, before, after, way, String(at)],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  let text = ''
  child.stdout.setEncoding('utf8').on('data', (chunk) => {
    text += chunk
  })
  const [, signal] = (await once(child, 'close')) as [number | null, string | null]
  return { signal, said: text === '' ? null : JSON.parse(text) }
}

const vaultText = (): Promise<string> => readFile(join(folder, 'vault.json'), 'utf8')

async function expectWrappedUnder(passphrase: string): Promise<void> {
  const key = await readVaultKey(folder, bytes(passphrase))
  expect(key).toHaveLength(32)
}

async function expectWhole(passphrase: string): Promise<void> {
  const vault = await openVault(folder, bytes(passphrase), FAST)
  expect(vault.list().map(({ name }) => name)).toEqual(['me'])
  await vault.close()
}

test('killed before each effect on the disk: the old passphrase, and from the rename on the new one', {
  timeout: 240_000,
}, async () => {
  const outcomes: string[] = []
  let before = BEFORE
  for (let at = 1; ; at++) {
    const after = before === BEFORE ? AFTER : BEFORE
    const text = await vaultText()
    const { signal, said } = await change(before, after, 'kill', at)
    // What is as it was is wrapped as it was; what is not has to open with the new one.
    const isNew = (await vaultText()) !== text
    if (isNew) await expectWrappedUnder(after)
    if (signal === null) {
      expect(said).toEqual({ effects: at - 1, tries: [], last: after })
      expect(isNew).toBe(true)
      await expectWhole(after)
      break
    }
    expect(signal).toBe('SIGKILL')
    outcomes.push(isNew ? 'new' : 'old')
    if (isNew) before = after
  }
  expect(outcomes.join(' ')).toMatch(/^(old ){4,}new( new)*$/)
})

test('a disk that refuses: told truly whether the passphrase is the old one or the new one', {
  timeout: 240_000,
}, async () => {
  const { said } = await change(BEFORE, AFTER, 'fail', 1)
  expect(said?.tries.length).toBeGreaterThan(4)
  for (const { code, message, changed } of said?.tries ?? []) {
    expect(code).toBe('vault/failed')
    expect(message.includes('nothing was changed'), message).toBe(!changed)
  }
  expect((await readdir(folder)).filter((name) => name.endsWith('.tmp'))).toEqual([])
  await expectWhole(said?.last ?? '')
})

test('"vault passwd" without a daemon, from files: the old one no longer opens it', {
  timeout: 120_000,
}, async () => {
  const before = await passphraseFile(directory, BEFORE)
  const after = await passphraseFile(directory, AFTER)
  const run = (from: string, to: string) =>
    runIn(directory, [
      'vault',
      'passwd',
      '--json',
      '--vault-passphrase-file',
      from,
      '--new-vault-passphrase-file',
      to,
    ])
  const ran = await run(before, after)
  expect(ran.exit, ran.err).toBe(EXIT.done)
  expect(ran.json).toEqual({ changedAt: expect.any(Number) })
  await expectWhole(AFTER)
  const again = await run(before, after)
  expect(again).toMatchObject({ exit: EXIT.failed, out: '' })
  expect(JSON.parse(again.err).error.code).toBe('vault/password')
  for (const text of [ran.out, ran.err, again.err]) expect(text).not.toMatch(/horse|staple/)
})
