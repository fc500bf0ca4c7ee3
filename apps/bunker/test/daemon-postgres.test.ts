/** Daemons on one PostgreSQL: processes, sockets and a database server, all real. The tests go on from one to the next. */

import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import type { BunkerSession } from '@nip46/client'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { ApiClient } from '../src/api/client.ts'
import { cliOf } from './cli-world.ts'
import { type AppOptions, connectApp, nextQuestion, PASSPHRASE, until } from './daemon-world.ts'
import {
  allTogether,
  DATABASE_PASSWORD,
  type DaemonProcess,
  makeVault,
  missingPostgres,
  type PostgresWorld,
  startPostgresWorld,
} from './postgres-world.ts'

const missing = missingPostgres()
/** Processes on a busy machine. */
const PATIENCE = { timeout: 300_000 }

describe.skipIf(missing !== undefined)(`PostgreSQL${missing === undefined ? '' : ` (${missing})`}`, () => {
  let world: PostgresWorld
  let first: DaemonProcess
  let second: DaemonProcess
  let away: Promise<string>
  const apps: BunkerSession[] = []

  beforeAll(async () => {
    world = await startPostgresWorld()
    // It asks for ten seconds.
    away = world.refused('away', ['--store', `postgres://postgres@127.0.0.1:${await freePort()}/none`])
    away.catch(() => undefined)
    ;[first, second] = await Promise.all([world.start('first'), world.start('second')])
    await allTogether(first, second)
  }, 240_000)
  // A relay takes so many subscriptions over one connection.
  afterEach(() => Promise.all(apps.splice(0).map((app) => app.close())))
  afterAll(() => world?.close(), 120_000)

  const connectTo = async ({ api }: DaemonProcess, options: AppOptions = {}): Promise<BunkerSession> => {
    const app = await connectApp({ api, pool: world.pool }, options)
    apps.push(app)
    return app
  }

  test(
    'each request is answered once, by one of the daemons, and both say who is there',
    PATIENCE,
    async () => {
      const some = await Promise.all(
        Array.from({ length: 24 }, (_, i) =>
          connectTo(i % 2 === 0 ? first : second, { grants: 'sign_event:1' }),
        ),
      )
      const before = await performedBy(first, second)
      const contents = Array.from({ length: 96 }, (_, i) => `text ${i}`)
      const signed = await Promise.all(
        contents.map((content, i) => some[i % some.length]?.signEvent({ kind: 1, content })),
      )
      expect(signed.map((event) => event?.content)).toEqual(contents)
      const after = await performedBy(first, second)
      const shares = after.map((count, i) => count - (before[i] ?? 0))
      expect(shares[0] ?? 0).toBeGreaterThan(0)
      expect(shares[1] ?? 0).toBeGreaterThan(0)
      expect(await performedOnRecord(first.api)).toBe(96)
      expect(await first.api.call('audit.verify')).toMatchObject({ ok: true, problems: [] })
      for (const daemon of [first, second]) {
        const { store } = await daemon.api.call('status.get')
        expect(store).toMatchObject({ kind: 'postgres', schema: expect.any(Number) })
        expect(store.place).toBe(world.url.replace('bunker@', ''))
        expect(store.daemons).toHaveLength(2)
        const doctor = await cliOf(daemon)('doctor', '--all')
        expect(doctor.out).toContain('2 on this database')
        expect((await cliOf(daemon)('status')).out).toMatch(/PostgreSQL \d+\.\d+ postgres:.*2 daemons/)
      }
    },
  )

  test('what is asked on one daemon is decided on the other, and only once', PATIENCE, async () => {
    const app = await connectTo(first)
    const waiting = app.signEvent({ kind: 7, content: '+' })
    const [here, there] = await Promise.all([nextQuestion(first.api), nextQuestion(second.api)])
    expect(there).toMatchObject({ id: here.id, hash: here.hash })
    expect((await cliOf(second)('req', 'list')).out).toContain(here.id.slice(0, 12))
    expect(await cliOf(second)('req', 'approve', here.id, '--hash', here.hash)).toMatchObject({ exit: 0 })
    expect(await waiting).toMatchObject({ kind: 7, content: '+' })
    await until(async () => (await first.api.call('request.list')).requests.length === 0)
    await expect(first.api.call('request.deny', { id: here.id, hash: here.hash })).rejects.toMatchObject({
      code: 'request/decided',
      message: expect.stringContaining('another daemon settled this request'),
    })

    for (let turn = 0; turn < 4; turn++) {
      const asked = app.signEvent({ kind: 7, content: `race ${turn}` }).then(
        () => 'allow',
        () => 'deny',
      )
      const [{ id, hash }] = await Promise.all([nextQuestion(first.api), nextQuestion(second.api)])
      const calls = [
        () => first.api.call('request.approve', { id, hash }),
        () => second.api.call('request.deny', { id, hash }),
      ]
      const settled = await Promise.allSettled(
        (turn % 2 === 0 ? calls : calls.reverse()).map((call) => call()),
      )
      const won = settled.flatMap((each) => (each.status === 'fulfilled' ? [each.value.decision] : []))
      const lost = settled.flatMap((each) => (each.status === 'rejected' ? [each.reason] : []))
      expect(won).toHaveLength(1)
      expect(lost).toMatchObject([{ code: 'request/decided' }])
      expect(await asked).toBe(won[0])
      for (const { api } of [first, second])
        await until(async () => (await api.call('request.list')).requests.length === 0)
    }
  })

  test(
    'links, names, relays, policies and suspensions of one daemon hold on the other',
    PATIENCE,
    async () => {
      const { links } = await first.api.call('link.create', { label: 'On paper' })
      const [{ id: linkId = '', uri = '' } = {}] = links
      // At once, whatever the other one has heard.
      expect(await second.api.call('link.revoke', { id: linkId })).toEqual({ id: linkId })
      await until(async () =>
        (await first.api.call('link.list')).links.some(
          (link) => link.id === linkId && link.state === 'revoked',
        ),
      )
      await until(async () =>
        (await second.api.call('link.list')).links.some((link) => link.label === 'On paper'),
      )
      expect(uri).toContain('bunker://')

      const app = await connectTo(first, { grants: 'sign_event:1', label: 'Shared' })
      const client = await until(async () =>
        (await second.api.call('app.list')).apps.find(({ label }) => label === 'Shared'),
      ).then((view) => view.clientPubkey)
      await second.api.call('app.rename', { clientPubkey: client, label: 'Renamed' })
      await until(
        async () => (await first.api.call('app.show', { clientPubkey: client })).label === 'Renamed',
      )

      for (const [daemon, other] of [
        [first, second],
        [second, first],
      ] as const) {
        await daemon.api.call('app.suspend', { clientPubkey: client })
        await expect(app.signEvent({ kind: 1, content: 'no' })).rejects.toMatchObject({ reason: 'rejected' })
        await other.api.call('app.resume', { clientPubkey: client })
        expect(await app.signEvent({ kind: 1, content: 'yes' })).toMatchObject({ content: 'yes' })
      }
      await second.api.call('app.policy.set', {
        clientPubkey: client,
        policy: { preset: 'paranoid', grants: 'sign_event:4' },
      })
      const asked = app.signEvent({ kind: 1, content: 'not allowed any more' })
      asked.catch(() => undefined)
      const { id, hash } = await nextQuestion(first.api, (question) => question.clientPubkey === client)
      await first.api.call('request.deny', { id, hash })
      await expect(asked).rejects.toMatchObject({ reason: 'rejected' })

      const extra = 'wss://extra.example/'
      await second.api.call('relay.add', { url: extra })
      await until(async () =>
        (await first.api.call('relay.list')).relays.some(({ url, own }) => url === extra && own),
      )
      await first.api.call('relay.remove', { url: extra })
      await until(async () =>
        (await second.api.call('relay.list')).relays.every(({ url, own }) => url !== extra || !own),
      )
    },
  )

  test(
    'after a revocation nothing is done for the app anywhere, also not by a daemon that wakes up late',
    PATIENCE,
    async () => {
      const app = await connectTo(first, { grants: 'sign_event:1' })
      const { client, signing, stop } = await keepAsking(first.api, app)
      expect(await second.api.call('app.revoke', { clientPubkey: client })).toEqual({ ended: 1 })
      const done = await performedOnRecord(first.api, client)
      await stop()
      await signing
      expect(await performedOnRecord(first.api, client)).toBe(done)

      const other = await connectTo(first, { grants: 'sign_event:1' })
      const again = await keepAsking(first.api, other)
      first.kill('SIGSTOP')
      expect(await second.api.call('app.revoke', { clientPubkey: again.client })).toEqual({ ended: 1 })
      const before = await performedOnRecord(second.api, again.client)
      // Longer than its lease: the other one takes it for dead.
      await until(async () => (await second.api.call('status.get')).store.daemons.length === 1)
      first.kill('SIGCONT')
      await allTogether(first, second)
      await again.stop()
      expect(await performedOnRecord(first.api, again.client)).toBe(before)
    },
  )

  test(
    'a panic on one daemon stops all of them before it returns, and they stay stopped',
    PATIENCE,
    async () => {
      const app = await connectTo(first, { grants: 'sign_event:1' })
      const { client, stop } = await keepAsking(first.api, app)
      const open = await first.api.call('link.create', {})
      const asked = app.signEvent({ kind: 7, content: 'waits' }).then(
        () => 'allow',
        () => 'deny',
      )
      await nextQuestion(first.api)
      const { links, apps: suspended } = await second.api.call('host.panic')
      expect(links).toBeGreaterThan(0)
      expect(suspended).toBeGreaterThan(0)
      const done = await performedOnRecord(second.api)
      // At once, whatever the other one has heard.
      const unlock = { name: 'me', passphrase: PASSPHRASE }
      await expect(first.api.call('key.unlock', unlock)).rejects.toMatchObject({ code: 'host/panic' })
      await expect(first.api.call('link.create', {})).rejects.toMatchObject({ code: 'host/panic' })
      expect(await asked).toBe('deny')
      await stop()
      await expect(app.signEvent({ kind: 1, content: 'no' })).rejects.toBeDefined()
      await until(async () => (await first.api.call('status.get')).state === 'panic')
      await allLocked(first, second)
      await until(async () =>
        (await first.api.call('link.list')).links.every(
          (link) => link.id !== open.links[0]?.id || link.state === 'revoked',
        ),
      )
      expect(await performedOnRecord(second.api)).toBe(done)

      first.kill('SIGTERM')
      expect(await first.ended).toBe(0)
      first = await world.start('first')
      expect(await first.api.call('status.get')).toMatchObject({ state: 'panic', ready: false })
      await first.api.call('host.resume')
      await until(async () => (await second.api.call('status.get')).state === 'running')
      for (const { api } of [first, second]) await api.call('key.unlock', unlock)
      await allTogether(first, second)
      expect(await app.signEvent({ kind: 1, content: 'on' })).toMatchObject({ content: 'on' })
      expect(await performedOnRecord(first.api, client)).toBeGreaterThan(0)

      await second.api.call('host.lock-all')
      const locked = await performedOnRecord(second.api)
      await expect(app.signEvent({ kind: 1, content: 'no' })).rejects.toMatchObject({ code: 'remote/error' })
      await allLocked(first, second)
      expect(await performedOnRecord(second.api)).toBe(locked)
      for (const { api } of [first, second]) await api.call('key.unlock', unlock)
    },
  )

  test('one that is killed is missed by nobody, and takes its place again at once', PATIENCE, async () => {
    const some = await Promise.all(
      Array.from({ length: 6 }, () => connectTo(first, { grants: 'sign_event:1' })),
    )
    const texts = (word: string) => Array.from({ length: 48 }, (_, i) => `${word} ${i}`)
    const signAll = async (word: string): Promise<void> => {
      const signed = await Promise.all(
        texts(word).map((content, i) => some[i % some.length]?.signEvent({ kind: 1, content })),
      )
      expect(signed.map((event) => event?.content)).toEqual(texts(word))
    }
    const signing = signAll('killed')
    first.kill('SIGKILL')
    await signing
    first = await world.start('first')
    await allTogether(first, second)
    await signAll('again')
    expect(await first.api.call('audit.verify')).toMatchObject({ ok: true, problems: [] })

    // By mistake, with a copy of another one's whole directory.
    const name = (await readFile(join(second.directory, 'data', 'instance'), 'utf8')).trim()
    const twin = await world.start('twin', ['--instance', name])
    expect(await second.ended).toBe(2)
    expect(second.output.join('\n')).toContain('set "instance" of one of them')
    second = twin
    await allTogether(first, second)
    await signAll('twin')
  })

  test('what keeps a daemon from starting is said with its fix, and no password', PATIENCE, async () => {
    const wrong = join(world.directoryOf('wrong'), 'password')
    await mkdir(world.directoryOf('wrong'), { recursive: true })
    await writeFile(wrong, 'not-the-password %41+&\n', { mode: 0o600 })
    const url = new URL(world.url)
    url.password = 'hunter22'
    const stranger = join(world.directoryOf('stranger'), 'other-vault')
    await makeVault(stranger)
    const [password, inFlag, key] = await Promise.all([
      world.refused('wrong', ['--store-password-file', wrong]),
      world.refused('flag', ['--store', url.href]),
      world.refused('stranger', [], stranger),
    ])
    expect(password).toContain('password authentication failed')
    expect(password).toContain('look at "store" and at the password')
    expect(password).not.toContain('not-the-password')
    expect(inFlag).toContain('every user of this machine can see')
    expect(inFlag).not.toContain('hunter22')
    expect(key).toContain('copy the directory "vault" from the host that was there first')
    expect(await away).toContain('see whether it runs')
    for (const said of [await away, password, key, ...first.output, ...second.output])
      expect(said).not.toContain(DATABASE_PASSWORD)
  })
})

/** Resolves when no key is unlocked on any of these. One that was fenced commits nothing before it is so. */
async function allLocked(...daemons: readonly DaemonProcess[]): Promise<void> {
  for (const { api } of daemons)
    await until(async () => (await api.call('key.list')).keys.every(({ state }) => state === 'locked'))
}

/** Uses of a key that each daemon counted. */
async function performedBy(...daemons: readonly DaemonProcess[]): Promise<readonly number[]> {
  return Promise.all(daemons.map(async ({ api }) => (await api.call('status.get')).performed))
}

/**
 * Uses of a key whose result was committed as an answer, by whatever daemon. What the key was at when its session ended is on record as
 * well, as not delivered.
 */
async function performedOnRecord(api: ApiClient, client?: string): Promise<number> {
  let count = 0
  for (let after: number | undefined; ; ) {
    const page = await api.call('audit.list', {
      limit: 1_000,
      ...(after !== undefined && { after }),
      ...(client !== undefined && { clientPubkey: client }),
    })
    count += page.entries.filter(({ type, record }) => {
      const { error, delivered } = record as { readonly error?: unknown; readonly delivered?: unknown }
      return type === 'performed' && error === null && delivered === true
    }).length
    if (page.next === null) return count
    after = page.next
  }
}

/** An app that asks all the time, until it is told to stop; what it is answered does not matter. */
async function keepAsking(
  api: ApiClient,
  app: BunkerSession,
): Promise<{ readonly client: string; readonly signing: Promise<void>; stop(): Promise<void> }> {
  let isOver = false
  const ask = async (at: number): Promise<void> => {
    for (let i = 0; !isOver; i++) {
      await app.signEvent({ kind: 1, content: `${at} ${i}` }).catch(() => undefined)
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }
  const signing = Promise.all([ask(1), ask(2), ask(3)]).then(() => undefined)
  const client = app.clientPubkey
  await until(async () => (await performedOnRecord(api, client)) > 3)
  return {
    client,
    signing,
    async stop() {
      isOver = true
      await signing
    },
  }
}

/** One that nobody listens on. */
async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  return typeof address === 'object' && address !== null ? address.port : 0
}
