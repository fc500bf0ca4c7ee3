/** What the tests of this package share: databases of their own on the cluster of the run, stores on them, psql. */

import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { createSeal } from '@nip46/crypto/seal'
import { openPostgresStore, type PostgresStore, type PostgresStoreOptions } from '@nip46/store-postgres'
import type { StoreUnderTest } from '@nip46/testing'
import { describe, inject } from 'vitest'
import type { ServerAddress } from './global-setup.ts'

export const NOW = 1_767_225_600_000
export const SEAL_KEY: Uint8Array = new Uint8Array(32).fill(9)

/** A suite that needs PostgreSQL. */
export function describeServer(name: string, body: (server: ServerAddress) => void): void {
  const server = inject('server')
  if (server === null) describe.skip(`${name} (${inject('missing')})`, () => body(NO_SERVER))
  else describe(name, () => body(server))
}

const NO_SERVER: ServerAddress = { url: '', host: '', port: 0, user: '', password: '', programs: '' }

const run = promisify(execFile)

async function program(server: ServerAddress, name: string, args: readonly string[]): Promise<string> {
  const { host: PGHOST, port, user: PGUSER, password: PGPASSWORD } = server
  const env = { PATH: process.env['PATH'], PGHOST, PGPORT: String(port), PGUSER, PGPASSWORD }
  const { stdout } = await run(join(server.programs, name), [...args], { env, maxBuffer: 1 << 30 })
  return stdout.trimEnd()
}

/** Runs SQL as the superuser; rows with `|` between the fields. */
export function sql(server: ServerAddress, database: string, text: string): Promise<string> {
  const args = ['--no-psqlrc', '--quiet', '--tuples-only', '--no-align', '--set=ON_ERROR_STOP=1']
  return program(server, 'psql', [...args, '--dbname', database, '--command', text])
}

export function dump(server: ServerAddress, database: string): Promise<string> {
  return program(server, 'pg_dump', ['--dbname', database])
}

/** A new, empty database. */
export async function newDatabase(
  server: ServerAddress,
): Promise<{ readonly name: string; readonly url: string }> {
  const name = `t_${randomBytes(6).toString('hex')}`
  await sql(server, 'postgres', `CREATE DATABASE ${name}`)
  return { name, url: server.url.replace(/\/[^/]*$/, `/${name}`) }
}

export function open(url: string, options: Partial<PostgresStoreOptions> = {}): Promise<PostgresStore> {
  return openPostgresStore({ connection: url, seal: createSeal(SEAL_KEY), ...options })
}

export interface PostgresUnderTest extends StoreUnderTest {
  readonly store: PostgresStore
  reopen(): Promise<PostgresUnderTest>
}

/** For the suites of `@nip46/testing`. */
export async function underTest(server: ServerAddress): Promise<PostgresUnderTest> {
  const { url } = await newDatabase(server)
  const wrap = (store: PostgresStore): PostgresUnderTest => ({
    store,
    async reopen() {
      await store.close()
      return wrap(await open(url))
    },
    dispose: () => store.close(),
  })
  return wrap(await open(url))
}
