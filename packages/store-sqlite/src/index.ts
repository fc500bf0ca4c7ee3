/**
 * @nip46/store-sqlite: the store of a remote signer in one SQLite file, durable and encrypted.
 * Never needs anything but Node.
 */

export { type BackupVerdict, restoreSqliteBackup, verifySqliteBackup } from './backup.ts'
export { SqliteStoreError, type SqliteStoreErrorCode } from './error.ts'
export * as limits from './limits.ts'
export type { Sizes } from './message.ts'
export { openSqliteStore, type SqliteStore, type SqliteStoreOptions } from './sqlite-store.ts'
