/** Commands at a terminal, as people use them: prompts, questions, what goes on until Ctrl-C, a terminal that is closed. */

import { chmod, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createRelayPool } from '@nip46/transport-websocket'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { EXIT } from '../src/cli/exit-code.ts'
import { encodeOffer } from './cli-offer.ts'
import { runIn } from './cli-world.ts'
import { type Program, startProgram } from './daemon-process.ts'
import { connectApp, type DaemonWorld, nextQuestion, PASSPHRASE, startWorld, until } from './daemon-world.ts'
import { KEYS, missingTerminal, startTerminal, type Terminal } from './terminal.ts'

const left = missingTerminal === undefined ? '' : ` (left out: ${missingTerminal})`
if (left !== '') process.stdout.write(`commands at a terminal${left}\n`)

let world: DaemonWorld
const terminals: Terminal[] = []
const programs: Program[] = []
beforeAll(async () => {
  world = await startWorld({ flags: { http: '127.0.0.1:0' } })
})
afterAll(() => world.close())
afterEach(async () => {
  for (const terminal of terminals.splice(0)) await terminal.end()
  for (const { child } of programs.splice(0)) child.kill('SIGKILL')
})

function at(directory: string, ...args: readonly string[]): Terminal {
  const terminal = startTerminal(args, { directory })
  terminals.push(terminal)
  return terminal
}

describe.skipIf(left !== '')(`at a terminal${left}`, () => {
  test('"up" asks for the passphrase, which is not shown, and goes on until Ctrl-C', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'nip46-terminal-'))
    try {
      const init = at(directory, 'init', '--key', 'me', '--serve', '127.0.0.1:0')
      await init.waitFor(/assphrase of the vault/)
      init.type(`${PASSPHRASE}${KEYS.enter}`)
      await init.waitFor(/once more/)
      init.type(`${PASSPHRASE}${KEYS.enter}`)
      expect(await init.exit).toBe(EXIT.done)

      const up = at(directory, 'up', '--unlock', 'me')
      await up.waitFor(/Passphrase of the vault/)
      up.type(`${PASSPHRASE}${KEYS.enter}`)
      await up.waitFor(/relay here: ws:\/\/127\.0\.0\.1:\d+/)
      await up.waitFor(/"nip46-bunker link new" lets an app in/)
      expect((await runIn(directory, ['status', '--json'])).json).toMatchObject({
        keys: [{ name: 'me', state: 'unlocked' }],
      })
      up.type(KEYS.ctrlC)
      expect(await up.exit).toBe(EXIT.done)
      await up.waitFor(/"stopped"/)
      expect(init.shown() + up.shown()).not.toContain(PASSPHRASE)
    } finally {
      await rm(directory, { recursive: true, force: true })
    }
  })

  test('Ctrl-C, Ctrl-D and a closed terminal at the prompt for a passphrase end with 130, and change nothing', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'nip46-terminal-'))
    try {
      const ways: readonly ((terminal: Terminal) => void)[] = [
        (terminal) => terminal.type(KEYS.ctrlC),
        (terminal) => terminal.type(KEYS.ctrlD),
        (terminal) => terminal.hangUp(),
      ]
      for (const leave of ways) {
        const init = at(directory, 'init', '--serve', '127.0.0.1:0')
        await init.waitFor(/assphrase of the vault/)
        leave(init)
        expect(await init.exit, init.shown()).toBe(EXIT.cancelled)
        expect((await runIn(directory, ['key', 'list'])).err).toContain('there is no vault')
      }
    } finally {
      await rm(directory, { recursive: true, force: true })
    }
  })

  test('"req watch" asks about each request, takes away what was decided elsewhere, and ends with Ctrl-C', async () => {
    const app = await connectApp(world, { label: 'Watched' })
    const watch = at(world.directory, 'req', 'watch')
    await watch.waitFor(/nothing waits for you/)
    const first = app.signEvent({ kind: 1, content: 'the first note' })
    expect(await watch.waitFor(/Allow this\?/)).toContain('content | the first note')
    await watch.waitFor(/Yes, this once/)
    watch.type(KEYS.down + KEYS.down + KEYS.enter)
    expect((await first).content).toBe('the first note')

    const second = app.signEvent({ kind: 1, content: 'the second note' })
    await watch.waitFor(/content \| the second note/)
    await watch.waitFor(/Yes, this once/)
    const { id, hash } = await nextQuestion(world.api)
    await world.api.call('request.approve', { id, hash })
    expect((await second).content).toBe('the second note')
    await watch.waitFor(/no longer open/)

    const third = app.signEvent({ kind: 1, content: 'the third note' })
    third.catch(() => undefined)
    await watch.waitFor(/content \| the third note/)
    await watch.waitFor(/Yes, this once/)
    watch.type(KEYS.down + KEYS.enter)
    await expect(third).rejects.toMatchObject({ reason: 'rejected' })
    watch.type(KEYS.ctrlC)
    expect(await watch.exit, watch.shown()).toBe(EXIT.done)
    await app.close()
  })

  test('"req approve" and "connect" show what it is about, and take only a yes for a yes', async () => {
    const app = await connectApp(world)
    const signing = app.signEvent({ kind: 7, content: '+' })
    const { id } = await nextQuestion(world.api)
    const unsure = at(world.directory, 'req', 'approve', id)
    expect(await unsure.waitFor(/Allow this\?/)).toContain('content | +')
    unsure.type(KEYS.enter)
    expect(await unsure.exit).toBe(EXIT.cancelled)
    expect((await world.api.call('request.list')).requests).toHaveLength(1)
    const sure = at(world.directory, 'req', 'approve', id)
    await sure.waitFor(/Allow this\?/)
    sure.type('y')
    expect(await sure.exit, sure.shown()).toBe(EXIT.done)
    expect((await signing).kind).toBe(7)

    const offer = await encodeOffer(world)
    const connecting = at(world.directory, 'connect', offer.uri)
    expect(await connecting.waitFor(/Let it connect\?/)).toContain('"Offering app" (unverified)')
    connecting.type('y')
    expect(await connecting.exit, connecting.shown()).toBe(EXIT.done)
    await connecting.waitFor(/answered/)
    await offer.close()
    await app.close()
  })

  test('SIGTERM and SIGINT at a prompt or a question: 130, the terminal as it was, and nothing done', async () => {
    const { directory } = world
    const signing = connectApp(world).then(async (app) => {
      await app.signEvent({ kind: 5, content: '' }).catch(() => undefined)
      await app.close()
    })
    const { id, hash } = await nextQuestion(world.api, ({ kind }) => kind === 5)
    const empty = await mkdtemp(join(tmpdir(), 'nip46-terminal-'))
    try {
      const expectStopped = async (terminal: Terminal, signal: NodeJS.Signals): Promise<void> => {
        await terminal.signal(signal)
        expect(await terminal.exit, terminal.shown()).toBe(EXIT.cancelled)
        expect(await terminal.isRestored(), terminal.shown()).toBe(true)
      }
      const once = at(empty, 'init', '--serve', '127.0.0.1:0')
      await once.waitFor(/assphrase of the vault/)
      await expectStopped(once, 'SIGTERM')
      const twice = at(empty, 'init', '--serve', '127.0.0.1:0')
      await twice.waitFor(/assphrase of the vault/)
      twice.type(`${PASSPHRASE}${KEYS.enter}`)
      await twice.waitFor(/once more/)
      await expectStopped(twice, 'SIGINT')
      const change = at(directory, 'vault', 'passwd')
      await change.waitFor(/Passphrase of the vault/)
      change.type(`${PASSPHRASE}${KEYS.enter}`)
      await change.waitFor(/New passphrase of the vault/)
      change.type('another one')
      await expectStopped(change, 'SIGTERM')
      const remove = at(directory, 'key', 'delete', 'me', '--force')
      await remove.waitFor(/for good\?/)
      await expectStopped(remove, 'SIGTERM')
      const approve = at(directory, 'req', 'approve', id)
      await approve.waitFor(/Allow this\?/)
      await expectStopped(approve, 'SIGINT')
      expect((await runIn(empty, ['key', 'list'])).err).toContain('there is no vault')
      expect((await readdir(empty)).filter((name) => !name.startsWith('terminal-'))).toEqual([])
      expect((await world.api.call('key.show', { name: 'me' })).state).toBe('unlocked')
      const passphrases = { passphrase: PASSPHRASE, newPassphrase: PASSPHRASE }
      expect(await world.api.call('vault.passwd', passphrases)).toEqual({ changedAt: expect.any(Number) })
      await world.api.call('request.deny', { id, hash })
      await signing
    } finally {
      await rm(empty, { recursive: true, force: true })
    }
  })

  test('"link new" draws a QR code at a terminal, and none with --no-qr', async () => {
    const drawn = at(world.directory, 'link', 'new')
    const plain = at(world.directory, 'link', 'new', '--no-qr')
    expect(await drawn.exit).toBe(EXIT.done)
    expect(await plain.exit).toBe(EXIT.done)
    await drawn.waitFor(/bunker:\/\/[0-9a-f]{64}/)
    expect(drawn.shown()).toMatch(/[█▀▄]{10}/)
    expect(plain.shown()).not.toMatch(/[█▀▄]/)
  })
})

test('"audit tail --follow" prints what comes, until it is stopped', async () => {
  const tailing = startProgram(['audit', 'tail', '--follow', '--count', '1', '--json'], {
    directory: world.directory,
  })
  programs.push(tailing)
  const app = await connectApp(world, { grants: 'sign_event:1' })
  // Wherever the stream begins among them: in order, none twice, and none left out.
  let done = 0
  await until(async () => {
    await app.signEvent({ kind: 1, content: String(done++) })
    return tailing.out().split('\n').length > 6
  })
  const newest = (await world.api.call('audit.list', { newest: true, limit: 1 })).entries[0]?.position ?? 0
  const told = (): readonly number[] =>
    tailing
      .out()
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => (JSON.parse(line) as { position: number }).position)
  await until(() => told().at(-1) === newest)
  const [first = 0] = told()
  expect(told()).toEqual(Array.from({ length: newest - first + 1 }, (_, at) => first + at))
  tailing.child.kill('SIGINT')
  expect(await tailing.ended, tailing.err()).toBe(EXIT.done)
  await app.close()
})

test('"relay serve" runs a relay until it is stopped', async () => {
  const serving = startProgram(['relay', 'serve', '127.0.0.1:0'], { directory: world.directory })
  programs.push(serving)
  const url = await until(() => /ws:\/\/127\.0\.0\.1:\d+/.exec(serving.out() + serving.err())?.[0])
  const pool = createRelayPool()
  await new Promise<void>((resolve) => {
    pool.subscribe({
      relays: [`${url}/` as never],
      filters: [{ kinds: [24_133], '#p': ['0'.repeat(64)] }],
      onEvent: () => undefined,
      onLive: () => resolve(),
    })
  })
  await pool.close()
  serving.child.kill('SIGINT')
  expect(await serving.ended).toBe(EXIT.done)
})

test('--url and --token-file reach a daemon over HTTP, within the scopes of the token, and never in the clear', async () => {
  const { directory, daemon, api } = world
  const { token } = await api.call('token.create', { label: 'remote', scopes: ['read'] })
  const file = join(directory, 'token')
  await writeFile(file, `${token}\n`, { mode: 0o600 })
  const open = join(directory, 'open-token')
  await writeFile(open, `${token}\n`)
  await chmod(open, 0o644)
  const url = daemon.url ?? ''
  const elsewhere = await mkdtemp(join(tmpdir(), 'nip46-elsewhere-'))
  try {
    const run = (...args: string[]) => runIn(elsewhere, args)
    const status = await run('status', '--json', '--url', url, '--token-file', file)
    expect(status.json).toMatchObject({ pid: process.pid, state: 'running' })
    expect(await run('lock-all', '--url', url, '--token-file', file)).toMatchObject({
      exit: EXIT.failed,
      err: expect.stringContaining('lacks the scope'),
    })
    expect(await run('status', '--url', url)).toMatchObject({
      exit: EXIT.usage,
      err: expect.stringContaining('--token-file'),
    })
    expect((await run('status', '--url', url, '--token-file', open)).err).toContain('chmod 600')
    expect((await run('status', '--url', 'http://192.0.2.1:7747', '--token-file', file)).err).toContain(
      'in the clear',
    )
    expect((await run('status', '--url', 'nonsense', '--token-file', file)).exit).toBe(EXIT.usage)
    await writeFile(file, 'nbt_wrong\n')
    expect((await run('status', '--url', url, '--token-file', file)).err).toContain('not good')
    expect(await run('status', '--url', 'http://127.0.0.1:1', '--token-file', file)).toMatchObject({
      exit: EXIT.noDaemon,
    })
  } finally {
    await rm(elsewhere, { recursive: true, force: true })
  }
})
