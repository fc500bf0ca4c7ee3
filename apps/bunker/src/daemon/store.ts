/**
 * The store that the configuration names, opened.
 * Never falls back to another one.
 */

import { join } from 'node:path'
import { UsageError } from '@nip46/core'
import type { AuditLog, SignerStore } from '@nip46/core/remote-signer'
import { memoryStore } from '@nip46/remote-signer'
import { openSqliteStore, StoreError } from '@nip46/store-sqlite'
import type { Vault } from '../keys/vault.ts'
import { type Config, type StoreChoice, showStore } from './config.ts'

export interface OpenStore {
  readonly kind: StoreChoice['kind']
  /** A path or host, without credentials. */
  readonly place: string
  readonly store: SignerStore
  readonly audit: AuditLog
  /** A consistent copy as one file, while in use; undefined if this store has tools of its own for that. */
  readonly backup?: (file: string) => Promise<void>
  close(): Promise<void>
}

/** Rejects with a `UsageError` that names the fix, or with what the store says. */
export async function openStore({ store, data }: Config, vault: Vault): Promise<OpenStore> {
  if (store.kind === 'memory') return openMemoryStore()
  if (store.kind === 'sqlite') return openSqlite(store.path ?? join(data, 'store.sqlite'), vault)
  throw new UsageError('PostgreSQL is not there in this version: set "store" to sqlite')
}

async function openSqlite(file: string, vault: Vault): Promise<OpenStore> {
  try {
    const store = await openSqliteStore(file, { seal: vault.seal() })
    return {
      kind: 'sqlite',
      place: file,
      store,
      audit: store,
      backup: (copy) => store.backup(copy),
      close: () => store.close(),
    }
  } catch (cause) {
    if (!(cause instanceof StoreError)) throw cause
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
  return { kind: 'memory', place: showStore({ kind: 'memory' }), store, audit, close: async () => undefined }
}
