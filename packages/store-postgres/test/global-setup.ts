/** One cluster of PostgreSQL for all test files of this package; where there is none they are left out, with the reason. */

import { findPostgres, type PostgresCluster, startPostgresCluster } from '@nip46/testing/postgres-cluster'
import type { TestProject } from 'vitest/node'

declare module 'vitest' {
  export interface ProvidedContext {
    /** How to reach the cluster as its superuser; null where there is no PostgreSQL. */
    readonly server: ServerAddress | null
    /** Why there is none. */
    readonly missing: string
  }
}

export interface ServerAddress {
  readonly url: string
  readonly host: string
  readonly port: number
  readonly user: string
  readonly password: string
  /** The folder of `psql` and `pg_dump`. */
  readonly programs: string
}

export async function setup(project: TestProject): Promise<(() => Promise<void>) | undefined> {
  const found = findPostgres()
  if ('missing' in found) {
    project.provide('server', null)
    project.provide('missing', found.missing)
    return
  }
  const cluster: PostgresCluster = await startPostgresCluster({ programs: found })
  const { host, port, user, password } = cluster
  project.provide('server', { url: cluster.url(), host, port, user, password, programs: found.folder })
  project.provide('missing', '')
  return () => cluster.dispose()
}
