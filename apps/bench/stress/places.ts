/**
 * Stores for a stress run, empty and of its own: a file in a temporary folder, a database in a cluster of its own.
 * Never leaves one behind.
 */

import { mkdtempSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findPostgres, startPostgresCluster } from '@nip46/testing/postgres-cluster'
import { findPostgresStore, newSealKey, type StoreChoice } from '../src/load/store-choice.ts'

export interface Place {
  readonly choice: StoreChoice
  dispose(): Promise<void>
}

export type StoreName = StoreChoice['type']

/** Why there is none of this kind on this machine; undefined if there is. */
export async function missingPlace(name: StoreName): Promise<string | undefined> {
  if (name !== 'postgres') return undefined
  if ((await findPostgresStore()) === undefined) return '@nip46/store-postgres opens no store yet'
  const found = findPostgres()
  return 'missing' in found ? found.missing : undefined
}

export async function makePlace(name: StoreName): Promise<Place> {
  const sealKey = newSealKey()
  if (name === 'memory') return { choice: { type: 'memory' }, dispose: () => Promise.resolve() }
  if (name === 'postgres') {
    const cluster = await startPostgresCluster()
    const url = cluster.url(await cluster.createDatabase())
    return { choice: { type: 'postgres', url, sealKey }, dispose: () => cluster.dispose() }
  }
  const folder = mkdtempSync(join(tmpdir(), 'nip46-stress-'))
  return {
    choice: { type: 'sqlite', file: join(folder, 'bunker.db'), sealKey },
    dispose: () => rm(folder, { recursive: true, force: true }),
  }
}
