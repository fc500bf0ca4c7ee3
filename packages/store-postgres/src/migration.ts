/**
 * Brings the schema to the version of this package, each version in a transaction of its own, one process at a time.
 * Never touches a schema that a newer version of this package has written.
 */

import { type Database, persist, type Run } from './database.ts'
import { PostgresStoreError, storeError } from './error.ts'
import { OPEN_MS, READ_MS } from './limits.ts'
import { MIGRATIONS } from './schema.ts'

/** What makes the versions, from 1. Other lists are for tests. */
export type Migrations = readonly ((schema: string, channel: string) => string)[]

/** `schema` is quoted, as an identifier. Rejects with an error of ours. */
export async function migrate(
  database: Database,
  schema: string,
  migrations: Migrations = MIGRATIONS,
): Promise<void> {
  try {
    // Whoever only uses the store needs no right to change it.
    const current = await persist(OPEN_MS, (left) => currentVersion(database, schema, migrations, left))
    if (current === migrations.length) return
    // A step whose outcome got lost is looked for by the next try.
    for (let done = -1; done < migrations.length; )
      done = await persist(OPEN_MS, () => database.transaction((run) => migrateOnce(run, schema, migrations)))
  } catch (error) {
    throw storeError(error)
  }
}

async function currentVersion(
  database: Database,
  schema: string,
  migrations: Migrations,
  patienceMs: number,
): Promise<number> {
  const there = await database.query<{ there: boolean }>(IS_THERE, [unquoted(schema)], patienceMs)
  if (there[0]?.there !== true) return 0
  const [row] = await database.query<{ version: number }>(versionQuery(schema), [], READ_MS)
  return checked(row?.version ?? 0, migrations)
}

/** Makes the next version, if there is one. Resolves with the version that is there then. */
async function migrateOnce(run: Run, schema: string, migrations: Migrations): Promise<number> {
  // Held until the transaction ends: of the transaction, not of the session, so that a pooler does not matter.
  await run(`SELECT pg_advisory_xact_lock(hashtextextended('nip46 migration ' || $1, 0))`, [schema])
  const [exists] = await run<{ there: boolean }>(IS_THERE, [unquoted(schema)])
  if (exists?.there !== true) {
    await run(`CREATE SCHEMA IF NOT EXISTS ${schema}`)
    await run(
      `CREATE TABLE ${schema}.migration (version int PRIMARY KEY, at timestamptz NOT NULL DEFAULT clock_timestamp())`,
    )
  }
  const [row] = await run<{ version: number }>(versionQuery(schema))
  const version = checked(row?.version ?? 0, migrations)
  const next = migrations[version]
  if (next === undefined) return version
  await run(`SET LOCAL search_path = ${schema}, pg_temp`)
  await run(next(schema, `'${unquoted(schema)}'`))
  await run(`INSERT INTO ${schema}.migration (version) VALUES ($1)`, [version + 1])
  return version + 1
}

/** Reads the catalog as a table: `to_regclass` may answer from a cache that a lock like ours does not refresh. */
const IS_THERE =
  "SELECT EXISTS (SELECT FROM pg_tables WHERE schemaname = $1 AND tablename = 'migration') AS there"

function unquoted(schema: string): string {
  return schema.slice(1, -1)
}

function versionQuery(schema: string): string {
  return `SELECT coalesce(max(version), 0) AS version FROM ${schema}.migration`
}

function checked(version: number, migrations: Migrations): number {
  if (version <= migrations.length) return version
  throw new PostgresStoreError(
    'store/newer-schema',
    `the schema has version ${version}, this package knows ${migrations.length}: use a newer one`,
  )
}
