/**
 * @nip46/store-postgres: the store of many remote signers in one PostgreSQL, durable and encrypted.
 * Never logs, and never puts a password or a record into an error.
 */

export type { PostgresDescription } from './description.ts'
export { PostgresStoreError, type PostgresStoreErrorCode } from './error.ts'
export * as limits from './limits.ts'
export type { Durability, PostgresConnection, PostgresStoreEvent, PostgresStoreOptions } from './options.ts'
export { openPostgresStore, type PostgresStore } from './store.ts'
