/**
 * The tables, version by version, and the one way to get from each version to the next.
 * Never changes a version that was released: a new one is added below it.
 *
 * What has to be found is plain: pubkeys, event ids, token hashes, times. Everything else is sealed, but for the audit log,
 * which holds no secret and can be read without the key.
 */

import type { DatabaseSync } from 'node:sqlite'
import { SqliteStoreError } from './error.ts'

/** Tells our files from other SQLite files: `nip4` in ASCII. */
const APPLICATION_ID = 0x6e697034

export const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE state (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    id BLOB NOT NULL,
    seal_check BLOB,
    commits INTEGER NOT NULL,
    elapsed INTEGER NOT NULL,
    audit_seq INTEGER NOT NULL,
    audit_hash BLOB NOT NULL,
    anchor BLOB,
    checkpoint_seq INTEGER NOT NULL,
    checkpoint_hash BLOB NOT NULL,
    checkpoint_seal BLOB,
    backup_at INTEGER,
    restored_at INTEGER
  ) STRICT;
  INSERT INTO state VALUES (1, randomblob(16), NULL, 0, 0, 0, zeroblob(32), NULL, 0, zeroblob(32), NULL, NULL, NULL);
  CREATE TABLE keys (
    place INTEGER PRIMARY KEY,
    pubkey BLOB NOT NULL UNIQUE,
    created_at INTEGER NOT NULL,
    secret BLOB NOT NULL
  ) STRICT;
  CREATE TABLE sessions (
    place INTEGER PRIMARY KEY,
    signer BLOB NOT NULL,
    client BLOB NOT NULL,
    revision INTEGER NOT NULL,
    head BLOB NOT NULL,
    UNIQUE (signer, client)
  ) STRICT;
  CREATE TABLE parts (
    session INTEGER NOT NULL,
    id INTEGER NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (session, id)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE offers (
    place INTEGER PRIMARY KEY,
    token TEXT NOT NULL UNIQUE,
    revision INTEGER NOT NULL,
    body BLOB NOT NULL
  ) STRICT;
  CREATE TABLE clients (
    place INTEGER PRIMARY KEY,
    pubkey BLOB NOT NULL UNIQUE,
    body BLOB NOT NULL
  ) STRICT;
  CREATE TABLE claims (
    place INTEGER PRIMARY KEY,
    event_id BLOB NOT NULL UNIQUE,
    signer BLOB NOT NULL,
    client BLOB NOT NULL,
    at INTEGER NOT NULL,
    elapsed INTEGER NOT NULL,
    body BLOB NOT NULL
  ) STRICT;
  CREATE TABLE outbox (
    place INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    at INTEGER NOT NULL,
    body BLOB NOT NULL
  ) STRICT;
  CREATE TABLE audit (
    seq INTEGER PRIMARY KEY,
    prev BLOB NOT NULL,
    hash BLOB NOT NULL,
    record TEXT NOT NULL
  ) STRICT;
  `,
  `
  CREATE TABLE host_records (
    name TEXT PRIMARY KEY,
    revision INTEGER NOT NULL,
    body BLOB NOT NULL
  ) STRICT, WITHOUT ROWID;
  `,
  // One after the other as they come, not by session: a row of this size would otherwise need a page of its own.
  `
  ALTER TABLE parts RENAME TO old_parts;
  CREATE TABLE parts (
    place INTEGER PRIMARY KEY,
    session INTEGER NOT NULL,
    id INTEGER NOT NULL,
    body BLOB NOT NULL,
    UNIQUE (session, id)
  ) STRICT;
  INSERT INTO parts (session, id, body) SELECT session, id, body FROM old_parts;
  DROP TABLE old_parts;
  `,
]

/** Whether the file is empty, or a store of a version that this program knows. Throws if it is anything else. */
export function readVersion(database: DatabaseSync, known: number = MIGRATIONS.length): number {
  const version = readPragma(database, 'user_version')
  const application = readPragma(database, 'application_id')
  const tables = database.prepare('SELECT count(*) AS count FROM sqlite_schema').get()?.['count']
  const isEmpty = application === 0 && version === 0 && tables === 0
  if (!isEmpty && (application !== APPLICATION_ID || version < 1))
    throw new SqliteStoreError(
      'store/corrupt',
      'this file is not a store of a remote signer: name another file',
    )
  if (version > known)
    throw new SqliteStoreError(
      'store/newer',
      `the store has version ${version}, and this program knows ${known}: use the newer program`,
    )
  return version
}

/** Brings the database to the latest version, each step in a transaction of its own. Refuses what is not ours or newer. */
export function migrate(database: DatabaseSync, migrations: readonly string[] = MIGRATIONS): void {
  const version = readVersion(database, migrations.length)
  migrations.slice(version).forEach((statements, i) => {
    database.exec('BEGIN IMMEDIATE')
    try {
      database.exec(statements)
      database.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${version + i + 1}`)
      database.exec('COMMIT')
    } catch (cause) {
      if (database.isTransaction) database.exec('ROLLBACK')
      throw cause
    }
  })
}

export function readPragma(database: DatabaseSync, name: string): number {
  return Number(database.prepare(`PRAGMA ${name}`).get()?.[name])
}
