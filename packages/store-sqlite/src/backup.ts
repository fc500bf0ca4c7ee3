/**
 * What is done with copies of a store: looking whether everything in one can be read, and putting one where a store was.
 * Never changes the copy.
 */

import { constants, copyFileSync, existsSync } from 'node:fs'
import { chmod, open } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { AuditVerdict, StoreSeal } from '@nip46/core/remote-signer'
import { verifyChain } from './audit.ts'
import { SqliteStoreError, storeError } from './error.ts'
import type { PagedTable, PlainFound, PlainHostRecord, Sizes } from './message.ts'
import { checkFolder, removeOwner } from './owner.ts'
import { createRecordCodec } from './record.ts'
import { openingOf } from './sqlite-store.ts'
import { type Reply, startThread } from './thread-link.ts'

/** What `verifySqliteBackup` found in a whole copy. */
export interface BackupVerdict {
  /** When it was made, in Unix milliseconds; null for a store that was merely copied. */
  readonly backupAt: number | null
  readonly sizes: Sizes
  readonly audit: AuditVerdict
}

/**
 * Checks the file's structure, opens everything that is sealed in it, and computes the audit chain anew. Rejects with `SqliteStoreError`:
 * `store/wrong-key`, `store/corrupt`, `store/newer`, `store/missing`. A broken audit chain is in the verdict.
 */
export async function verifySqliteBackup(
  file: string,
  { seal }: { readonly seal: StoreSeal },
): Promise<BackupVerdict> {
  const thread = await startThread(
    { ...openingOf(file, {}), readOnly: true, checkedBytes: Number.MAX_SAFE_INTEGER },
    performance.now(),
  )
  try {
    const { id, check, backupAt } = thread.opened
    if (check === null || !seal.open(check, `store ${id}`).ok)
      throw new SqliteStoreError('store/wrong-key', 'the copy was sealed with another key: use that one')
    const codec = createRecordCodec(seal)
    const readers: { readonly [T in PagedTable]: (found: PlainFound, bytes: ArrayBuffer) => void } = {
      keys: ({ keys }, bytes) => {
        for (const row of keys) codec.key(row, bytes).secret.fill(0)
      },
      sessions: ({ sessions }, bytes) => void sessions.map((row) => codec.session(row, bytes, true)),
      offers: ({ offers }, bytes) => void offers.map((row) => codec.offer(row, bytes)),
      clients: ({ clients }, bytes) => void clients.map((row) => codec.client(row, bytes)),
      claims: ({ claims }, bytes) => void claims.map((row) => codec.claim(row, bytes)),
      outbox: ({ outbox }, bytes) => void outbox.map((row) => codec.answer(row, bytes)),
    }
    for (const table of Object.keys(readers) as PagedTable[]) {
      for (let after: number | null = 0; after !== null; ) {
        const page: Reply<PlainFound> = await thread.ask({ type: 'page', table, after })
        readers[table](page.value, page.bytes)
        after = page.value.next
      }
    }
    const { value: records } = await thread.ask<readonly PlainHostRecord[]>({ type: 'host-records' })
    for (const row of records) codec.hostRecord(row)
    const audit = await verifyChain(thread, seal)
    const { value: sizes } = await thread.ask<Sizes>({ type: 'sizes' })
    return { backupAt, sizes, audit }
  } finally {
    await thread.end()
  }
}

/**
 * Verifies the copy and puts it at `file`, where nothing may be (`store/exists`). The next `openSqliteStore` there notices that it
 * is a backup, and says from when in `restoredAt`.
 */
export async function restoreSqliteBackup(
  backup: string,
  file: string,
  options: { readonly seal: StoreSeal },
): Promise<BackupVerdict> {
  const verdict = await verifySqliteBackup(backup, options)
  if (!verdict.audit.ok)
    throw new SqliteStoreError(
      'store/corrupt',
      'the audit log of this backup is damaged: take another backup',
    )
  try {
    checkFolder(file)
    for (const name of [file, `${file}-wal`, `${file}-journal`])
      if (existsSync(name))
        throw new SqliteStoreError('store/exists', `there is a store already: move ${name} away`)
    copyFileSync(backup, file, constants.COPYFILE_EXCL)
    await chmod(file, 0o600)
    for (const path of [file, dirname(file)]) {
      const handle = await open(path)
      try {
        await handle.sync()
      } finally {
        await handle.close()
      }
    }
    removeOwner(file)
    return verdict
  } catch (cause) {
    throw storeError(cause)
  }
}
