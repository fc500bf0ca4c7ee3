import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { fileURLToPath } from 'node:url'
import type { Worker } from 'node:worker_threads'
import { expect, onTestFinished, test } from 'vitest'
import { openSqliteStore, verifySqliteBackup } from '../src/index.ts'
import { MIGRATIONS, migrate, readVersion } from '../src/schema.ts'
import { callOf, hexOf } from './calls.ts'
import { testFile, testSeal } from './folder.ts'
import { startCommitter } from './process.ts'

const seal = testSeal()
const open = (file: string) => openSqliteStore(file, { seal })

const canMount = process.getuid?.() === 0 && spawnSync('mount', ['--version']).status === 0
const canTrace = spawnSync('strace', ['-o', '/dev/null', 'true']).status === 0
if (!canMount) console.warn('skipped: a file system that cannot be written needs root and mount')
if (!canTrace) console.warn('skipped: a disk that hangs, and being killed at one write, need strace')

/** Everything that was acknowledged is there, and the chain of the audit log is whole. */
async function expectNothingLost(file: string, lines: readonly string[]): Promise<void> {
  const store = await open(file)
  const { sessions } = await store.load(Date.now())
  const found = new Set(sessions.map(({ value }) => value.clientPubkey as string))
  for (const line of lines)
    if (line.startsWith('ok ')) expect(found.has(hexOf('client', Number(line.slice(3))))).toBe(true)
  expect((await store.verifyAudit()).ok).toBe(true)
  await store.close()
}

// -- migrations ----------------------------------------------------------------------------------

const OPENER = fileURLToPath(new URL('./opener.ts', import.meta.url))
const WRITES = 'pwrite64,fsync,fdatasync,ftruncate,unlink'

/** Opens the store in a process that is traced. Resolves with the signal that ended it. */
async function openTraced(file: string, ...options: readonly string[]): Promise<NodeJS.Signals | null> {
  const paths = ['', '-wal', '-journal'].flatMap((end) => ['-P', `${file}${end}`])
  const command = ['-f', '-qq', ...paths, ...options, process.execPath, '--conditions=@nip46/source', OPENER]
  const child = spawn('strace', [...command, file], { stdio: 'ignore' })
  const [, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null]
  return signal
}

/** A store as the first version leaves it, or no file at all. */
function makeOld(file: string, version: number): void {
  if (version === 0) return
  const database = new DatabaseSync(file)
  database.exec('PRAGMA journal_mode = WAL')
  migrate(database, MIGRATIONS.slice(0, version))
  database.exec('UPDATE state SET elapsed = 77')
  database.close()
  chmodSync(file, 0o600)
}

function tablesOf(database: DatabaseSync): readonly unknown[] {
  return database
    .prepare("SELECT sql FROM sqlite_schema WHERE type = 'table' ORDER BY name")
    .all()
    .map(({ sql }) => sql)
}

for (const from of [0, 1])
  test.skipIf(!canTrace)(
    `a process that is killed at some write while it makes the tables, from version ${from}, leaves whole versions`,
    async () => {
      const folder = dirname(testFile())
      const fileOf = (name: string): string => {
        mkdirSync(join(folder, name), { mode: 0o700 })
        const file = join(folder, name, 'signer.db')
        makeOld(file, from)
        return file
      }
      const trace = join(folder, 'trace')
      expect(await openTraced(fileOf('whole'), '-o', trace, '-e', `trace=${WRITES}`)).toBeNull()
      // Each write by its name, and which of that name it is.
      const counts = new Map<string, number>()
      const points = readFileSync(trace, 'utf8')
        .split('\n')
        .flatMap((line) => {
          const name = /^\d+ +(\w+)\(/.exec(line)?.[1]
          if (name === undefined) return []
          const count = (counts.get(name) ?? 0) + 1
          counts.set(name, count)
          return [{ name, count }]
        })
      expect(points.length).toBeGreaterThan(5)
      const reference = (version: number): readonly unknown[] => {
        const database = new DatabaseSync(':memory:')
        migrate(database, MIGRATIONS.slice(0, version))
        return tablesOf(database)
      }
      const step = Math.ceil(points.length / 8)
      for (const [i, { name, count }] of points.entries()) {
        if (i % step !== step - 1) continue
        const file = fileOf(`at-${i}`)
        const inject = `inject=${name}:signal=KILL:when=${count}`
        expect(await openTraced(file, '-o', '/dev/null', '-e', `trace=${WRITES}`, '-e', inject)).toBe(
          'SIGKILL',
        )
        const database = new DatabaseSync(file)
        const version = readVersion(database)
        expect(version).toBeGreaterThanOrEqual(from)
        expect(tablesOf(database)).toEqual(version === 0 ? [] : reference(version))
        expect(database.prepare('PRAGMA integrity_check').get()).toEqual({ integrity_check: 'ok' })
        database.close()
        const store = await open(file)
        expect(await store.commit(callOf(1), Date.now())).toEqual([{ type: 'done' }])
        await store.close()
        const after = new DatabaseSync(file, { readOnly: true })
        expect([readVersion(after), tablesOf(after)]).toEqual([
          MIGRATIONS.length,
          reference(MIGRATIONS.length),
        ])
        if (from > 0)
          expect(after.prepare('SELECT elapsed >= 77 AS kept FROM state').get()).toEqual({ kept: 1 })
        after.close()
      }
    },
  )

// -- read-only -----------------------------------------------------------------------------------

test.skipIf(!canMount)(
  'a file system that cannot be written is said, and copies on it can be verified',
  async () => {
    const folder = dirname(testFile())
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=16m,mode=0700', 'tmpfs', folder])
    onTestFinished(() => void execFileSync('umount', ['-l', folder]))
    const file = join(folder, 'signer.db')
    const copy = join(folder, 'backup.db')
    const store = await open(file)
    await store.commit(callOf(0), Date.now())
    await store.backup(copy)
    await store.close()
    execFileSync('mount', ['-o', 'remount,ro', folder])
    await expect(open(file)).rejects.toMatchObject({ code: 'store/read-only' })
    await expect(open(join(folder, 'other.db'))).rejects.toMatchObject({ code: 'store/read-only' })
    expect(await verifySqliteBackup(copy, { seal })).toMatchObject({
      sizes: { sessions: 1 },
      audit: { ok: true },
    })
    execFileSync('mount', ['-o', 'remount,rw', folder])
    await expectNothingLost(file, ['ok 0'])
  },
)

test.skipIf(!canTrace)(
  'a file system that turns read-only refuses commits with store/read-only, until it can be written again',
  async () => {
    const file = testFile()
    await (await open(file)).close()
    const under = ['strace', '-f', '-qq', '-o', '/dev/null', '-P', dirname(file), '-P', `${file}-wal`]
    for (const inject of ['pwrite64:error=EROFS:when=100..102', 'access:error=EROFS'])
      under.push('-e', `inject=${inject}`)
    const committer = startCommitter(file, { parallel: 2, under })
    await committer.line((line) => line.startsWith('store/read-only'))
    await committer.line((line) => line.startsWith('ok'))
    await committer.kill()
    await expectNothingLost(file, committer.lines)
  },
)

// -- a disk that hangs, a thread that dies -------------------------------------------------------

test.skipIf(!canTrace)(
  'on a disk that hangs commits are refused, and closing takes no longer than it may',
  async () => {
    const file = testFile()
    await (await open(file)).close()
    const hang = 'inject=fdatasync,fsync:delay_enter=900000000:when=20+'
    const under = ['strace', '-f', '-qq', '-o', '/dev/null', '-e', 'trace=fdatasync,fsync', '-e', hang]
    const committer = startCommitter(file, { parallel: 4, patienceMs: '500', under })
    await committer.line((line) => line.startsWith('ok'))
    await committer.line((line) => line.startsWith('store/busy'))
    process.kill(Number(readFileSync(`${file}.pid`, 'utf8')), 'SIGTERM')
    // What was being written, and nobody knows whether it was.
    await committer.line((line) => line.startsWith('store/closed'))
    await committer.line((line) => line === 'closed')
    await committer.kill()
    await expectNothingLost(file, committer.lines)
  },
)

test('when its thread dies everything is refused with store/down, and the next store goes on', async () => {
  const file = testFile()
  let worker: Worker | undefined
  process.once('worker', (started) => {
    worker = started as Worker
  })
  const store = await open(file)
  await store.commit(callOf(0), Date.now())
  const waiting = [store.commit(callOf(1), Date.now()), store.sizes()]
  const settled = Promise.allSettled(waiting)
  await worker?.terminate()
  for (const result of await settled)
    if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: 'store/down' })
  const later: readonly (() => Promise<unknown>)[] = [
    () => store.commit(callOf(2), Date.now()),
    () => store.load(Date.now()),
    () => store.read({ offers: ['x'] }),
    () => store.readAudit(),
    () => store.verifyAudit(),
    () => store.readHostRecords(),
    () => store.writeHostRecords([{ name: 'a', revision: 0, after: 1 }]),
    () => store.sizes(),
    () => store.backup(`${file}.copy`),
  ]
  for (const call of later) await expect(call(), `${call}`).rejects.toMatchObject({ code: 'store/down' })
  await store.close()
  await expect(store.commit(callOf(2), Date.now())).rejects.toMatchObject({ code: 'store/closed' })
  await expectNothingLost(file, ['ok 0'])
})
