/**
 * The stores that a bunker of ours can be run on, as its process is told.
 * Never a store that others use: each run brings its own file or database.
 */

import { randomBytes } from 'node:crypto'
import type { AuditLog, AuditPage, AuditQuery, AuditRecord } from '@nip46/core/remote-signer'
import { createSeal } from '@nip46/crypto/seal'
import { type MemoryStore, memoryStore, type SignerStore } from '@nip46/remote-signer'
import { fromHex } from './parties.ts'

export type StoreChoice =
  | { readonly type: 'memory' }
  | { readonly type: 'sqlite'; readonly file: string; readonly sealKey: string }
  | {
      readonly type: 'postgres'
      readonly url: string
      readonly sealKey: string
      /** See `PostgresStoreOptions`. */
      readonly instance?: string
      readonly leaseMs?: number
    }

export interface OpenedStore {
  readonly store: SignerStore
  /** Ids of the events that were signed, and how many of these records say that the answer was not wanted. */
  readAudit(): Promise<Performed>
  close(): Promise<void>
}

export interface Performed {
  readonly eventIds: readonly string[]
  readonly undelivered: number
  /** The chains hold together; null where there are none. */
  readonly intact: boolean | null
}

export function newSealKey(): string {
  return randomBytes(32).toString('hex')
}

export async function openStore(choice: StoreChoice): Promise<OpenedStore> {
  if (choice.type === 'memory') return ofMemory(memoryStore())
  const seal = createSeal(fromHex(choice.sealKey))
  if (choice.type === 'sqlite') {
    const { openSqliteStore } = await import('@nip46/store-sqlite')
    return ofDatabase(await openSqliteStore(choice.file, { seal }))
  }
  const open = await findPostgresStore()
  if (open === undefined) throw new Error('@nip46/store-postgres opens no store yet')
  const { url: connection, instance, leaseMs } = choice
  return ofDatabase(
    await open({
      connection,
      seal,
      ...(instance !== undefined && { instance }),
      ...(leaseMs !== undefined && { leaseMs }),
    }),
  )
}

/** How a store in PostgreSQL is opened; undefined if its package cannot do it yet. */
export async function findPostgresStore(): Promise<
  ((options: object) => Promise<DatabaseStore>) | undefined
> {
  const module: Readonly<Record<string, unknown>> = await import('@nip46/store-postgres')
  const { openPostgresStore: open } = module
  return typeof open === 'function' ? (open as (options: object) => Promise<DatabaseStore>) : undefined
}

function ofMemory(store: MemoryStore): OpenedStore {
  return {
    store,
    readAudit: async () => performedOf(store.audit(), null),
    close: () => Promise.resolve(),
  }
}

type DatabaseStore = SignerStore & AuditLog & { close(): Promise<void> }

function ofDatabase(store: DatabaseStore): OpenedStore {
  return {
    store,
    async readAudit() {
      const records: AuditRecord[] = []
      let after: number | null = null
      do {
        const query: AuditQuery = { filter: { types: ['performed'] } }
        const page: AuditPage = await store.readAudit(after === null ? query : { ...query, after })
        records.push(...page.entries.map(({ record }) => record))
        after = page.next
      } while (after !== null)
      return performedOf(records, (await store.verifyAudit()).ok)
    },
    close: () => store.close(),
  }
}

function performedOf(records: readonly AuditRecord[], intact: boolean | null): Performed {
  const eventIds: string[] = []
  let undelivered = 0
  for (const record of records) {
    if (record.type !== 'performed' || record.error !== null) continue
    if (record.delivered) eventIds.push(record.subject.eventId ?? '')
    else undelivered += 1
  }
  return { eventIds, undelivered, intact }
}
