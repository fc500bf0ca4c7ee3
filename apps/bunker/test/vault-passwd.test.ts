/** Another passphrase for the vault: whatever the process dies of and wherever, one of the two opens it, with every key in it. */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, onTestFinished, test } from 'vitest'
import { EXIT } from '../src/cli/exit-code.ts'
import { initVault, openVault } from '../src/keys/open-vault.ts'
import { readVaultKey } from '../src/keys/vault-files.ts'
import { passphraseFile, runIn } from './cli-world.ts'
import { programEnv, programWords } from './daemon-process.ts'

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
  onTestFinished(() => void child.kill('SIGKILL'))
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

test('"vault passwd" without a daemon, from files: the old one no longer opens it', async () => {
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

/** The program in a process of its own; `piped` is what descriptors 3, 4, … give. */
async function passwd(
  options: readonly string[],
  { piped = [], env = {} }: { readonly piped?: readonly string[]; readonly env?: Record<string, string> },
): Promise<{ readonly exit: number | null; readonly said: string }> {
  const [node = '', ...words] = programWords()
  const child = spawn(node, [...words, 'vault', 'passwd', ...options], {
    stdio: ['ignore', 'pipe', 'pipe', ...piped.map(() => 'pipe' as const)],
    env: programEnv({ directory, env }),
  })
  piped.forEach((text, i) => {
    const pipe = child.stdio[3 + i] as NodeJS.WritableStream
    // A command that fails early reads no more.
    pipe.on('error', () => undefined)
    pipe.end(text)
  })
  let said = ''
  for (const stream of [child.stdout, child.stderr])
    stream?.setEncoding('utf8').on('data', (chunk) => {
      said += chunk
    })
  const [exit] = (await once(child, 'close')) as [number | null]
  expect(said).not.toMatch(/horse|staple/)
  return { exit, said }
}

test('"vault passwd" takes both passphrases from descriptors, one from each', async () => {
  const from = (old: number, next: number): readonly string[] => [
    '--vault-passphrase-fd',
    String(old),
    '--new-vault-passphrase-fd',
    String(next),
  ]
  const text = await vaultText()
  const shared = await passwd(from(3, 3), { piped: [BEFORE] })
  expect(shared.exit).toBe(EXIT.usage)
  expect(shared.said).toContain(
    '--vault-passphrase-fd and --new-vault-passphrase-fd cannot share descriptor 3',
  )
  const empty = await passwd(from(3, 4), { piped: [`${BEFORE}\n`, '\n'] })
  expect(empty.exit).toBe(EXIT.failed)
  expect(empty.said).toContain('what comes from descriptor 4 is empty')
  const none = await passwd(from(3, 4), { piped: [BEFORE] })
  expect(none.exit).toBe(EXIT.failed)
  expect(none.said).toContain('descriptor 4 cannot be read: say what comes from it, as in 4<file')
  expect(await vaultText()).toBe(text)

  const changed = await passwd(from(3, 4), { piped: [`${BEFORE}\n`, AFTER] })
  expect(changed, changed.said).toMatchObject({ exit: EXIT.done })
  await expectWhole(AFTER)
  await expect(expectWrappedUnder(BEFORE)).rejects.toMatchObject({ code: 'vault/password' })
})

test('"vault passwd" takes both passphrases from systemd credentials, or one of them from elsewhere', async () => {
  const folderOfCredentials = join(directory, 'credentials')
  await mkdir(folderOfCredentials, { mode: 0o700 })
  await writeFile(join(folderOfCredentials, 'vault'), BEFORE, { mode: 0o440 })
  await writeFile(join(folderOfCredentials, 'next'), `${AFTER}\n`, { mode: 0o400 })
  const env = { CREDENTIALS_DIRECTORY: folderOfCredentials }
  const from = (old: string, next: string): readonly string[] => [
    '--vault-passphrase-credential',
    old,
    '--new-vault-passphrase-credential',
    next,
  ]
  const text = await vaultText()
  const noService = await passwd(from('vault', 'next'), {})
  expect(noService.exit).toBe(EXIT.failed)
  expect(noService.said).toContain('there is no $CREDENTIALS_DIRECTORY')
  const outside = await passwd(from('vault', '../next'), { env })
  expect(outside.exit).toBe(EXIT.failed)
  expect(outside.said).toContain('the name of a credential')
  expect(await vaultText()).toBe(text)

  const changed = await passwd(from('vault', 'next'), { env })
  expect(changed, changed.said).toMatchObject({ exit: EXIT.done })
  await expectWhole(AFTER)
  const back = await passwd(['--vault-passphrase-credential', 'next', '--new-vault-passphrase-fd', '3'], {
    env,
    piped: [BEFORE],
  })
  expect(back, back.said).toMatchObject({ exit: EXIT.done })
  await expectWhole(BEFORE)
})
