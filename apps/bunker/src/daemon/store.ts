/**
 * The store that the configuration names, opened.
 * Never falls back to another one.
 */

import { join } from 'node:path'
import { UsageError } from '@nip46/core'
import type { AuditLog, HostRecords, SignerStore } from '@nip46/core/remote-signer'
import { memoryStore } from '@nip46/remote-signer'
import { openSqliteStore, SqliteStoreError } from '@nip46/store-sqlite'
import { readPassphrase } from '../keys/passphrase.ts'
import type { Vault } from '../keys/vault.ts'
import type { Config } from './config.ts'
import { type StoreChoice, showStore } from './store-choice.ts'

/** What there is to know of a store beside its records. */
export interface StoreFacts {
  /** Whether it answered when it was last asked. */
  readonly reachable: boolean
  /** Version of the database server; null where there is none. */
  readonly server: string | null
  /** Version of the tables; null where nobody needs to know. */
  readonly schema: number | null
  /** `async`: a crash or a failover of the server may lose what it acknowledged. */
  readonly durability: 'sync' | 'async'
  /** When it was restored from a backup, in Unix milliseconds; null if it never was. */
  readonly restoredAt: number | null
  /** Daemons that share it and are alive, this one included, by name; empty where nobody can share it. */
  readonly daemons: readonly string[]
}

export interface OpenStore {
  readonly kind: StoreChoice['kind']
  /** A path or host, without credentials. */
  readonly place: string
  readonly store: SignerStore
  readonly audit: AuditLog
  /** What the daemon itself keeps there. */
  readonly records: HostRecords
  readonly facts: StoreFacts
  /** Asks for the facts again: daemons came or went. */
  look?(): Promise<void>
  /** A consistent copy as one file, while in use; undefined if this store has tools of its own for that. */
  readonly backup?: (file: string) => Promise<void>
  close(): Promise<void>
}

export interface StoreHost {
  readonly vault: Pick<Vault, 'seal'>
  /** See `instanceName`. */
  readonly instance: () => Promise<string>
  /** The database can be reached again, or no longer. */
  readonly onReach: (reachable: boolean) => void
}

/** Rejects with a `UsageError` that names the fix, or with what the store says. */
export async function openStore(config: Config, host: StoreHost): Promise<OpenStore> {
  const { store, data } = config
  if (store.kind === 'memory') return openMemoryStore()
  if (store.kind === 'sqlite') return openSqlite(store.path ?? join(data, 'store.sqlite'), config, host.vault)
  return openPostgres(store, config, host)
}

const ALONE: StoreFacts = {
  reachable: true,
  server: null,
  schema: null,
  durability: 'sync',
  restoredAt: null,
  daemons: [],
}

async function openPostgres(
  choice: Extract<StoreChoice, { kind: 'postgres' }>,
  config: Config,
  { vault, instance, onReach }: StoreHost,
): Promise<OpenStore> {
  // Loaded by those who have one: it brings a database client with it.
  const { openPostgresStore, PostgresStoreError } = await import('@nip46/store-postgres')
  const place = showStore(choice)
  let reachable = true
  try {
    const name = await instance()
    const store = await openPostgresStore({
      connection: await withPassword(choice.url, config),
      seal: vault.seal(),
      name,
      instance: name,
      auditRecords: config.auditRecords,
      onEvent(event) {
        if (event.type !== 'reachable') return
        reachable = event.reachable
        onReach(reachable)
      },
    })
    let described = await store.describe()
    return {
      kind: 'postgres',
      place,
      store,
      audit: store,
      records: store,
      get facts() {
        return {
          reachable,
          server: described.serverVersion,
          schema: described.schemaVersion,
          durability: store.durability,
          restoredAt: store.restoredAt,
          daemons: described.members.map(({ name }) => name),
        }
      },
      async look() {
        described = await store.describe()
      },
      close: () => store.close(),
    }
  } catch (cause) {
    if (!(cause instanceof PostgresStoreError)) throw cause
    const fix = POSTGRES_FIXES[cause.code]
    throw new UsageError(`${place}: ${cause.message} (${cause.code})${fix === undefined ? '' : `: ${fix}`}`)
  }
}

const POSTGRES_FIXES: Readonly<Record<string, string>> = {
  'store/unavailable': 'see whether it runs, and whether "store" names its host and port',
  'store/refused': 'look at "store" and at the password',
  'store/wrong-key':
    'all daemons on one database have the same vault: copy the directory "vault" from the host that was there first',
  'store/no-notifications': 'let "store" lead to the server itself, not to a pooler',
}

/** The password goes in where every form of the URL takes it, also one of a socket. */
async function withPassword(
  text: string,
  { storePasswordFile, storePasswordCredential }: Config,
): Promise<string> {
  if (storePasswordFile === null && storePasswordCredential === null) return text
  const bytes = await readPassphrase(
    storePasswordFile === null
      ? { type: 'credential', name: storePasswordCredential ?? '' }
      : { type: 'file', path: storePasswordFile },
  )
  const url = new URL(text)
  url.searchParams.set('password', new TextDecoder().decode(bytes))
  bytes.fill(0)
  return url.href
}

async function openSqlite(
  file: string,
  { auditRecords }: Config,
  vault: Pick<Vault, 'seal'>,
): Promise<OpenStore> {
  try {
    const store = await openSqliteStore(file, { seal: vault.seal(), auditRecords })
    return {
      kind: 'sqlite',
      place: file,
      store,
      audit: store,
      records: store,
      facts: { ...ALONE, restoredAt: store.restoredAt },
      backup: (copy) => store.backup(copy),
      close: () => store.close(),
    }
  } catch (cause) {
    if (!(cause instanceof SqliteStoreError)) throw cause
    const owner = cause.pid === undefined ? '' : ` (process ${cause.pid})`
    if (cause.code === 'store/locked')
      throw new UsageError(
        `another daemon${owner} uses ${file}: stop it first, or give this one another --data`,
      )
    throw new UsageError(`${file}: ${cause.message} (${cause.code})`)
  }
}

const NO_HASH = '0'.repeat(64)

/** For a process whose state need not outlive it. Its log has no chain that could be verified. */
export function openMemoryStore(): OpenStore {
  const store = memoryStore()
  const audit: AuditLog = {
    async readAudit({ order = 'oldest', after, limit = 1_000, filter = {} } = {}) {
      const all = store.audit().map((record, at) => ({ record, position: at + 1 }))
      const inOrder = order === 'newest' ? all.toReversed() : all
      const matching = inOrder.filter(
        ({ record, position }) =>
          (after === undefined || (order === 'newest' ? position < after : position > after)) &&
          (filter.types?.includes(record.type) ?? true) &&
          (filter.clientPubkey ?? record.clientPubkey) === record.clientPubkey &&
          (filter.userPubkey ?? record.userPubkey) === record.userPubkey &&
          (filter.signerPubkey ?? record.signerPubkey) === record.signerPubkey &&
          record.at >= (filter.since ?? 0) &&
          record.at <= (filter.until ?? Number.MAX_SAFE_INTEGER),
      )
      const entries = matching.slice(0, limit).map(({ record, position }) => ({
        position,
        chain: 'memory',
        seq: position,
        prev: NO_HASH,
        hash: NO_HASH,
        record,
      }))
      return { entries, next: matching.length > limit ? (entries.at(-1)?.position ?? null) : null }
    },
    verifyAudit: async () => ({ ok: true, entries: store.audit().length, chains: [] }),
  }
  const place = showStore({ kind: 'memory' })
  return { kind: 'memory', place, store, audit, records: store, facts: ALONE, close: async () => undefined }
}
