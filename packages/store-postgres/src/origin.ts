/**
 * Whether these tables are where they were made: a dump that was restored into another database, or again into this one, is told.
 * Never looks at a clock of this machine: the moment is the server's.
 */

import type { Millis } from '@nip46/core'
import { type Database, persist } from './database.ts'
import { PostgresStoreError } from './error.ts'
import { READ_MS } from './limits.ts'

/** When the tables were found restored; null if they never were. A copy of the server's files is not told from the original. */
export async function findRestore(database: Database, schema: string): Promise<Millis | null> {
  const query = <R extends object>(text: string, values: readonly unknown[] = []) =>
    persist(READ_MS, (left) => database.query<R & Record<string, unknown>>(text, values, left))
  const [here] = await query<{ place: string }>(
    `SELECT concat_ws(' ', (SELECT oid FROM pg_database WHERE datname = current_database()), '${schema}.origin'::regclass::oid) AS place`,
  )
  if (here === undefined) throw new PostgresStoreError('store/failed', 'the server says nothing of itself')
  const server = await readServer(query)
  await query(`INSERT INTO ${schema}.origin (place, server) VALUES ($1, $2) ON CONFLICT DO NOTHING`, [
    here.place,
    server,
  ])
  // Several may find it at once: the first one says when.
  await query(
    `UPDATE ${schema}.origin SET place = $1, server = coalesce($2, server),
       restored_at = (extract(epoch FROM clock_timestamp()) * 1000)::bigint
     WHERE place <> $1 OR server <> $2`,
    [here.place, server],
  )
  const [row] = await query<{ restored_at: string | null }>(`SELECT restored_at FROM ${schema}.origin`)
  return row?.restored_at == null ? null : Number(row.restored_at)
}

/** Null where this role may not ask. */
async function readServer(
  query: (text: string) => Promise<readonly { readonly id?: unknown }[]>,
): Promise<string | null> {
  try {
    const [row] = await query('SELECT system_identifier::text AS id FROM pg_control_system()')
    return typeof row?.id === 'string' ? row.id : null
  } catch (cause) {
    if (cause instanceof PostgresStoreError && cause.code === 'store/refused') return null
    throw cause
  }
}
