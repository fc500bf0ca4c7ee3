import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { limits as coreLimits, type Pubkey, UsageError } from '@nip46/core'
import type { AuditRecord, Claim, SignerSession, StoreChange } from '@nip46/core/remote-signer'
import { afterEach, expect, test } from 'vitest'
import { openAnchor } from '../src/anchor.ts'
import { openConnection } from '../src/connection.ts'
import { limits } from '../src/index.ts'
import { Packer } from '../src/packer.ts'
import { createRecordCodec } from '../src/record.ts'
import { readPragma } from '../src/schema.ts'
import {
  BOUNDS,
  type Bounds,
  openBoundedStore,
  openingOf,
  type SqliteStore,
  type SqliteStoreOptions,
} from '../src/sqlite-store.ts'
import { openStoreDatabase } from '../src/store-database.ts'
import { hexOf, sessionOf } from './calls.ts'
import { testFile, testSeal } from './folder.ts'

const NOW = 1_767_225_600_000
const seal = testSeal()
const opened = new Set<SqliteStore>()

afterEach(async () => {
  for (const store of opened) await store.close()
  opened.clear()
})

async function open(
  file: string,
  bounds: Partial<Bounds> = {},
  options: Partial<SqliteStoreOptions> = {},
): Promise<SqliteStore> {
  const store = await openBoundedStore(file, { seal, ...options }, { ...BOUNDS, ...bounds })
  opened.add(store)
  return store
}

const pubkey = (n: number): Pubkey => hexOf('pubkey', n) as Pubkey
const SIGNER = pubkey(0)

const withClient = (n: number): StoreChange => ({ clients: [pubkey(n)] })

const claimOf = (n: number, at = NOW): Claim => ({
  eventId: hexOf('event', n),
  signerPubkey: SIGNER,
  clientPubkey: SIGNER,
  requestId: 'r',
  at,
})
const withClaims = (from: number, count: number, at = NOW): StoreChange => ({
  claims: Array.from({ length: count }, (_, i) => claimOf(from + i, at)),
})

const recordOf = (n: number): AuditRecord => ({
  type: 'offer-withdrawn',
  at: NOW + n,
  signerPubkey: SIGNER,
  userPubkey: SIGNER,
  clientPubkey: null,
})
const withRecords = (count: number): StoreChange => ({
  audit: Array.from({ length: count }, (_, i) => recordOf(i)),
})

const withAnswer = (n: number, { at = NOW, text = '' } = {}): StoreChange => ({
  outbox: [{ id: `answer-${n}`, signerPubkey: SIGNER, to: SIGNER, relays: [], scheme: 'nip44', text, at }],
})

/** Bytes that wait for a change to be written. */
function sealedBytes(change: StoreChange): number {
  const packer = new Packer()
  createRecordCodec(seal).encode(change, packer)
  return packer.length
}

/** Transactions that wrote something, of a store that is closed. */
function commitsOf(file: string): number {
  const database = new DatabaseSync(file, { readOnly: true })
  try {
    return Number(database.prepare('SELECT commits FROM state').get()?.['commits'])
  } finally {
    database.close()
  }
}

// -- writing -------------------------------------------------------------------------------------

test(`${limits.WAITING_CHANGES} changes may wait, and one more is refused`, async () => {
  const store = await open(testFile())
  const nothing = (length: number): readonly StoreChange[] => Array.from({ length }, () => ({}))
  const waiting = [store.commit(nothing(limits.WAITING_CHANGES - 1), NOW), store.commit([{}], NOW)]
  await expect(store.commit([{}], NOW)).rejects.toMatchObject({ code: 'store/busy' })
  expect((await Promise.all(waiting)).map(({ length }) => length)).toEqual([limits.WAITING_CHANGES - 1, 1])
  // Nothing waits: what is more than that by itself is written.
  expect(await store.commit(nothing(limits.WAITING_CHANGES + 1), NOW)).toHaveLength(
    limits.WAITING_CHANGES + 1,
  )
})

test('as many bytes wait as may, and not one more', async () => {
  const one = sealedBytes(withAnswer(1))
  const store = await open(testFile(), { waitingBytes: 3 * one })
  const waiting = [1, 2, 3].map((n) => store.commit([withAnswer(n)], NOW))
  await expect(store.commit([withAnswer(4)], NOW)).rejects.toMatchObject({ code: 'store/busy' })
  await Promise.all(waiting)
  const almost = [store.commit([withAnswer(4)], NOW), store.commit([withAnswer(5)], NOW)]
  await expect(store.commit([withAnswer(6, { text: 'x' })], NOW)).rejects.toMatchObject({
    code: 'store/busy',
  })
  await Promise.all(almost)
  await store.commit([withAnswer(7, { text: 'x'.repeat(3 * one) })], NOW)
  expect((await store.load(NOW)).outbox.map(({ id }) => id)).toEqual(
    [1, 2, 3, 4, 5, 7].map((n) => `answer-${n}`),
  )
})

test(`${limits.GROUP_CHANGES} changes are one transaction, one more are two, and a call is never divided`, async () => {
  const commits = async (calls: readonly (readonly StoreChange[])[]): Promise<number> => {
    const file = testFile()
    const store = await open(file)
    await Promise.all(calls.map((changes) => store.commit(changes, NOW)))
    await store.close()
    return commitsOf(file)
  }
  const single = (length: number) => Array.from({ length }, (_, n) => [withClient(n)])
  expect(await commits(single(limits.GROUP_CHANGES))).toBe(1)
  expect(await commits(single(limits.GROUP_CHANGES + 1))).toBe(2)
  expect(await commits([single(limits.GROUP_CHANGES + 1).flat(), [withClient(9_999)]])).toBe(2)
})

test('as many bytes as may are one transaction, and one more are two', async () => {
  const one = sealedBytes(withAnswer(1))
  const commits = async (changes: readonly StoreChange[]): Promise<number> => {
    const file = testFile()
    const store = await open(file, { groupBytes: 4 * one })
    await Promise.all(changes.map((change) => store.commit([change], NOW)))
    await store.close()
    return commitsOf(file)
  }
  const four = [1, 2, 3].map((n) => withAnswer(n))
  expect(await commits([...four, withAnswer(4)])).toBe(1)
  expect(await commits([...four, withAnswer(4, { text: 'x' })])).toBe(2)
  expect(await commits([withAnswer(4, { text: 'x'.repeat(5 * one) })])).toBe(1)
})

test('SQLite is given its bounds', async () => {
  const file = testFile()
  await (await open(file)).close()
  const database = openConnection(openingOf(file, {}))
  try {
    expect(readPragma(database, 'cache_size')).toBe(-limits.CACHE_KIB)
    expect(readPragma(database, 'wal_autocheckpoint')).toBe(limits.CHECKPOINT_PAGES)
    expect(readPragma(database, 'journal_size_limit')).toBe(limits.LOG_BYTES)
    expect(readPragma(database, 'synchronous')).toBe(2)
  } finally {
    database.close()
  }
})

// -- what is kept --------------------------------------------------------------------------------

test('as many claims are kept as may be; one more is refused, with all of its call and nothing of the others', async () => {
  const store = await open(testFile(), { claims: 5 })
  await store.commit([withClaims(0, 4)], NOW)
  const [refused, taken] = await Promise.allSettled([
    store.commit([withClient(1), withClaims(4, 2)], NOW),
    store.commit([withClient(2), withClaims(6, 1)], NOW),
  ])
  expect(refused).toMatchObject({ status: 'rejected', reason: { code: 'store/full' } })
  expect(taken).toMatchObject({ status: 'fulfilled', value: [{ type: 'done' }, { type: 'done' }] })
  await expect(store.commit([withClaims(7, 1)], NOW)).rejects.toMatchObject({ code: 'store/full' })
  // What needs no claim goes on.
  await store.commit([withClient(3)], NOW)
  expect((await store.load(NOW)).clients).toEqual([pubkey(2), pubkey(3)])
  expect(await store.sizes()).toMatchObject({ claims: 5 })
})

const MEMORY_MS = coreLimits.EXECUTED_MEMORY_SECONDS * 1_000

test('a claim goes when both clocks say that it is old, and not a moment before', async () => {
  const file = testFile()
  let steady = 1_000
  const options = { steadyNow: () => steady }
  let store = await open(file, {}, options)
  const isKept = async (at: number): Promise<boolean> => {
    // Another now each time, so that what is old is looked for.
    await store.commit([{}], at)
    return (await store.sizes()).claims === 1
  }
  await store.commit([withClaims(1, 1)], NOW)
  // The clock was set forward, as far as it goes.
  expect(await isKept(NOW + 100 * MEMORY_MS)).toBe(true)
  expect(await store.commit([withClaims(1, 1)], NOW + 100 * MEMORY_MS)).toMatchObject([{ type: 'claimed' }])
  // A while went by, and the clock was set back.
  steady += MEMORY_MS
  expect(await isKept(NOW + MEMORY_MS + 5_000)).toBe(true)
  steady += 1
  expect(await isKept(NOW + MEMORY_MS)).toBe(true)
  // Time while nobody has the store open does not count, and the time until the last commit does.
  await store.commit([withClient(1)], NOW)
  await store.close()
  steady = 7
  store = await open(file, {}, options)
  expect(await isKept(NOW)).toBe(true)
  expect(await isKept(NOW + MEMORY_MS + 1_000)).toBe(false)
  expect(await store.commit([withClaims(1, 1)], NOW + MEMORY_MS + 1_000)).toEqual([{ type: 'done' }])
})

test(`old claims go ${limits.SWEEP} at once, not oftener than every ${limits.SWEEP_MS} ms`, async () => {
  let steady = 0
  const store = await open(testFile(), {}, { steadyNow: () => steady })
  await store.commit([withClaims(0, limits.SWEEP + 1)], NOW)
  steady = MEMORY_MS + 1
  const later = NOW + MEMORY_MS + 1
  const left = async (at: number): Promise<number> => {
    await store.commit([{}], at)
    return (await store.sizes()).claims
  }
  expect(await left(later)).toBe(1)
  expect(await left(later + limits.SWEEP_MS - 1)).toBe(1)
  expect(await left(later + limits.SWEEP_MS)).toBe(0)
})

test('of client keys and of answers the oldest go when there is one too many', async () => {
  const store = await open(testFile(), { clientKeys: 5, outbox: 5 })
  const ids = Array.from({ length: 6 }, (_, n) => n)
  for (const n of ids.slice(0, 5)) await store.commit([withClient(n), withAnswer(n)], NOW)
  const full = await store.load(NOW)
  expect(full.clients).toEqual(ids.slice(0, 5).map(pubkey))
  expect(full.outbox).toHaveLength(5)
  await store.commit([withClient(5), withAnswer(5)], NOW)
  const state = await store.load(NOW)
  expect(state.clients).toEqual(ids.slice(1).map(pubkey))
  expect(state.outbox.map(({ id }) => id)).toEqual(ids.slice(1).map((n) => `answer-${n}`))
  // One that is written again is no new one.
  await store.commit([withAnswer(3, { text: 'again' })], NOW)
  expect((await store.load(NOW)).outbox.map(({ id }) => id)).toEqual(ids.slice(1).map((n) => `answer-${n}`))
})

test(`an answer waits ${limits.OUTBOX_MEMORY_MS} ms to be published, and not one more`, async () => {
  const store = await open(testFile())
  await store.commit([withAnswer(1)], NOW)
  const last = NOW + limits.OUTBOX_MEMORY_MS
  expect((await store.load(last)).outbox).toHaveLength(1)
  expect((await store.load(last + 1)).outbox).toHaveLength(0)
  await store.commit([{}], last)
  expect((await store.sizes()).outbox).toBe(1)
  await store.commit([{}], last + limits.SWEEP_MS)
  expect((await store.sizes()).outbox).toBe(0)
})

test(`audit records go when they are ${limits.AUDIT_SLACK} too many`, async () => {
  const kept = 300
  const store = await open(testFile(), {}, { auditRecords: kept })
  await store.commit([withRecords(kept + limits.AUDIT_SLACK - 1)], NOW)
  await store.commit([withClient(1)], NOW)
  expect((await store.sizes()).audit).toBe(kept + limits.AUDIT_SLACK - 1)
  await store.commit([withRecords(1)], NOW)
  await store.commit([withClient(2)], NOW)
  expect((await store.sizes()).audit).toBe(kept)
  expect(await store.verifyAudit()).toMatchObject({
    ok: true,
    entries: kept,
    chains: [{ checkpoint: { seq: limits.AUDIT_SLACK } }],
  })
})

test('the end of the audit chain is sealed also when nothing else is written', async () => {
  const file = testFile()
  const store = await open(file)
  await store.commit([withRecords(3)], NOW)
  const sealedEnd = (copy: string): number | undefined => {
    mkdirSync(dirname(copy), { mode: 0o700 })
    copyFileSync(file, copy)
    copyFileSync(`${file}-wal`, `${copy}-wal`)
    const database = new DatabaseSync(copy)
    try {
      const row = database.prepare('SELECT lower(hex(id)) AS id, anchor FROM state').get()
      return openAnchor(seal, String(row?.['id']), row?.['anchor'] as Uint8Array)?.seq
    } finally {
      database.close()
    }
  }
  const end = Date.now() + 30_000
  for (let i = 0; sealedEnd(join(dirname(file), `copy${i}`, 'signer.db')) !== 3; i++) {
    expect(Date.now()).toBeLessThan(end)
    await sleep(limits.ANCHOR_MS / 2)
  }
})

test(`a session remembers in ${coreLimits.SESSION_ROWS} rows, and not in one more`, async () => {
  const store = await open(testFile())
  const sessionWith = (parts: number): SignerSession => ({
    ...sessionOf(parts),
    ledger: { chunks: Array.from({ length: parts }, () => ({})), chars: 0 },
  })
  const change = (parts: number): StoreChange => {
    const after = sessionWith(parts)
    const { signerPubkey, clientPubkey } = after
    return { session: { signerPubkey, clientPubkey, revision: 0, before: null, after } }
  }
  await store.commit([change(coreLimits.SESSION_ROWS)], NOW)
  await expect(store.commit([change(coreLimits.SESSION_ROWS + 1)], NOW)).rejects.toMatchObject({
    code: 'store/usage',
    message: expect.stringContaining(`${coreLimits.SESSION_ROWS} rows`),
  })
  expect((await store.load(NOW)).sessions).toEqual([
    { revision: 1, value: sessionWith(coreLimits.SESSION_ROWS) },
  ])
})

test('what the seal refuses is refused in its words, whatever the record', async () => {
  const store = await open(
    testFile(),
    {},
    {
      seal: {
        ...seal,
        seal(plain, context) {
          if (/^(session|offer|host) /.test(context)) throw new UsageError('the seal is spent')
          return seal.seal(plain, context)
        },
      },
    },
  )
  const refused = { name: 'SqliteStoreError', code: 'store/usage', message: 'the seal is spent' }
  const session = sessionOf(1)
  const { signerPubkey, clientPubkey } = session
  await expect(
    store.commit(
      [{ session: { signerPubkey, clientPubkey, revision: 0, before: null, after: session } }],
      NOW,
    ),
  ).rejects.toMatchObject(refused)
  await expect(
    store.commit([{ offers: [{ token: 't', revision: 0, after: {} as never }] }], NOW),
  ).rejects.toMatchObject(refused)
  await expect(store.writeHostRecords([{ name: 'n', revision: 0, after: 1 }])).rejects.toMatchObject(refused)
})

test('names, and records of the host, are as long as may be, and no longer', async () => {
  const store = await open(testFile())
  const withToken = (chars: number): StoreChange => ({
    offers: [{ token: 't'.repeat(chars), revision: 0, after: {} as never }],
  })
  await store.commit([withToken(limits.NAME_CHARS)], NOW)
  await expect(store.commit([withToken(limits.NAME_CHARS + 1)], NOW)).rejects.toMatchObject({
    code: 'store/usage',
  })
  const write = (nameChars: number, chars: number) =>
    store.writeHostRecords([{ name: 'n'.repeat(nameChars), revision: 0, after: 'v'.repeat(chars - 2) }])
  const { HOST_RECORD_NAME_CHARS, HOST_RECORD_CHARS } = limits
  expect(await write(HOST_RECORD_NAME_CHARS, HOST_RECORD_CHARS)).toBe('done')
  await expect(write(HOST_RECORD_NAME_CHARS + 1, 3)).rejects.toMatchObject({ code: 'store/usage' })
  await expect(write(1, HOST_RECORD_CHARS + 1)).rejects.toMatchObject({ code: 'store/usage' })
  expect(await store.readHostRecords()).toHaveLength(1)
})

// -- reading -------------------------------------------------------------------------------------

test(`a page has ${limits.PAGE_ROWS} rows or ${limits.PAGE_BYTES} bytes, and all of them are everything`, async () => {
  const file = testFile()
  const store = await open(file)
  await store.commit(
    Array.from({ length: limits.PAGE_ROWS }, (_, n) => withClient(n)),
    NOW,
  )
  expect((await store.load(NOW)).clients).toHaveLength(limits.PAGE_ROWS)
  await store.commit([withClient(limits.PAGE_ROWS)], NOW)
  for (let n = 0; n < 4; n++) await store.commit([withAnswer(n, { text: 'x'.repeat(1_500_000) })], NOW)
  const state = await store.load(NOW)
  expect(state.clients).toHaveLength(limits.PAGE_ROWS + 1)
  expect(state.outbox.map(({ text }) => text.length)).toEqual(Array(4).fill(1_500_000))
  await store.close()
  const database = openStoreDatabase(openingOf(file, {}), 0)
  const page = (table: 'clients' | 'outbox', after: number) =>
    database.handle({ type: 'page', table, after }).value as {
      readonly clients: readonly unknown[]
      readonly outbox: readonly unknown[]
      readonly next: number | null
    }
  const clients = page('clients', 0)
  expect([clients.clients.length, clients.next]).toEqual([limits.PAGE_ROWS, limits.PAGE_ROWS])
  expect(page('clients', limits.PAGE_ROWS)).toMatchObject({ clients: [{}], next: null })
  // The row that goes over the bytes is the page's last.
  expect(page('outbox', 0)).toMatchObject({ outbox: [{}, {}, {}], next: 3 })
  expect(page('outbox', 3)).toMatchObject({ outbox: [{}], next: null })
  database.handle({ type: 'close' })
})

test(`one read names ${limits.READ_RECORDS} records, and not one more`, async () => {
  const store = await open(testFile())
  const names = Array.from({ length: limits.READ_RECORDS - 2 }, (_, n) => `token-${n}`)
  const sessions = [{ signerPubkey: SIGNER, clientPubkey: SIGNER }]
  expect(await store.read({ offers: names, sessions, keys: [SIGNER] })).toEqual({
    sessions: [],
    offers: [],
    keys: [],
  })
  await expect(store.read({ offers: names, sessions, keys: [SIGNER, SIGNER] })).rejects.toMatchObject({
    code: 'store/usage',
  })
})

test(`a page of the audit log has ${limits.AUDIT_PAGE} entries, and looks at ${limits.AUDIT_SCAN}`, async () => {
  const store = await open(testFile())
  const rare = { ...recordOf(9_999), type: 'session-ended', reason: 'rare' } as AuditRecord
  await store.commit([withRecords(limits.AUDIT_SCAN - 1), { audit: [rare] }], NOW)
  for (const limit of [limits.AUDIT_PAGE, limits.AUDIT_PAGE + 1]) {
    const page = await store.readAudit({ limit })
    expect([page.entries.length, page.next]).toEqual([limits.AUDIT_PAGE, limits.AUDIT_PAGE])
  }
  for (const limit of [0, 1.5, -1])
    await expect(store.readAudit({ limit })).rejects.toMatchObject({ code: 'store/usage' })
  const filter = { types: ['session-ended' as const] }
  expect(await store.readAudit({ filter })).toMatchObject({
    entries: [{ seq: limits.AUDIT_SCAN }],
    next: null,
  })
  await store.commit([{ audit: [rare] }], NOW)
  const first = await store.readAudit({ filter })
  expect([first.entries.length, first.next]).toEqual([1, limits.AUDIT_SCAN])
  const rest = await store.readAudit({ filter, after: limits.AUDIT_SCAN })
  expect(rest).toMatchObject({ entries: [{ seq: limits.AUDIT_SCAN + 1 }], next: null })
})

test(`a chain is verified ${limits.VERIFY_RECORDS} records at a time, to its end`, async () => {
  const store = await open(testFile())
  for (const count of [limits.VERIFY_RECORDS, 1, limits.VERIFY_RECORDS - 1]) {
    await store.commit([withRecords(count)], NOW)
    const { audit } = await store.sizes()
    expect(await store.verifyAudit()).toMatchObject({
      ok: true,
      entries: audit,
      chains: [{ head: { seq: audit } }],
    })
  }
})

test('up to a size a whole file is checked when it is opened, and of a larger one the small tables', async () => {
  const file = testFile()
  const store = await open(file)
  await store.commit([withClaims(0, 500)], NOW)
  await store.close()
  const database = new DatabaseSync(file, { readOnly: true })
  const index = database
    .prepare("SELECT rootpage FROM sqlite_schema WHERE name = 'sqlite_autoindex_claims_1'")
    .get()?.['rootpage']
  const pageBytes = readPragma(database, 'page_size')
  database.close()
  const bytes = readFileSync(file)
  bytes.fill(0, (Number(index) - 1) * pageBytes, Number(index) * pageBytes)
  writeFileSync(file, bytes)
  await expect(open(file, { checkedBytes: bytes.length })).rejects.toMatchObject({ code: 'store/corrupt' })
  const larger = await open(file, { checkedBytes: bytes.length - 1 })
  // What needs the damaged part tells of it.
  await expect(larger.commit([withClaims(7, 1)], NOW)).rejects.toMatchObject({ code: 'store/corrupt' })
})
