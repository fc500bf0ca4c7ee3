/**
 * The records of the host: few and small, so each call is a transaction of its own.
 * Never opens a seal.
 */

import type { DatabaseSync } from 'node:sqlite'
import { blobOf, numberOf, textOf } from './blob.ts'
import type { PlainHostRecord, PlainHostRecordChange } from './message.ts'

/** All of them, in the order of their names. */
export function readHostRecords(database: DatabaseSync): readonly PlainHostRecord[] {
  return database
    .prepare('SELECT name, revision, body FROM host_records ORDER BY name')
    .all()
    .map((row) => ({
      name: textOf(row, 'name'),
      revision: numberOf(row, 'revision'),
      body: blobOf(row, 'body'),
    }))
}

/** False, and nothing is written, if one of them has another revision. */
export function writeHostRecords(database: DatabaseSync, changes: readonly PlainHostRecordChange[]): boolean {
  const revisionOf = database.prepare('SELECT revision FROM host_records WHERE name = ?')
  const put = database.prepare('INSERT OR REPLACE INTO host_records (name, revision, body) VALUES (?, ?, ?)')
  const forget = database.prepare('DELETE FROM host_records WHERE name = ?')
  database.exec('BEGIN IMMEDIATE')
  try {
    const isStale = changes.some(({ name, revision }) => {
      const row = revisionOf.get(name)
      return (row === undefined ? 0 : numberOf(row, 'revision')) !== revision
    })
    for (const { name, revision, body } of isStale ? [] : changes) {
      if (body === null) forget.run(name)
      else put.run(name, revision + 1, body)
    }
    database.exec('COMMIT')
    return !isStale
  } catch (cause) {
    if (database.isTransaction) database.exec('ROLLBACK')
    throw cause
  }
}
