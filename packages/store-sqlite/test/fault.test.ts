import { execFileSync, spawnSync } from 'node:child_process'
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect, onTestFinished, test } from 'vitest'
import { storeError } from '../src/error.ts'
import { openSqliteStore, restoreSqliteBackup, verifySqliteBackup } from '../src/index.ts'
import { CANARY, callOf, hexOf, sessionOf } from './calls.ts'
import { testFile, testSeal } from './folder.ts'
import { startCommitter } from './process.ts'

const seal = testSeal()
const open = (file: string, options: { readonly auditRecords?: number } = {}) =>
  openSqliteStore(file, { seal, ...options })

/** A store with these calls in it, closed. */
async function filled(file: string, count: number): Promise<void> {
  const store = await open(file)
  for (let n = 0; n < count; n++) await store.commit(callOf(n), Date.now())
  await store.close()
}

/** Changes the file behind the store's back. */
function tamper(file: string, sql: string): void {
  const database = new DatabaseSync(file)
  database.exec(sql)
  database.close()
}

// -- whose it is ---------------------------------------------------------------------------------

test('a second process is refused and told who has the store; one that was killed is taken over', async () => {
  const file = testFile()
  const first = startCommitter(file)
  await first.line((line) => line.startsWith('ok'))
  const second = startCommitter(file)
  const refusal = JSON.parse(await second.line(() => true)) as Record<string, unknown>
  expect(refusal).toMatchObject({ code: 'store/locked', pid: first.child.pid })
  expect(refusal['message']).toContain(`store/locked by pid ${first.child.pid}`)
  await expect(open(file)).rejects.toMatchObject({ code: 'store/locked', pid: first.child.pid })
  await first.kill()
  const store = await open(file)
  await expect(open(file)).rejects.toMatchObject({ code: 'store/locked', pid: process.pid })
  await store.close()
  expect(readdirSync(dirname(file))).toEqual(['signer.db'])
})

test('a file of another kind is told from a store that is damaged', async () => {
  const file = testFile()
  writeFileSync(file, 'a shopping list, '.repeat(100), { mode: 0o600 })
  await expect(open(file)).rejects.toMatchObject({
    code: 'store/corrupt',
    message: expect.stringContaining('this file is no store'),
  })
})

test('a user who may not write is told that, and not that the disk is at fault', () => {
  for (const code of ['EACCES', 'EPERM'])
    expect(storeError(Object.assign(new Error(), { code })).message).toContain('this user may not')
  expect(storeError(Object.assign(new Error(), { code: 'EROFS' })).message).toContain('its file system')
})

test('files are for their owner only, and others are refused', async () => {
  const file = join(dirname(testFile()), 'folder', 'signer.db')
  const store = await open(file)
  await store.commit(callOf(0), Date.now())
  expect(statSync(dirname(file)).mode & 0o777).toBe(0o700)
  for (const name of readdirSync(dirname(file)))
    expect([name, statSync(join(dirname(file), name)).mode & 0o777]).toEqual([name, 0o600])
  await store.close()
  for (const [path, loose, tight, words] of [
    [file, 0o640, 0o600, 'chmod 600'],
    [dirname(file), 0o750, 0o700, 'a folder of its own'],
  ] as const) {
    chmodSync(path, loose)
    await expect(open(file)).rejects.toMatchObject({
      code: 'store/mode',
      message: expect.stringContaining(words),
    })
    chmodSync(path, tight)
  }
  await (await open(file)).close()
})

test('another key, a newer version and a foreign file are refused, each in its words', async () => {
  const file = testFile()
  await filled(file, 1)
  await expect(openSqliteStore(file, { seal: testSeal(8) })).rejects.toMatchObject({
    code: 'store/wrong-key',
  })
  tamper(file, 'PRAGMA user_version = 99')
  await expect(open(file)).rejects.toMatchObject({
    code: 'store/newer',
    message: expect.stringContaining('99'),
  })
  const foreign = testFile()
  tamper(foreign, 'CREATE TABLE other (a)')
  chmodSync(foreign, 0o600)
  await expect(open(foreign)).rejects.toMatchObject({ code: 'store/corrupt' })
  const text = testFile()
  writeFileSync(text, 'no database at all'.repeat(100), { mode: 0o600 })
  await expect(open(text)).rejects.toMatchObject({ code: 'store/corrupt' })
})

test('what another program keeps locked is refused after a while', async () => {
  const file = testFile()
  await filled(file, 1)
  const other = new DatabaseSync(file)
  other.exec('BEGIN IMMEDIATE')
  await expect(open(file)).rejects.toMatchObject({ code: 'store/busy' })
  other.exec('COMMIT')
  other.close()
  await (await open(file)).close()
})

// -- what is written down ------------------------------------------------------------------------

test('no plaintext and no secret is in any of the files', async () => {
  const file = testFile()
  const store = await open(file)
  for (let n = 0; n < 20; n++) await store.commit(callOf(n), Date.now())
  const files = readdirSync(dirname(file)).map((name) => readFileSync(join(dirname(file), name)))
  const copy = Buffer.concat(files)
  // The search finds what is there in the clear.
  expect(copy.includes('session-ended')).toBe(true)
  for (const secret of [CANARY, 'canary-secret']) {
    const bytes = Buffer.from(secret)
    for (const form of [
      secret,
      bytes.toString('hex'),
      bytes.toString('base64').slice(0, 12),
      bytes.toString('base64url').slice(0, 12),
    ])
      expect(copy.includes(form)).toBe(false)
    expect(copy.includes(Buffer.from(secret, 'utf16le'))).toBe(false)
  }
  await store.close()
})

test('what was moved to another place, or changed, does not open', async () => {
  const file = testFile()
  await filled(file, 2)
  const rows: readonly string[] = [
    'UPDATE sessions SET head = (SELECT head FROM sessions WHERE place = 2) WHERE place = 1',
    'UPDATE sessions SET revision = 5 WHERE place = 1',
    'UPDATE parts SET body = (SELECT body FROM parts WHERE session = 2) WHERE session = 1',
    'DELETE FROM parts WHERE session = 1',
    'UPDATE keys SET secret = (SELECT secret FROM keys WHERE place = 2) WHERE place = 1',
    'UPDATE clients SET pubkey = zeroblob(32) WHERE place = 1',
    'UPDATE outbox SET body = zeroblob(200) WHERE place = 1',
  ]
  for (const [i, sql] of rows.entries()) {
    const copy = join(dirname(file), `copy${i}.db`)
    copyFileSync(file, copy)
    tamper(copy, sql)
    const store = await open(copy)
    await expect(store.load(Date.now()), sql).rejects.toMatchObject({ code: 'store/corrupt' })
    await store.close()
    await expect(verifySqliteBackup(copy, { seal }), sql).rejects.toMatchObject({ code: 'store/corrupt' })
  }
})

test('a file with a flipped byte is refused, or holds exactly what was written', async () => {
  const file = testFile()
  await filled(file, 12)
  const size = statSync(file).size
  const seen = new Set<string>()
  for (let i = 0; i < 24; i++) {
    const copy = join(dirname(file), `flip${i}.db`)
    const bytes = readFileSync(file)
    const at = Math.floor((i * 2_654_435_761) % size)
    bytes.writeUInt8(bytes.readUInt8(at) ^ 0x10, at)
    writeFileSync(copy, bytes, { mode: 0o600 })
    try {
      const { audit, sizes } = await verifySqliteBackup(copy, { seal })
      seen.add(audit.ok ? 'whole' : 'audit')
      expect(sizes.sessions).toBe(12)
    } catch (cause) {
      expect(cause).toMatchObject({ code: expect.stringMatching(/^store\/(corrupt|newer|wrong-key|usage)$/) })
      seen.add('refused')
    }
    rmSync(copy)
  }
  expect(seen.has('refused')).toBe(true)
})

test('with a log that was cut off anywhere the store is as it was some commits earlier', async () => {
  const file = testFile()
  const committer = startCommitter(file, { parallel: 1 })
  await committer.line((line) => line === 'ok 30')
  await committer.kill()
  const size = statSync(`${file}-wal`).size
  for (let i = 0; i <= 8; i++) {
    const folder = join(dirname(file), `cut${i}`)
    mkdirSync(folder, { mode: 0o700 })
    const copy = join(folder, 'signer.db')
    copyFileSync(file, copy)
    copyFileSync(`${file}-wal`, `${copy}-wal`)
    truncateSync(`${copy}-wal`, Math.floor((size * i) / 8))
    const store = await open(copy)
    const { sessions } = await store.load(Date.now())
    const found = await store.sizes()
    expect([found.claims, found.keys, found.audit]).toEqual(Array(3).fill(sessions.length))
    for (let n = 0; n < sessions.length; n++)
      expect(sessions.map(({ value }) => value.clientPubkey)).toContain(hexOf('client', n))
    expect((await store.verifyAudit()).ok).toBe(true)
    await store.close()
  }
})

// -- the audit log -------------------------------------------------------------------------------

test('each way to tamper with the audit log is named', async () => {
  const file = testFile()
  await filled(file, 6)
  const cases: readonly (readonly [string, string, number])[] = [
    ["UPDATE audit SET record = replace(record, 'call 2', 'call 9') WHERE seq = 3", 'hash', 3],
    ['DELETE FROM audit WHERE seq = 4', 'missing', 4],
    ['DELETE FROM audit WHERE seq > 4', 'missing', 5],
    ['UPDATE audit SET prev = zeroblob(32) WHERE seq = 3', 'hash', 3],
    [
      'DELETE FROM audit WHERE seq > 4; UPDATE state SET audit_seq = 4, audit_hash = (SELECT hash FROM audit WHERE seq = 4)',
      'missing',
      5,
    ],
    ['UPDATE state SET anchor = NULL', 'anchor', 6],
    [
      'UPDATE state SET checkpoint_seq = 2, checkpoint_hash = (SELECT hash FROM audit WHERE seq = 2)',
      'anchor',
      2,
    ],
  ]
  for (const [i, [sql, code, seq]] of cases.entries()) {
    const copy = join(dirname(file), `copy${i}.db`)
    copyFileSync(file, copy)
    tamper(copy, sql)
    const store = await open(copy)
    const first = await store.verifyAudit()
    expect([sql, first.ok, first.chains[0]?.fault]).toEqual([sql, false, { code, seq }])
    // Going on does not cover it up.
    await store.commit(callOf(100), Date.now())
    await store.close()
    const again = await open(copy)
    expect([sql, (await again.verifyAudit()).ok]).toEqual([sql, false])
    await again.close()
  }
})

test('old audit records go, and the chain goes on from a sealed checkpoint', async () => {
  const file = testFile()
  const store = await open(file, { auditRecords: 10 })
  for (let n = 0; n < 30; n++) await store.commit(callOf(n), Date.now())
  await store.close()
  const again = await open(file, { auditRecords: 10 })
  const { entries } = await again.readAudit()
  expect(entries.length).toBeLessThanOrEqual(20)
  expect(entries.at(-1)?.seq).toBe(30)
  const verdict = await again.verifyAudit()
  expect(verdict).toMatchObject({ ok: true, entries: entries.length })
  expect(verdict.chains[0]?.checkpoint.seq).toBe((entries[0]?.seq ?? 0) - 1)
  await again.close()
})

// -- copies --------------------------------------------------------------------------------------

test('a backup is made between commits, can be verified and restored, and says so', async () => {
  const file = testFile()
  const store = await open(file)
  for (let n = 0; n < 50; n++) await store.commit(callOf(n), Date.now())
  const copy = join(dirname(file), 'backup.db')
  const going = Array.from({ length: 50 }, (_, i) => store.commit(callOf(50 + i), Date.now()))
  await store.backup(copy)
  await Promise.all(going)
  await expect(store.backup(copy)).rejects.toMatchObject({ code: 'store/exists' })
  await store.close()
  expect(statSync(copy).mode & 0o777).toBe(0o600)
  expect(readFileSync(copy).includes(CANARY)).toBe(false)
  const verdict = await verifySqliteBackup(copy, { seal })
  expect(verdict.audit.ok).toBe(true)
  expect(verdict.sizes.sessions).toBe(verdict.sizes.claims)
  expect(verdict.sizes.sessions).toBeGreaterThanOrEqual(50)
  await expect(verifySqliteBackup(copy, { seal: testSeal(9) })).rejects.toMatchObject({
    code: 'store/wrong-key',
  })
  await expect(restoreSqliteBackup(copy, file, { seal })).rejects.toMatchObject({ code: 'store/exists' })
  const target = join(dirname(file), 'restored.db')
  await restoreSqliteBackup(copy, target, { seal })
  const before = Date.now()
  const restored = await open(target)
  expect(restored.restoredAt).toBeGreaterThanOrEqual(before)
  expect((await restored.load(Date.now())).sessions.map(({ value }) => value)).toContainEqual(sessionOf(3))
  await restored.close()
  const again = await open(target)
  expect(again.restoredAt).toBe(restored.restoredAt)
  await again.close()
  expect(existsSync(`${copy}-wal`)).toBe(false)
})

// -- the disk ------------------------------------------------------------------------------------

const canMount = process.getuid?.() === 0 && spawnSync('mount', ['--version']).status === 0
const canTrace = spawnSync('strace', ['-o', '/dev/null', 'true']).status === 0
if (!canMount) console.warn('skipped: a full disk needs root and mount')
if (!canTrace) console.warn('skipped: a failing disk needs strace')

test.skipIf(!canMount)(
  'a full disk refuses commits and nothing else, until there is room again',
  async () => {
    const folder = dirname(testFile())
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m,mode=0700', 'tmpfs', folder])
    onTestFinished(() => void execFileSync('umount', ['-l', folder]))
    const file = join(folder, 'signer.db')
    const store = await open(file)
    await store.commit(callOf(0), Date.now())
    const ballast = join(folder, 'ballast')
    spawnSync('dd', ['if=/dev/zero', `of=${ballast}`, 'bs=4096'])
    let done = 1
    let refused: unknown
    for (let n = 1; n < 2_000 && refused === undefined; n++) {
      await store.commit(callOf(n), Date.now()).then(
        () => {
          done += 1
        },
        (cause: unknown) => {
          refused = cause
        },
      )
    }
    expect(refused).toMatchObject({ code: 'store/full', message: expect.stringContaining('make room') })
    expect((await store.load(Date.now())).sessions).toHaveLength(done)
    rmSync(ballast)
    await store.commit(callOf(5_000), Date.now())
    await store.close()
    const again = await open(file)
    expect((await again.load(Date.now())).sessions).toHaveLength(done + 1)
    expect((await again.verifyAudit()).ok).toBe(true)
    await again.close()
  },
)

test.skipIf(!canMount)('the log gives its room back on a disk that it has filled', async () => {
  const folder = dirname(testFile())
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m,mode=0700', 'tmpfs', folder])
  onTestFinished(() => void execFileSync('umount', ['-l', folder]))
  const file = join(folder, 'signer.db')
  // Its pages are in the file: the log of a new store could not be moved into one that has to grow.
  await filled(file, 1)
  const store = await open(file)
  const clients = callOf(0)[0]?.clients ?? []
  // Each time the same pages: the log grows to several times the size of the disk, the file does not.
  for (let n = 0; n < 800; n++) await store.commit([{ clients }], Date.now())
  await store.close()
  // What is full of others' files can still be read, and what was there before is replaced.
  spawnSync('dd', ['if=/dev/zero', `of=${join(folder, 'ballast')}`, 'bs=4096'])
  const again = await open(file)
  expect((await again.load(Date.now())).sessions).toHaveLength(1)
  expect((await again.verifyAudit()).ok).toBe(true)
  await expect(again.commit(callOf(1), Date.now())).rejects.toMatchObject({ code: 'store/full' })
  await expect(again.writeHostRecords([{ name: 'a', revision: 0, after: 1 }])).rejects.toMatchObject({
    code: 'store/full',
  })
  rmSync(join(folder, 'ballast'))
  await again.commit(callOf(1), Date.now())
  await again.writeHostRecords([{ name: 'a', revision: 0, after: 1 }])
  await again.close()
})

for (const [name, call, when] of [
  ['a disk whose fsync fails', 'fdatasync,fsync', '20..22'],
  ['a disk that cannot be written', 'pwrite64', '300..303'],
] as const) {
  test.skipIf(!canTrace)(`${name} loses nothing that was acknowledged, and goes on`, async () => {
    const file = testFile()
    await filled(file, 0)
    const inject = `inject=${call}:error=EIO:when=${when}`
    const under = ['strace', '-f', '-qq', '-o', '/dev/null', '-e', `trace=${call}`, '-e', inject]
    const committer = startCommitter(file, { parallel: 2, under })
    await committer.line((line) => line.startsWith('store/io'))
    await committer.line((line) => line.startsWith('ok'))
    await committer.kill()
    const acknowledged = committer.lines.flatMap((line) =>
      line.startsWith('ok ') ? [Number(line.slice(3))] : [],
    )
    const store = await open(file)
    const found = new Set(
      (await store.load(Date.now())).sessions.map(({ value }) => value.clientPubkey as string),
    )
    for (const n of acknowledged) expect(found.has(hexOf('client', n))).toBe(true)
    expect((await store.verifyAudit()).ok).toBe(true)
    await store.close()
  })
}
