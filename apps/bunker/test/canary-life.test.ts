/**
 * A whole life of the program, as people lead it, and a search for its secrets in everything that comes out of it (S5): what
 * commands and the daemon print, its log, what is on the disk, metrics, HTTP answers, what relays see. And in its memory, once
 * the keys are locked.
 */

import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { hexToBytes } from '@nip46/crypto'
import { createRelay } from '@nip46/relay'
import { startFaultyRelay } from '@nip46/testing/faulty-relay'
import { createRelayPool } from '@nip46/transport-websocket'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { encodingsOf, findSecrets } from './canary.ts'
import { passphraseFile, type Ran, runIn } from './cli-world.ts'
import { startDaemonProcess, startProgram } from './daemon-process.ts'
import { connectApp, crypto, nextQuestion, until } from './daemon-world.ts'
import { countInMemory } from './process-memory.ts'

const SECRET = 'c3a1f7d95b2e80647c9d1f3a5b7e9c2d4f6081a3b5c7d9eb0d2f4a6c8e1b3d57'
const OTHER_SECRET = '9e17c4a2f0b86d35e7912c4b6a8d0f3152749683b5d7f90a1c3e5b7d9f214365'
const VAULT_PASSPHRASE = 'canary passphrase of the vault itself'
const PASSPHRASE = 'canary passphrase that lets the key sign'
const NEXT_PASSPHRASE = 'canary passphrase that comes after it'
const EXPORT_PASSPHRASE = 'canary passphrase of what is exported, longer'
const WRONG_PASSPHRASE = 'canary passphrase that is wrong'
const PLAINTEXT = 'canary plaintext 5b21e0 for one peer only'
const CONTENT = 'canary content 93ac7f of a note that is asked about'

let directory: string
let front: Awaited<ReturnType<typeof startFaultyRelay>>
const relay = createRelay({ crypto })
const pool = createRelayPool()
const relayTexts: string[] = []

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'nip46-life-'))
  const { url } = await relay.listen()
  front = await startFaultyRelay({ target: url, onText: (_from, text) => void relayTexts.push(text) })
})
afterAll(async () => {
  await pool.close()
  await front.close()
  await relay.close()
  await rm(directory, { recursive: true, force: true })
})

const text = (words: string): Uint8Array => new TextEncoder().encode(words)
/** Every file below, as it is. */
async function filesOf(folder: string): Promise<readonly (readonly [string, Uint8Array])[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  return Promise.all(
    entries
      .filter((entry) => entry.isFile())
      .map(async (entry) => {
        const path = join(entry.parentPath, entry.name)
        return [path, await readFile(path)] as const
      }),
  )
}

test('a life from init to kill shows no key, link, passphrase, token or plaintext, in eight encodings', async () => {
  const outputs: (readonly [string, Uint8Array])[] = []
  const see = (where: string, what: string): void => void outputs.push([where, text(what)])
  const secret = join(directory, 'secret')
  const bad = join(directory, 'bad-secret')
  await writeFile(secret, `${SECRET}\n`, { mode: 0o600 })
  await writeFile(bad, `${SECRET}00\n`, { mode: 0o600 })
  const file = (words: string): Promise<string> => passphraseFile(directory, words)
  const vaultFile = await file(VAULT_PASSPHRASE)
  const keyFile = await file(PASSPHRASE)
  const wrongFile = await file(WRONG_PASSPHRASE)

  const run = async (...args: string[]): Promise<number | string> => {
    const program = startProgram(args, { directory })
    const exit = await program.ended
    see(args.slice(0, 2).join(' '), program.out() + program.err())
    return exit
  }
  const vault = ['--vault-passphrase-file', vaultFile]
  expect(await run('init', ...vault)).toBe(0)
  const taken = ['--passphrase-file', keyFile, ...vault]
  expect(await run('key', 'import', 'me', '--secret-file', secret, ...taken)).toBe(0)
  expect(await run('key', 'import', 'bad', '--secret-file', bad, ...taken)).not.toBe(0)

  const args = ['--unlock', 'me', '--passphrase-file', keyFile, '--relays', front.url, '--log', 'debug']
  const settings = ['--http', '127.0.0.1:0', '--preset', 'paranoid', '--auth-page', 'yes']
  const options = { directory, passphrase: VAULT_PASSPHRASE }
  const daemon = await startDaemonProcess([...args, ...settings], options)
  try {
    const cli = async (...words: string[]): Promise<Ran> => {
      const ran = await runIn(directory, words)
      see(words.slice(0, 2).join(' '), ran.out + ran.err)
      return ran
    }
    /** What is asked for by name, this once, and is the owner's: not searched. */
    const told = async (...words: string[]): Promise<Ran> => {
      const ran = await runIn(directory, words)
      expect(ran.exit, ran.err).toBe(0)
      return ran
    }
    const made = await told('link', 'new', '--grant', 'nip44_encrypt,nip44_decrypt', '--json')
    const [{ uri } = { uri: '' }] = (made.json as { links: readonly { uri: string }[] }).links
    const linkSecret = new URL(uri).searchParams.get('secret') ?? ''
    const token = (
      (await told('token', 'create', 'canary', '--scope', 'read,admin', '--json')).json as { token: string }
    ).token
    const unused = await told('link', 'new', '--json')
    const [{ uri: openUri } = { uri: '' }] = (unused.json as { links: readonly { uri: string }[] }).links
    const openSecret = new URL(openUri).searchParams.get('secret') ?? ''

    const app = await connectApp(
      { api: daemon.api, pool },
      { grants: 'nip44_encrypt,nip44_decrypt', name: 'Life' },
    )
    const user = await app.getPublicKey()
    expect(await app.nip44.decrypt(user, await app.nip44.encrypt(user, PLAINTEXT))).toBe(PLAINTEXT)
    const signing = app.signEvent({ kind: 1, content: CONTENT })
    const asked = await nextQuestion(daemon.api)
    await told('req', 'show', asked.id)
    await cli('req', 'approve', asked.id, '--hash', asked.hash.slice(0, 12))
    expect((await signing).content).toBe(CONTENT)
    const refused = app.signEvent({ kind: 3, content: CONTENT })
    refused.catch(() => undefined)
    await cli('req', 'deny', (await nextQuestion(daemon.api)).id)
    await expect(refused).rejects.toBeDefined()
    const undone = app.signEvent({ kind: 1, content: CONTENT })
    undone.catch(() => undefined)
    await nextQuestion(daemon.api)

    // Wrong ones too, in every place that takes one.
    await cli('key', 'unlock', 'me', '--passphrase-file', wrongFile)
    await cli('key', 'export', 'me', '--passphrase-file', wrongFile)
    await cli('key', 'import', 'bad', '--secret-file', bad, '--passphrase-file', keyFile)
    await cli('connect', `nostrconnect://${SECRET}?secret=${linkSecret}`)
    await cli('connect', uri)
    await cli('link', 'revoke', linkSecret)
    await cli('token', 'revoke', token)
    await cli('app', 'show', SECRET)
    await cli('key', 'show', SECRET)
    await cli(openUri)
    await cli('link', 'list', openUri)
    const otherFile = join(directory, 'other-secret')
    await writeFile(otherFile, OTHER_SECRET, { mode: 0o600 })
    expect(
      (await cli('key', 'import', 'other', '--secret-file', otherFile, '--passphrase-file', keyFile)).exit,
    ).toBe(0)
    const exportFile = await file(EXPORT_PASSPHRASE)
    const exporting = ['--passphrase-file', keyFile, '--export-passphrase-file', exportFile]
    expect((await cli('key', 'export', 'other', ...exporting)).out).toContain('ncryptsec1')
    const nextFile = await file(NEXT_PASSPHRASE)
    await cli('key', 'passwd', 'other', '--passphrase-file', keyFile, '--new-passphrase-file', nextFile)
    for (const words of ['status', 'doctor', 'key list', 'link list', 'app list', 'req list', 'token list'])
      await cli(...words.split(' '))
    for (const words of ['relay list', 'audit tail', 'audit export', 'audit verify'])
      await cli(...words.split(' '))
    await cli('app', 'show', (await daemon.api.call('app.list')).apps[0]?.clientPubkey ?? '')
    const backup = join(directory, 'backup')
    expect((await cli('backup', 'create', backup)).exit).toBe(0)
    await cli('backup', 'verify', backup)

    const http = /"url":"([^"]+)"/.exec(daemon.out())?.[1] ?? ''
    const authorization = `Bearer ${token}`
    const places: readonly (readonly [string, RequestInit?])[] = [
      ['/healthz'],
      ['/readyz'],
      ['/metrics', { headers: { authorization } }],
      ['/openapi.json', { headers: { authorization } }],
      ['/api/v1/status', { headers: { authorization } }],
      [`/api/v1/status?token=${token}`, { headers: { authorization: `${authorization}0` } }],
      [`/api/v1/keys/${SECRET}`, { headers: { authorization } }],
      [`/enter?code=${openSecret}`],
      ['/asks'],
      [`/ask/${asked.id}`],
      ['/api/v1/links', { method: 'POST', body: `{"${linkSecret}":1}`, headers: { authorization } }],
    ]
    for (const [path, init] of places) {
      const answer = await fetch(`${http}${path}`, init)
      see(`HTTP ${path.slice(0, 12)}`, `${[...answer.headers].join('\n')}\n${await answer.text()}`)
    }
    expect(outputs.at(-9)?.[1].length).toBeGreaterThan(500)

    await cli('lock-all')
    await cli('panic')
    daemon.child.kill('SIGKILL')
    await daemon.ended
    see('daemon stdout', daemon.out())
    see('daemon stderr', daemon.err())
    for (const line of relayTexts) see('relay', line)
    outputs.push(...(await filesOf(join(directory, 'data'))), ...(await filesOf(backup)))

    const texts = [VAULT_PASSPHRASE, PASSPHRASE, NEXT_PASSPHRASE, EXPORT_PASSPHRASE, WRONG_PASSPHRASE]
    const canaries = [
      ...[SECRET, OTHER_SECRET, linkSecret, openSecret].flatMap((hex) => encodingsOf(hexToBytes(hex), hex)),
      ...[...texts, PLAINTEXT, CONTENT, uri, openUri, token].flatMap((words) =>
        encodingsOf(text(words), words),
      ),
    ]
    const found = outputs.flatMap(([where, what]) =>
      findSecrets(what, canaries).map((name) => `${name} in ${where}`),
    )
    expect(found).toEqual([])
    expect(daemon.out().split('\n').length).toBeGreaterThan(20)
    expect(relayTexts.length).toBeGreaterThan(20)
    process.stdout.write(
      `searched ${outputs.length} outputs for ${canaries.length} forms of ${canaries.length / 8} secrets\n`,
    )
  } finally {
    await daemon.end()
  }
})

test('the key is in memory while it is unlocked; what is left of it once it is locked is told', async () => {
  const keyFile = await passphraseFile(directory, PASSPHRASE)
  const args = ['--unlock', 'me', '--passphrase-file', keyFile, '--relays', front.url]
  const daemon = await startDaemonProcess(args, { directory, passphrase: VAULT_PASSPHRASE })
  try {
    await daemon.api.call('host.resume')
    await daemon.api.call('key.unlock', { name: 'me', passphrase: PASSPHRASE })
    const app = await connectApp(
      { api: daemon.api, pool },
      { key: 'me', grants: 'sign_event:1,nip44_encrypt,nip44_decrypt,nip04_encrypt,nip04_decrypt' },
    )
    const user = await app.getPublicKey()
    for (let times = 0; times < 5; times++) {
      await app.signEvent({ kind: 1, content: String(times) })
      await app.nip44.decrypt(user, await app.nip44.encrypt(user, 'x'))
    }
    const raw = Buffer.from(hexToBytes(SECRET))
    const needles = {
      raw,
      reversed: Buffer.from(raw).reverse(),
      hex: Buffer.from(SECRET),
      'hex as UTF-16': Buffer.from(SECRET, 'utf16le'),
      base64: Buffer.from(raw.toString('base64').slice(0, 42)),
    }
    const pid = daemon.child.pid ?? 0
    const unlocked = await countInMemory(pid, needles)
    if (unlocked === undefined) {
      process.stdout.write('left out: the search of the memory (this system shows no /proc/PID/mem)\n')
      return
    }
    await daemon.api.call('host.lock-all')
    await until(async () => (await daemon.status()).keys.every(({ state }) => state === 'locked'))
    const locked = await countInMemory(pid, needles)
    process.stdout.write(
      `copies of a key in memory: unlocked ${JSON.stringify(unlocked)}, locked ${JSON.stringify(locked)}\n`,
    )
    expect(unlocked['raw'] ?? 0).toBeGreaterThan(0)
    expect(locked).toEqual(Object.fromEntries(Object.keys(needles).map((name) => [name, 0])))
  } finally {
    await daemon.end()
  }
})
