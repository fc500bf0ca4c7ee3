/**
 * What a store is opened with.
 * Never anything that was stored.
 */

import { type Millis, UsageError } from '@nip46/core'
import type { StoreSeal } from '@nip46/core/remote-signer'
import type { ClientConfig } from 'pg'
import { AUDIT_RECORDS, CONNECTIONS, LEASE_MS } from './limits.ts'

/** A connection as `pg` takes it, by its parts. `ssl` goes to `node:tls` as it is; `password` may be a function, asked for each connection. */
export type PostgresConnection = Pick<
  ClientConfig,
  'host' | 'port' | 'user' | 'password' | 'database' | 'ssl'
>

/** What the store is opened with. `connection` and `seal` are needed. */
export interface PostgresStoreOptions {
  /** `postgres://user:password@host:port/database?sslmode=verify-full`, or the parts. */
  readonly connection: string | PostgresConnection
  /** Encrypts every record but the audit log: `createSeal` of `@nip46/crypto/seal`. All members have the same key. */
  readonly seal: StoreSeal
  /**
   * True if `connection` leads to a pooler in transaction mode. Then `notifications` is needed to share the store, and no
   * session settings are made: give the role a `statement_timeout`.
   */
  readonly pooler?: boolean
  /** Where LISTEN works, if not over `connection`: a connection to the server itself. */
  readonly notifications?: string | PostgresConnection
  /** Default `nip46`. Made if it is missing and the role may. Lower-case letters, digits and `_`. */
  readonly schema?: string
  /** Connections of the pool. One more listens. Default `limits.CONNECTIONS`, from 2 to 100. */
  readonly connections?: number
  /** How long after its last sign of life a member is taken for dead. Default `limits.LEASE_MS`, from 500. */
  readonly leaseMs?: Millis
  /**
   * Names this process across its restarts: 1 to 63 letters, digits, `.`, `_` and `-`. Joining under a name ends the lease of
   * the process that joined under it before, so that its sessions need not wait for `leaseMs` after a crash. Every process that
   * runs at the same time needs a name of its own: of two with one name the older one is ended with `store/superseded`.
   */
  readonly instance?: string
  /**
   * Audit records that are kept, of all members together: when there are more the oldest go, about once a minute. The smallest of
   * what the members say counts. Default `limits.AUDIT_RECORDS`, from 1.
   */
  readonly auditRecords?: number
  /** For people: shown in `pg_stat_activity` and in the table `writer`. Default `nip46`. */
  readonly name?: string
  /** Open also where the server can lose what it acknowledged (fsync or full_page_writes off): for tests. */
  readonly acceptDataLoss?: boolean
  readonly onEvent?: (event: PostgresStoreEvent) => void
}

/** What `onEvent` of the store tells. */
export type PostgresStoreEvent =
  /** The database can be reached, or no longer. Told when it changes. */
  | { readonly type: 'reachable'; readonly reachable: boolean; readonly reason: string | null }
  /** See `PostgresStore.durability`. Told when it changes. */
  | { readonly type: 'durability'; readonly durability: Durability }

/**
 * - `sync`: what was committed is there after a crash of the server, and after a failover to a synchronous standby
 * - `async`: a failover to a standby that lags can lose the last commits, and an event could be executed again; or the server
 *   was accepted as it is with `acceptDataLoss`
 */
export type Durability = 'sync' | 'async'

/** The options, checked and with their defaults. */
export interface Settings {
  readonly connection: ClientConfig
  readonly notifications: ClientConfig
  readonly seal: StoreSeal
  readonly pooler: boolean
  /** Quoted, as an identifier. */
  readonly schema: string
  readonly connections: number
  readonly leaseMs: Millis
  readonly instance: string | null
  readonly auditRecords: number
  readonly name: string
  readonly acceptDataLoss: boolean
  readonly onEvent: (event: PostgresStoreEvent) => void
}

/** Throws `UsageError`, which never repeats what it was given. */
export function settingsOf(options: PostgresStoreOptions): Settings {
  const { schema = 'nip46', connections = CONNECTIONS, leaseMs = LEASE_MS, name = 'nip46' } = options
  if (!/^[a-z_][a-z0-9_]{0,62}$/.test(schema) || schema.startsWith('pg_'))
    throw new UsageError('schema is at most 63 of a-z, 0-9 and _, and does not begin with a digit or pg_')
  if (!Number.isInteger(connections) || connections < 2 || connections > 100)
    throw new UsageError('connections is a whole number from 2 to 100')
  if (!Number.isInteger(leaseMs) || leaseMs < 500 || leaseMs > 600_000)
    throw new UsageError('leaseMs is a whole number from 500 to 600,000')
  const { instance = null, auditRecords = AUDIT_RECORDS } = options
  if (instance !== null && !/^[A-Za-z0-9._-]{1,63}$/.test(instance))
    throw new UsageError('instance is 1 to 63 letters, digits, dots, underscores and hyphens')
  if (!Number.isSafeInteger(auditRecords) || auditRecords < 1)
    throw new UsageError('auditRecords is a whole number from 1')
  if (!/^[\x20-\x7e]{1,63}$/.test(name)) throw new UsageError('name is 1 to 63 printable ASCII characters')
  const connection = clientConfig(options.connection)
  return {
    connection,
    notifications: options.notifications === undefined ? connection : clientConfig(options.notifications),
    seal: options.seal,
    pooler: options.pooler ?? false,
    schema: `"${schema}"`,
    connections,
    leaseMs,
    instance,
    auditRecords,
    name,
    acceptDataLoss: options.acceptDataLoss ?? false,
    onEvent: options.onEvent ?? (() => undefined),
  }
}

function clientConfig(connection: string | PostgresConnection): ClientConfig {
  if (typeof connection !== 'string') return connection
  try {
    const { protocol } = new URL(connection)
    if (protocol === 'postgres:' || protocol === 'postgresql:') return { connectionString: connection }
  } catch {
    // The error of URL repeats all of it, with the password.
  }
  throw new UsageError(
    'connection is a URL that begins with postgres:// or postgresql://, or an object of its parts',
  )
}
