import { type ChildProcess, spawn } from 'node:child_process'
import { type AddressInfo, connect as connectTo, createServer, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { createSeal } from '@nip46/crypto/seal'
import { limits, openPostgresStore, type PostgresStore } from '@nip46/store-postgres'
import { type PostgresCluster, startPostgresCluster } from '@nip46/testing/postgres-cluster'
import { expect, onTestFinished, test } from 'vitest'
import { openDatabase } from '../src/database.ts'
import { migrate } from '../src/migration.ts'
import { settingsOf } from '../src/options.ts'
import { MIGRATIONS } from '../src/schema.ts'
import { describeServer, dump, NOW, newDatabase, open, SEAL_KEY, sql } from './server.ts'

/** Of those that are killed or stopped. */
const LEASE_MS = 5_000
/** Of this process, which must keep its own on a busy machine; it takes nobody for dead before. */
const OWN_LEASE_MS = 10_000
const ROUNDS = Number(process.env['STORE_CRASH_ROUNDS'] ?? 5)
const key = (digit: string): never => digit.repeat(64) as never

interface Child {
  readonly process: ChildProcess
  readonly lines: string[]
  say(text: string): void
  ended: Promise<unknown>
}

async function member(url: string): Promise<Child> {
  const file = new URL('member-process.ts', import.meta.url).pathname
  const child = spawn(process.execPath, ['--conditions=@nip46/source', file, url, `${LEASE_MS}`], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  // One that stays stopped would keep the whole run from its end.
  onTestFinished(() => void child.kill('SIGKILL'))
  const lines: string[] = []
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(line))
  const ended = new Promise((resolve) => child.once('exit', resolve))
  await until(() => lines.some((line) => line.startsWith('joined')))
  return { process: child, lines, say: (text) => void child.stdin.write(`${text}\n`), ended }
}

async function until(holds: () => boolean): Promise<void> {
  for (const end = Date.now() + 60_000; !holds(); await sleep(10))
    if (Date.now() > end) throw new Error(`not in time: ${holds}`)
}

async function watch(store: PostgresStore) {
  const seen = { members: [] as readonly string[], all: 0, fenced: 0 }
  const joined = await store.sharing.join({
    changed: ({ all }) => {
      if (all) seen.all += 1
    },
    members: (ids) => {
      seen.members = ids
    },
    turnRequested: () => undefined,
    fenced: () => {
      seen.fenced += 1
    },
  })
  return Object.assign(seen, { id: joined.id })
}

const claims = (i: number, type = 'a') => [
  {
    eventId: type.repeat(32) + `${i}`.padStart(32, '0'),
    signerPubkey: key('a'),
    clientPubkey: key('b'),
    requestId: 'r',
    at: NOW,
  },
]

describeServer('members of the PostgreSQL store that die or stop', (server) => {
  test('a killed member is missed when its lease is over, and what it committed is there', async () => {
    const { url } = await newDatabase(server)
    const store = await open(url, { leaseMs: OWN_LEASE_MS })
    const seen = await watch(store)
    const other = await member(url)
    await until(() => seen.members.length === 2)
    other.say(JSON.stringify([{ claims: claims(1) }]))
    await until(() => other.lines.includes('outcome done'))
    other.process.kill('SIGKILL')
    await until(() => seen.members.length === 1)
    expect(seen.members).toEqual([seen.id])
    const [outcome] = await store.commit([{ claims: claims(1) }], NOW)
    expect(outcome?.type).toBe('claimed')
    await store.close()
  })

  test('a member that was stopped for longer than its lease commits nothing', async () => {
    const { url } = await newDatabase(server)
    const store = await open(url, { leaseMs: OWN_LEASE_MS })
    const seen = await watch(store)
    const other = await member(url)
    await until(() => seen.members.length === 2)
    other.process.kill('SIGSTOP')
    await until(() => seen.members.length === 1)
    other.say(JSON.stringify([{ clients: [key('c')], claims: claims(2) }]))
    other.process.kill('SIGCONT')
    await until(() => other.lines.includes('outcome fenced'))
    expect(other.lines).toContain('fenced')
    expect((await store.load(NOW)).clients).toEqual([])
    expect(await store.sharing.readClaims(claims(2).map(({ eventId }) => eventId))).toEqual([])
    other.process.kill('SIGKILL')
    await store.close()
  })

  test(`what a member was told is done is there, ${ROUNDS} kills long`, async () => {
    const { url } = await newDatabase(server)
    const store = await open(url, { leaseMs: OWN_LEASE_MS })
    for (let round = 0; round < ROUNDS; round++) {
      const other = await member(url)
      const type = 'abcdef'[round % 6] ?? 'a'
      const base = 1_000 * round
      for (let i = 0; i < 300; i++) other.say(JSON.stringify([{ claims: claims(base + i, type) }]))
      await until(() => other.lines.length > 20)
      other.process.kill('SIGKILL')
      await other.ended
      const done = other.lines.filter((line) => line === 'outcome done').length
      const ids = Array.from({ length: 300 }, (_, i) => claims(base + i, type)[0]?.eventId ?? '')
      const stored = (await store.sharing.readClaims(ids)).map(({ eventId }) => eventId)
      expect(ids.slice(0, done).filter((id) => !stored.includes(id))).toEqual([])
    }
    await store.close()
  })

  test('whose notifications broke off is told to look at everything', async () => {
    const { url, name } = await newDatabase(server)
    const store = await open(url)
    const seen = await watch(store)
    await sql(
      server,
      name,
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE '%notifications' AND datname = current_database()",
    )
    await until(() => seen.all > 0)
    await store.close()
  })
})

describeServer('a machine that is too busy', (server) => {
  test('does not pass for a pooler: a late notification is waited for', async () => {
    const { url } = await newDatabase(server)
    const slow = await slowAfterListen(server.port, limits.NOTE_PROBE_MS + 500)
    try {
      const store = await open(url, { notifications: url.replace(/:\d+\//, `:${slow.port}/`) })
      const seen = await watch(store)
      await until(() => seen.members.length === 1)
      await store.close()
    } finally {
      slow.close()
    }
  })

  test('a connection without notifications is refused, also when it answers', async () => {
    const { url } = await newDatabase(server)
    const other = await newDatabase(server)
    // Notifications do not leave their database.
    const store = await open(url, { notifications: other.url })
    await expect(watch(store)).rejects.toMatchObject({ code: 'store/no-notifications' })
    await store.close()
  })
})

/** Passes bytes on to the server; from the first answer to LISTEN on, what the server says comes so much later. */
async function slowAfterListen(port: number, delayMs: number) {
  const sockets = new Set<Socket>()
  const listener = createServer((client) => {
    const line = connectTo(port, '127.0.0.1')
    let isLate = false
    for (const socket of [client, line]) {
      sockets.add(socket)
      socket.on('error', () => undefined)
    }
    client.on('data', (bytes) => line.write(bytes))
    line.on('data', (bytes) => {
      if (isLate) setTimeout(() => client.write(bytes), delayMs)
      else client.write(bytes)
      isLate ||= bytes.includes('LISTEN')
    })
    client.on('close', () => line.destroy())
    line.on('close', () => client.destroy())
  })
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve))
  return {
    port: (listener.address() as AddressInfo).port,
    close() {
      listener.close()
      for (const socket of sockets) socket.destroy()
    },
  }
}

describeServer('a PostgreSQL server that goes away', () => {
  test('is waited for, answered for in time, and used again when it is back', async () => {
    const cluster: PostgresCluster = await startPostgresCluster()
    try {
      const events: string[] = []
      const store = await open(cluster.url(), {
        onEvent: (event) => {
          if (event.type === 'reachable') events.push(`${event.reachable}`)
        },
      })
      const seen = await watch(store)
      for (const how of ['fast', 'immediate'] as const) {
        await cluster.stop(how)
        const waiting = store.commit([{ claims: claims(how.length) }], NOW).catch(() => undefined)
        await cluster.start()
        // A server that took longer to start than a commit waits is asked once more.
        const outcomes = (await waiting) ?? (await store.commit([{ claims: claims(how.length) }], NOW))
        expect(outcomes).toEqual([{ type: 'done' }])
      }
      await cluster.stop('immediate')
      await expect(store.commit([{ claims: claims(99) }], NOW)).rejects.toMatchObject({
        code: 'store/unavailable',
      })
      await cluster.start()
      expect(await store.commit([{ claims: claims(99) }], NOW)).toEqual([{ type: 'done' }])
      expect(await store.commit([{ claims: claims(4) }], NOW)).toMatchObject([{ type: 'claimed' }])
      await until(() => seen.all > 0)
      expect(seen.fenced).toBe(0)
      expect(events.at(-1)).toBe('true')
      await store.close()
    } finally {
      await cluster.dispose()
    }
  })
})

describeServer('a PostgreSQL server that crashes under load', () => {
  test('loses nothing that was acknowledged, also where it is told not to wait for its disk', async () => {
    const cluster: PostgresCluster = await startPostgresCluster({ settings: { synchronous_commit: 'off' } })
    try {
      const store = await open(cluster.url())
      const acknowledged: string[] = []
      const codes = new Set<string>()
      let serial = 0
      let isOver = false
      const load = async (): Promise<void> => {
        while (!isOver) {
          const change = { claims: claims(serial++) }
          try {
            const [outcome] = await store.commit([change], NOW)
            // A try whose outcome got lost is settled: its own claim never stands in its way.
            if (outcome?.type !== 'done') codes.add(outcome?.type ?? 'none')
            else acknowledged.push(change.claims[0]?.eventId ?? '')
          } catch (error) {
            codes.add((error as { readonly code: string }).code)
          }
        }
      }
      const loads = Array.from({ length: 8 }, load)
      for (let crash = 1; crash <= 3; crash++) {
        const before = acknowledged.length
        await until(() => acknowledged.length > before + 50)
        await cluster.stop('immediate')
        await cluster.start()
      }
      const before = acknowledged.length
      await until(() => acknowledged.length > before)
      isOver = true
      await Promise.all(loads)
      const stored = new Set((await store.sharing.readClaims(acknowledged)).map(({ eventId }) => eventId))
      expect(acknowledged.filter((id) => !stored.has(id))).toEqual([])
      expect([...codes].filter((code) => code !== 'store/unavailable')).toEqual([])
      await store.close()
    } finally {
      await cluster.dispose()
    }
  })
})

describeServer('the schema in PostgreSQL', (server) => {
  test('is finished by the next try where the connection broke in the middle of a version', async () => {
    const { url, name } = await newDatabase(server)
    const database = openDatabase(
      settingsOf({ connection: url, seal: createSeal(SEAL_KEY) }),
      () => undefined,
    )
    const slow = () => 'CREATE TABLE later (a int); SELECT pg_sleep(1)'
    const migrating = migrate(database, '"nip46"', [...MIGRATIONS, slow])
    const terminate = `SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
      WHERE datname = current_database() AND query LIKE '%pg_sleep%' AND pid <> pg_backend_pid()`
    let ended = 0
    for (const end = Date.now() + 60_000; ended === 0 && Date.now() < end; await sleep(10))
      ended = Number(await sql(server, name, terminate))
    expect(ended).toBe(1)
    await migrating
    expect(await sql(server, name, 'SELECT max(version) FROM nip46.migration')).toBe(
      `${MIGRATIONS.length + 1}`,
    )
    expect(await sql(server, name, "SELECT to_regclass('nip46.later')")).toBe('nip46.later')
    await database.close()
  })

  test('is made once by many that open at the same time', async () => {
    const { url, name } = await newDatabase(server)
    const stores = await Promise.all(Array.from({ length: 8 }, () => open(url)))
    expect(await sql(server, name, 'SELECT count(*) FROM nip46.migration')).toBe(`${MIGRATIONS.length}`)
    await Promise.all(stores.map((store) => store.close()))
  })

  test('is left as it was by a version that breaks off, and goes on from there', async () => {
    const { url, name } = await newDatabase(server)
    const database = openDatabase(
      settingsOf({ connection: url, seal: createSeal(SEAL_KEY) }),
      () => undefined,
    )
    const next = (last: string) => [...MIGRATIONS, () => `CREATE TABLE later (a int); ${last}`]
    const broken = migrate(database, '"nip46"', next('SELECT 1/0'))
    await expect(broken).rejects.toMatchObject({ code: 'store/failed' })
    expect(
      await sql(server, name, "SELECT max(version), to_regclass('nip46.later') FROM nip46.migration"),
    ).toBe(`${MIGRATIONS.length}|`)
    await migrate(database, '"nip46"', next(''))
    expect(await sql(server, name, 'SELECT max(version) FROM nip46.migration')).toBe(
      `${MIGRATIONS.length + 1}`,
    )
    await database.close()
    await expect(open(url)).rejects.toMatchObject({ code: 'store/newer-schema' })
  })
})

describeServer('what PostgreSQL is given', (server) => {
  test('holds no plaintext and no secret, and opens with its key only', async () => {
    const { url, name } = await newDatabase(server)
    const store = await open(url)
    const canary = 'canary-7f3a'
    const bytes = new TextEncoder().encode(canary.padEnd(32, '!'))
    const session = {
      v: 1,
      token: canary,
      ledger: { chunks: [{ a: { text: canary } }, { b: { text: canary } }], chars: 1 },
    }
    const change = {
      session: {
        signerPubkey: key('a'),
        clientPubkey: key('b'),
        revision: 0,
        before: null,
        after: session as never,
      },
      offers: [{ token: 'hash', revision: 0, after: { label: canary } as never }],
      keys: [{ pubkey: key('a'), secret: bytes, createdAt: NOW }],
      outbox: [
        {
          id: 'o',
          signerPubkey: key('a'),
          to: key('b'),
          relays: [],
          scheme: 'nip44' as const,
          text: canary,
          at: NOW,
        },
      ],
    }
    expect(await store.commit([change], NOW)).toEqual([{ type: 'done' }])
    const text = await dump(server, name)
    expect(text).toContain('hash')
    const buffer = Buffer.from(canary)
    for (const form of [canary, buffer.toString('hex'), buffer.toString('base64').slice(0, 12)])
      expect(text.toLowerCase()).not.toContain(form.toLowerCase())
    await store.close()
    const wrong = open(url, { seal: createSeal(new Uint8Array(32).fill(1)) })
    await expect(wrong).rejects.toMatchObject({ code: 'store/wrong-key' })
  })

  test('shows when the audit log was tampered with', async () => {
    const { url, name } = await newDatabase(server)
    const store = await open(url)
    const record = (at: number) => ({
      type: 'offer-withdrawn' as const,
      at,
      signerPubkey: key('a'),
      userPubkey: key('b'),
      clientPubkey: null,
    })
    for (let i = 0; i < 5; i++) await store.commit([{ audit: [record(NOW + i), record(NOW + i)] }], NOW)
    // Seals where the chain ends.
    await store.commit([{}], NOW)
    expect(await store.verifyAudit()).toMatchObject({ ok: true, entries: 10 })
    const fault = async (tamper: string) => {
      await sql(
        server,
        name,
        `CREATE TABLE kept AS SELECT * FROM nip46.audit; CREATE TABLE kept_writer AS SELECT * FROM nip46.writer; ${tamper}`,
      )
      const verdict = await store.verifyAudit()
      await sql(
        server,
        name,
        `DELETE FROM nip46.audit; INSERT INTO nip46.audit OVERRIDING SYSTEM VALUE SELECT * FROM kept; DROP TABLE kept;
         UPDATE nip46.writer w SET seq = k.seq, hash = k.hash, anchor = k.anchor FROM kept_writer k WHERE k.id = w.id; DROP TABLE kept_writer`,
      )
      return verdict.chains[0]?.fault
    }
    expect(await fault('UPDATE nip46.audit SET at = at + 1 WHERE seq = 3')).toEqual({ seq: 3, code: 'hash' })
    expect(await fault('DELETE FROM nip46.audit WHERE seq = 4')).toEqual({ seq: 4, code: 'missing' })
    expect(await fault('UPDATE nip46.audit SET prev = hash WHERE seq = 6')).toEqual({ seq: 6, code: 'link' })
    const cut =
      'DELETE FROM nip46.audit WHERE seq > 8; UPDATE nip46.writer SET seq = 8, hash = (SELECT hash FROM nip46.audit WHERE seq = 8)'
    expect(await fault(cut)).toEqual({ seq: 9, code: 'missing' })
    expect(await fault(`${cut}, anchor = NULL`)).toEqual({ seq: 8, code: 'anchor' })
    expect(await store.verifyAudit()).toMatchObject({ ok: true })
    await store.close()
  })

  test('and what is said of it never has the password', async () => {
    const { url } = await newDatabase(server)
    const secret = 'p4ssw0rd-canary'
    const wrong = url.replace(/:[^:@/]+@/, `:${secret}@`)
    const attempts = [wrong, wrong.replace(/:\d+\//, ':1/'), `not a url ${secret}`, `http://x:${secret}@y/`]
    for (const connection of attempts) {
      const error = await openPostgresStore({ connection, seal: createSeal(SEAL_KEY) }).catch(
        (e: unknown) => e,
      )
      expect(error).toBeInstanceOf(Error)
      const { message, stack, cause } = error as Error
      expect(`${message} ${stack} ${JSON.stringify(error)} ${String(cause)}`).not.toContain(secret)
    }
  })

  test('is bounded: no more changes wait than may', async () => {
    const { url } = await newDatabase(server)
    const store = await open(url)
    const full = store.commit(
      Array.from({ length: limits.WAITING_CHANGES }, () => ({})),
      NOW,
    )
    await expect(store.commit([{}], NOW)).rejects.toMatchObject({ code: 'store/busy' })
    expect(await full).toHaveLength(limits.WAITING_CHANGES)
    expect(await store.commit([{}], NOW)).toEqual([{ type: 'done' }])
    await store.close()
    await expect(store.commit([{}], NOW)).rejects.toMatchObject({ code: 'store/closed' })
  })
})
