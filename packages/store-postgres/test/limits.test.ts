import { limits as coreLimits, type Pubkey } from '@nip46/core'
import type { SharedChange, SignerSession, StoreChange } from '@nip46/core/remote-signer'
import { createSeal } from '@nip46/crypto/seal'
import { limits, type PostgresStore } from '@nip46/store-postgres'
import { expect, onTestFinished, test } from 'vitest'
import { createCommitLane } from '../src/commit-lane.ts'
import { type Database, openDatabase } from '../src/database.ts'
import { notesOf, readNote } from '../src/note.ts'
import { type PostgresStoreOptions, settingsOf } from '../src/options.ts'
import { createRecordCodec } from '../src/record.ts'
import { createRecords } from '../src/records.ts'
import { createSweepClock, sweep } from '../src/sweep.ts'
import { describeServer, NOW, newDatabase, open, SEAL_KEY, sql } from './server.ts'

const seal = createSeal(SEAL_KEY)
const key = (n: number): Pubkey => n.toString(16).padStart(64, '0') as Pubkey
const withClient = (n: number): StoreChange => ({ clients: [key(n)] })
const answer = (n: number, { at = NOW, text = '' } = {}) => ({
  id: `answer-${n}`,
  signerPubkey: key(0),
  to: key(0),
  relays: [],
  scheme: 'nip44' as const,
  text,
  at,
})
const withAnswer = (
  n: number,
  facts: { readonly at?: number; readonly text?: string } = {},
): StoreChange => ({
  outbox: [answer(n, facts)],
})
const withClaim = (n: number, at = NOW): StoreChange => ({
  claims: [{ eventId: key(n), signerPubkey: key(0), clientPubkey: key(0), requestId: 'r', at }],
})

describeServer('each limit of the PostgreSQL store', (server) => {
  const make = async () => {
    const { url, name } = await newDatabase(server)
    const store = await open(url)
    const database = openDatabase(settingsOf({ connection: url, seal }), () => undefined)
    onTestFinished(async () => {
      await store.close()
      await database.close()
    })
    /** Transactions that this store committed. */
    const commits = async (): Promise<number> =>
      Number(await sql(server, name, 'SELECT serial FROM nip46.writer'))
    const count = async (table: string): Promise<number> =>
      Number(await sql(server, name, `SELECT count(*) FROM nip46.${table}`))
    return { store, database, name, commits, count }
  }
  const together = (store: PostgresStore, calls: readonly (readonly StoreChange[])[]) =>
    Promise.all(calls.map((changes) => store.commit(changes, NOW)))

  test(`${limits.GROUP_CHANGES} changes are one transaction, one more are two, and a call is never divided`, async () => {
    const { store, commits } = await make()
    const single = (length: number) => Array.from({ length }, (_, n) => [withClient(n)])
    await together(store, single(limits.GROUP_CHANGES))
    expect(await commits()).toBe(1)
    await together(store, single(limits.GROUP_CHANGES + 1))
    expect(await commits()).toBe(3)
    await together(store, [single(limits.GROUP_CHANGES + 1).flat(), [withClient(9_999)]])
    expect(await commits()).toBe(5)
  })

  test(`no call joins a transaction that has ${limits.GROUP_BYTES} bytes`, async () => {
    const { store, commits } = await make()
    const { encodeAnswer } = createRecordCodec(seal)
    const text = 'x'.repeat(limits.GROUP_BYTES - encodeAnswer(answer(1)).length)
    expect(encodeAnswer(answer(1, { text }))).toHaveLength(limits.GROUP_BYTES)
    await together(store, [[withAnswer(1, { text: text.slice(1) })], [withClient(1)]])
    expect(await commits()).toBe(1)
    await together(store, [[withAnswer(1, { text })], [withClient(1)]])
    expect(await commits()).toBe(3)
    expect((await store.load(NOW)).outbox.map((entry) => entry.text.length)).toEqual([text.length])
  })

  test(`a commit loses ${limits.COMMIT_RACES} races, and not one more`, async () => {
    const { database: real, name } = await make()
    let races = 0
    const database: Database = {
      ...real,
      query<R extends object>(...args: Parameters<Database['query']>) {
        if (!args[0].includes('commit_changes') || races === 0)
          return real.query<R & Record<string, unknown>>(...args)
        races -= 1
        return Promise.reject(Object.assign(new Error('said'), { code: '40001', severity: 'ERROR' }))
      },
    }
    const host = { schema: '"nip46"', seal, codec: createRecordCodec(seal) }
    const lane = createCommitLane({
      ...host,
      database,
      records: createRecords(real, { ...host, restoredAt: null }),
      writer: await sql(server, name, 'SELECT id FROM nip46.writer'),
      onFenced: () => undefined,
      onSurprise: () => undefined,
    })
    races = limits.COMMIT_RACES
    expect(await lane.commit([withClaim(1)], NOW)).toEqual([{ type: 'done' }])
    races = limits.COMMIT_RACES + 1
    await expect(lane.commit([withClaim(2)], NOW)).rejects.toMatchObject({ code: 'store/unavailable' })
    expect(races).toBe(0)
    expect(await lane.commit([withClaim(2)], NOW)).toEqual([{ type: 'done' }])
    await lane.close(1_000)
  })

  test(`sessions are read ${limits.READ_SESSIONS} at a time, to the last`, async () => {
    const { store } = await make()
    const session = (n: number): StoreChange => ({
      session: {
        signerPubkey: key(n % 3),
        clientPubkey: key(n),
        revision: 0,
        before: null,
        after: {
          v: 1,
          signerPubkey: key(n % 3),
          clientPubkey: key(n),
          ledger: { chunks: [{ a: {} }, {}], chars: 0 },
        } as unknown as SignerSession,
      },
    })
    const all = Array.from({ length: limits.READ_SESSIONS + 1 }, (_, n) => n)
    const clientsOf = (sessions: readonly { readonly value: SignerSession }[]) =>
      sessions.map(({ value }) => Number.parseInt(value.clientPubkey, 16)).sort((a, b) => a - b)
    for (const count of [limits.READ_SESSIONS, limits.READ_SESSIONS + 1]) {
      const wanted = all.slice(0, count)
      const fresh = count === limits.READ_SESSIONS ? wanted : wanted.slice(-1)
      await store.commit(fresh.map(session), NOW)
      expect(clientsOf((await store.load(NOW)).sessions)).toEqual(wanted)
      const sessions = wanted.map((n) => ({ signerPubkey: key(n % 3), clientPubkey: key(n) }))
      expect(clientsOf((await store.read({ sessions })).sessions)).toEqual(wanted)
    }
  })

  test(`the audit log is read and verified ${limits.READ_AUDIT} entries at a time`, async () => {
    const { store } = await make()
    const record = (at: number) => ({
      type: 'offer-withdrawn' as const,
      at,
      signerPubkey: key(1),
      userPubkey: key(2),
      clientPubkey: null,
    })
    await store.commit([{ audit: Array.from({ length: limits.READ_AUDIT }, (_, i) => record(i)) }], NOW)
    expect(await store.verifyAudit()).toMatchObject({ ok: true, entries: limits.READ_AUDIT })
    const full = await store.readAudit({ limit: limits.READ_AUDIT })
    expect([full.entries.length, full.next]).toEqual([limits.READ_AUDIT, null])
    await store.commit([{ audit: [record(9_999)] }], NOW)
    expect(await store.verifyAudit()).toMatchObject({ ok: true, entries: limits.READ_AUDIT + 1 })
    const first = await store.readAudit()
    expect([first.entries.length, first.next]).toEqual([limits.READ_AUDIT, first.entries.at(-1)?.position])
    expect((await store.readAudit({ after: first.next ?? 0 })).entries).toHaveLength(1)
    for (const limit of [limits.READ_AUDIT + 1, 0, 1.5])
      await expect(store.readAudit({ limit })).rejects.toThrow(`from 1 to ${limits.READ_AUDIT}`)
  })

  test('PostgreSQL takes the longest notification', async () => {
    const { name } = await make()
    const told = Array.from({ length: 300 }, (_, n): SharedChange => changeOf({ offers: [tokenOf(n)] }))
    const notes = notesOf(told, '9223372036854775807')
    const longest = notes.reduce((a, b) => (b.length > a.length ? b : a))
    await sql(server, name, `SELECT pg_notify('any', '${longest}')`)
    await expect(sql(server, name, `SELECT pg_notify('any', '${longest.padEnd(8_000)}')`)).rejects.toThrow(
      'too long',
    )
  })

  const MEMORY_MS = coreLimits.EXECUTED_MEMORY_SECONDS * 1_000

  test('of claims and answers those go that are older than may be, and of client keys the oldest', async () => {
    const { store, database, count } = await make()
    const clear = (now: number, bound?: number) => sweep(database, '"nip46"', now, bound)
    await store.commit([withClaim(1), withAnswer(1), ...[1, 2, 3, 4, 5].map(withClient)], NOW)
    expect(await clear(NOW + limits.OUTBOX_MEMORY_MS, 5)).toBe(0)
    expect((await store.load(NOW + limits.OUTBOX_MEMORY_MS)).outbox).toHaveLength(1)
    expect((await store.load(NOW + limits.OUTBOX_MEMORY_MS + 1)).outbox).toHaveLength(0)
    expect(await clear(NOW + limits.OUTBOX_MEMORY_MS + 1, 5)).toBe(1)
    expect(await count('outbox')).toBe(0)
    await store.commit([withClient(6)], NOW)
    expect(await clear(NOW, 5)).toBe(1)
    expect((await store.load(NOW)).clients).toEqual([2, 3, 4, 5, 6].map(key))
    expect(await clear(NOW + MEMORY_MS)).toBe(0)
    expect(await store.commit([withClaim(1)], NOW + MEMORY_MS)).toMatchObject([{ type: 'claimed' }])
    expect(await clear(NOW + MEMORY_MS + 1)).toBe(1)
    expect(await store.commit([withClaim(1)], NOW + MEMORY_MS + 1)).toEqual([{ type: 'done' }])
  })

  test(`old rows go ${limits.SWEEP_ROWS} at a time, to the last; traces of processes when they are old enough`, async () => {
    const { database, name, count } = await make()
    const claims = `INSERT INTO nip46.claim SELECT decode(lpad(to_hex(n), 64, '0'), 'hex'), '', '', '', 0
      FROM generate_series(1, ${limits.SWEEP_ROWS + 1}) AS n`
    const writers = `INSERT INTO nip46.writer (name, seq, used_at) VALUES
      ('old', 0, now() - interval '25 hours'), ('young', 0, now() - interval '23 hours'), ('wrote', 1, now() - interval '1 year')`
    const instances = `INSERT INTO nip46.instance (name, writer, joined_at) VALUES
      ('old', 1, now() - interval '31 days'), ('young', 1, now() - interval '29 days')`
    for (const text of [claims, writers, instances]) await sql(server, name, text)
    expect(await sweep(database, '"nip46"', NOW)).toBe(limits.SWEEP_ROWS + 3)
    expect(await count('claim')).toBe(0)
    expect(await sql(server, name, "SELECT name FROM nip46.writer WHERE name <> 'nip46' ORDER BY 1")).toBe(
      'wrote\nyoung',
    )
    expect(await sql(server, name, 'SELECT name FROM nip46.instance')).toBe('young')
  })
})

test('what counts as past is never ahead of the time that went by', () => {
  let steady = 100
  const clock = createSweepClock(() => steady)
  expect(clock.now()).toBeUndefined()
  clock.note(NOW)
  expect(clock.now()).toBe(NOW)
  // Set forward, and back.
  clock.note(NOW + 1_000_000)
  expect(clock.now()).toBe(NOW)
  steady += 50
  expect(clock.now()).toBe(NOW + 50)
  clock.note(NOW - 1_000_000)
  expect(clock.now()).toBe(NOW + 50)
})

// -- notifications -------------------------------------------------------------------------------

function changeOf(names: Partial<SharedChange>): SharedChange {
  return { all: false, sessions: [], offers: [], keys: [], clients: [], ...names }
}

function tokenOf(n: number): string {
  return `${n}`.padStart(64, '0')
}

test(`a notification has at most ${limits.NOTE_BYTES} bytes, ${limits.NOTES} tell everything, and one more is too many`, () => {
  const writer = '9223372036854775807'
  const offers = (count: number, token = tokenOf): readonly SharedChange[] =>
    Array.from({ length: count }, (_, n) => changeOf({ offers: [token(n)] }))
  const most = (() => {
    let count = 1
    while (
      notesOf(offers(count + 1), writer).length > 1 ||
      !notesOf(offers(count + 1), writer)[0]?.includes('all')
    )
      count += 1
    return count
  })()
  const notes = notesOf(offers(most), writer)
  expect(notes).toHaveLength(limits.NOTES)
  for (const note of notes) expect(Buffer.byteLength(note)).toBeLessThanOrEqual(limits.NOTE_BYTES)
  expect(
    notes.flatMap((note) => {
      const read = readNote(note)
      return read.type === 'change' ? read.change.offers : []
    }),
  ).toEqual(Array.from({ length: most }, (_, n) => tokenOf(n)))
  expect(notesOf(offers(most + 1), writer)).toEqual([JSON.stringify({ writer, all: true })])
  // What counts is bytes.
  for (const note of notesOf(
    offers(20, (n) => `${n}`.padStart(500, '€')),
    writer,
  ))
    expect(Buffer.byteLength(note)).toBeLessThanOrEqual(limits.NOTE_BYTES)
})

test.each([
  'no JSON',
  'null',
  '[]',
  '{}',
  '{"writer":"w"}',
  '{"writer":"w","turn":[]}',
  '{"writer":"w","turn":["a"]}',
  '{"writer":"w","turn":["a",1]}',
  '{"writer":"w","items":[null]}',
  '{"writer":"w","items":[7]}',
  '{"writer":"w","items":[["s","a",null]]}',
  '{"writer":"w","items":[["s",{},"b"]]}',
  '{"writer":"w","items":[["o",["a"]]]}',
])('a notification that is no note of ours says that anything may have changed: %s', (payload) => {
  expect(readNote(payload)).toMatchObject({ type: 'change', change: { all: true } })
})

// -- options -------------------------------------------------------------------------------------

test('options are taken at their limits, and not one further', () => {
  const settings = (options: Partial<PostgresStoreOptions>) => () =>
    settingsOf({ connection: 'postgres://localhost/x', seal, ...options })
  const good: readonly Partial<PostgresStoreOptions>[] = [
    { connections: 2 },
    { connections: 100 },
    { leaseMs: 500 },
    { leaseMs: 600_000 },
    { schema: 'a'.repeat(63) },
    { name: ' '.repeat(63) },
    { auditRecords: 1 },
    { auditRecords: Number.MAX_SAFE_INTEGER },
  ]
  for (const options of good) expect(settings(options), JSON.stringify(options)).not.toThrow()
  const bad: readonly Partial<PostgresStoreOptions>[] = [
    { connections: 1 },
    { connections: 101 },
    { connections: 2.5 },
    { leaseMs: 499 },
    { leaseMs: 600_001 },
    { schema: 'a'.repeat(64) },
    { schema: '' },
    { schema: 'pg_a' },
    { schema: 'a"b' },
    { name: ' '.repeat(64) },
    { name: '' },
    { auditRecords: 0 },
    { auditRecords: 1.5 },
    { connection: 'mysql://localhost/x' },
  ]
  for (const options of bad) expect(settings(options), JSON.stringify(options)).toThrow('is ')
})
