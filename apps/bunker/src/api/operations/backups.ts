/**
 * Backups of everything that a daemon keeps.
 * Never writes one that others than the owner can read.
 */

import { flag, list, nullable, object, type Schema } from '../schema.ts'
import type { BackupView } from '../shapes.ts'
import { amount, hash, line, path, time, words } from './fields.ts'
import type { OperationTable } from './operation.ts'

export interface BackupOperations {
  /** A new directory at this absolute path, for the owner only: store, keys (encrypted), settings, a manifest. */
  'backup.create': { input: { directory: string }; output: BackupView }
  'backup.verify': {
    input: { directory: string }
    output: { ok: boolean; problems: readonly string[]; backup: BackupView | null }
  }
}

const backupView: Schema<BackupView> = object<BackupView>({
  directory: path,
  createdAt: time,
  files: list(object<BackupView['files'][number]>({ name: line, bytes: amount, sha256: hash }), 100_000),
})
const directory = object<{ directory: string }>({ directory: path })

export const BACKUP_OPERATIONS: OperationTable<BackupOperations> = {
  'backup.create': {
    method: 'POST',
    path: '/backups',
    scope: 'admin',
    words: 'Writes a backup while the daemon runs.',
    input: directory,
    output: backupView,
  },
  'backup.verify': {
    method: 'POST',
    path: '/backups/verify',
    scope: 'admin',
    words: 'Whether a backup is whole and can be read.',
    input: directory,
    output: object<BackupOperations['backup.verify']['output']>({
      ok: flag('it is whole'),
      problems: list(words),
      backup: nullable(backupView),
    }),
  },
}
