/**
 * What the database says about itself and about who shares it, for the owner.
 * Never asked for by a commit, and never holds anything that was stored.
 */

import { type Database, persist } from './database.ts'
import { PostgresStoreError } from './error.ts'
import { READ_MS } from './limits.ts'

/** What is at the other end: the server, its tables, and who shares them. */
export interface PostgresDescription {
  /** Such as `15.8`. */
  readonly serverVersion: string
  /** Of the tables: how many migrations were made. */
  readonly schemaVersion: number
  /** Who is not taken for dead, in the order in which they joined. `name` is the one that the store was opened with. */
  readonly members: readonly { readonly id: string; readonly name: string }[]
}

export async function describeDatabase(database: Database, schema: string): Promise<PostgresDescription> {
  const [row] = await persist(READ_MS, (left) =>
    database.query<{
      readonly server: string
      readonly version: number
      readonly members: PostgresDescription['members']
    }>(
      `SELECT split_part(current_setting('server_version'), ' ', 1) AS server,
         (SELECT max(version) FROM ${schema}.migration) AS version,
         (SELECT coalesce(jsonb_agg(jsonb_build_object('id', member.id::text, 'name', writer.name) ORDER BY member.id), '[]')
            FROM ${schema}.member JOIN ${schema}.writer ON writer.id = member.writer) AS members`,
      [],
      left,
    ),
  )
  if (row === undefined) throw new PostgresStoreError('store/failed', 'the server says nothing of itself')
  return { serverVersion: row.server, schemaVersion: row.version, members: row.members }
}
