/**
 * Opening the database: exclusive, checked, at the latest version.
 * Never opens what it cannot trust, and never waits for another remote signer.
 */

import { statSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { isLocked, SqliteStoreError } from './error.ts'
import { CACHE_KIB, CHECKPOINT_PAGES, LOCK_RETRY_MS, LOG_BYTES } from './limits.ts'
import type { Opening } from './message.ts'
import { checkFile, checkFolder, readOwner, writeOwner } from './owner.ts'
import { MIGRATIONS, migrate, readVersion } from './schema.ts'

/** Throws `SqliteStoreError`, or what SQLite and the file system throw. Waits `lockPatienceMs` for a lock, without returning. */
export function openConnection(opening: Opening): DatabaseSync {
  const { file, readOnly } = opening
  if (!readOnly) checkFolder(file)
  checkFile(file, !readOnly)
  const database = new DatabaseSync(file, { readOnly })
  try {
    if (!readOnly) takeLock(database, opening)
    configure(database, readOnly)
    const version = readVersion(database)
    if (readOnly && version === 0)
      throw new SqliteStoreError(
        'store/corrupt',
        'this file is not a store of a remote signer: name another file',
      )
    if (version > 0) checkIntegrity(database, sizeOf(file) <= opening.checkedBytes)
    if (!readOnly) migrate(database)
    else if (version < MIGRATIONS.length)
      throw new SqliteStoreError(
        'store/usage',
        'an older version made this copy: open it with `restore` first',
      )
    return database
  } catch (cause) {
    closeQuietly(database)
    throw cause
  }
}

function takeLock(database: DatabaseSync, { file, lockPatienceMs }: Opening): void {
  const until = performance.now() + lockPatienceMs
  // From the first access on the lock stays, and the index of the log is in memory: no other process can write, or read.
  database.exec('PRAGMA locking_mode = EXCLUSIVE')
  for (;;) {
    try {
      database.exec('BEGIN EXCLUSIVE; COMMIT')
      break
    } catch (cause) {
      if (!isLocked(cause)) throw cause
      const owner = readOwner(file)
      const isOver = performance.now() >= until
      if (owner !== undefined && (owner.isAlive || isOver))
        throw new SqliteStoreError(
          'store/locked',
          `store/locked by pid ${owner.pid}: end that process first`,
          {
            pid: owner.pid,
          },
        )
      if (isOver) throw cause
    }
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, LOCK_RETRY_MS)
  }
  writeOwner(file)
}

function configure(database: DatabaseSync, readOnly: boolean): void {
  database.exec(`
    PRAGMA trusted_schema = OFF;
    PRAGMA cell_size_check = ON;
    PRAGMA temp_store = MEMORY;
    PRAGMA cache_size = -${CACHE_KIB};
  `)
  if (readOnly) return
  database.exec(`
    PRAGMA synchronous = FULL;
    PRAGMA secure_delete = FAST;
    PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES};
    PRAGMA journal_size_limit = ${LOG_BYTES};
  `)
  const mode = database.prepare('PRAGMA journal_mode = WAL').get()?.['journal_mode']
  if (mode !== 'wal')
    throw new SqliteStoreError('store/io', 'this file system cannot hold a write-ahead log: use a local disk')
}

/** Of a large file only what is small and not sealed row by row. */
function checkIntegrity(database: DatabaseSync, whole: boolean): void {
  const checks = whole
    ? ['integrity_check(1)']
    : ['keys', 'offers', 'clients', 'outbox', 'state'].map((table) => `integrity_check(${table})`)
  for (const check of checks) {
    const result = database.prepare(`PRAGMA ${check}`).get()
    if (result?.['integrity_check'] !== 'ok')
      throw new SqliteStoreError('store/corrupt', 'the store is damaged: restore a backup')
  }
}

export function sizeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0
}

/** What cannot even be closed is left to the end of the process. */
export function closeQuietly(database: DatabaseSync): void {
  try {
    database.close()
  } catch {
    // SQLite gives up its locks in any case.
  }
}
