/**
 * The store: seals what is committed, has it written by its thread in groups, and opens what is read.
 * Never resolves a commit that is not on the disk.
 */

import { limits as coreLimits, type Millis } from '@nip46/core'
import type {
  AuditLog,
  CommitOutcome,
  HostRecords,
  SignerStore,
  StoreChange,
  StoreSeal,
} from '@nip46/core/remote-signer'
import { createAnchor, openAnchor } from './anchor.ts'
import { fitsAnchor, plainQuery, readRecord, verifyChain } from './audit.ts'
import { type Call, type CommitLaneBounds, createCommitLane, steadyClock } from './commit-lane.ts'
import { closedError, SqliteStoreError } from './error.ts'
import * as limits from './limits.ts'
import type {
  ChainPoint,
  GroupReply,
  Opening,
  PagedTable,
  PlainAuditPage,
  PlainCall,
  PlainFound,
  PlainHostRecord,
  PlainWanted,
  Sizes,
} from './message.ts'
import { Packer } from './packer.ts'
import { createRecordCodec } from './record.ts'
import { type Reply, startThread, type ThreadLink } from './thread-link.ts'

/** The bounds of one store, see limits.ts. Others than these are for tests. */
export interface Bounds
  extends CommitLaneBounds,
    Pick<Opening, 'claims' | 'clientKeys' | 'outbox' | 'checkedBytes' | 'lockPatienceMs'> {
  readonly closePatienceMs: number
}

export const BOUNDS: Bounds = {
  claims: limits.CLAIMS,
  clientKeys: limits.CLIENT_KEYS,
  outbox: limits.OUTBOX,
  checkedBytes: limits.CHECKED_BYTES,
  lockPatienceMs: limits.LOCK_PATIENCE_MS,
  groupChanges: limits.GROUP_CHANGES,
  groupBytes: limits.GROUP_BYTES,
  waitingChanges: limits.WAITING_CHANGES,
  waitingBytes: limits.WAITING_BYTES,
  commitPatienceMs: limits.COMMIT_PATIENCE_MS,
  closePatienceMs: limits.CLOSE_PATIENCE_MS,
}

/** What the store is opened with. Only `seal` is needed. */
export interface SqliteStoreOptions {
  /** Encrypts everything that need not be looked up. The same key each time. */
  readonly seal: StoreSeal
  /** Audit records that are kept. Default `limits.AUDIT_RECORDS`. */
  readonly auditRecords?: number
  /** Unix time in milliseconds. Default: the host's clock. */
  readonly now?: () => Millis
  /** Milliseconds of a clock that nobody sets. Default `performance.now`. */
  readonly steadyNow?: () => number
}

/** The store of one remote signer in one file, with its audit log and the records of its host. Methods reject with `SqliteStoreError`. */
export interface SqliteStore extends SignerStore, AuditLog, HostRecords {
  readonly file: string
  /** When it was made from a backup: events from before may have been executed since that backup. Null if it was not. */
  readonly restoredAt: Millis | null
  /** How much of each is kept. */
  sizes(): Promise<Sizes>
  /**
   * Makes a copy of this moment; commits wait meanwhile. What is sealed stays sealed. Rejects with `store/exists` rather than
   * overwrite.
   * Check it with `verifySqliteBackup`.
   */
  backup(file: string): Promise<void>
  /** Writes what waits, within `limits.CLOSE_PATIENCE_MS`, and gives the file up. Twice is harmless. */
  close(): Promise<void>
}

interface Commit extends Call {
  readonly given: readonly StoreChange[]
  readonly resolve: (outcomes: readonly CommitOutcome[]) => void
}

/**
 * Opens the store in this file, or makes it. Rejects with `SqliteStoreError`: `store/locked` if another process has it, `store/mode` if
 * others may read it, `store/newer`, `store/wrong-key`, `store/corrupt`.
 *
 * ```ts
 * const store = await openSqliteStore('/var/lib/bunker/signer.db', { seal: createSeal(dataKey) })
 * ```
 */
export function openSqliteStore(file: string, options: SqliteStoreOptions): Promise<SqliteStore> {
  return openBoundedStore(file, options, BOUNDS)
}

export async function openBoundedStore(
  file: string,
  options: SqliteStoreOptions,
  bounds: Bounds,
): Promise<SqliteStore> {
  const now = options.now ?? Date.now
  const steadyNow = options.steadyNow ?? (() => performance.now())
  const thread = await startThread(openingOf(file, options, bounds), steadyNow())
  try {
    return await makeStore(file, options, bounds, thread, now, steadyNow)
  } catch (cause) {
    await thread.ask({ type: 'close' }).catch(() => undefined)
    await thread.end()
    throw cause
  }
}

export function openingOf(
  file: string,
  { auditRecords = limits.AUDIT_RECORDS }: Partial<SqliteStoreOptions>,
  { claims, clientKeys, outbox, checkedBytes, lockPatienceMs }: Bounds = BOUNDS,
): Opening {
  return {
    file,
    readOnly: false,
    claims,
    clientKeys,
    outbox,
    auditRecords,
    checkedBytes,
    lockPatienceMs,
    claimMemoryMs: coreLimits.EXECUTED_MEMORY_SECONDS * 1_000,
  }
}

async function makeStore(
  file: string,
  { seal }: SqliteStoreOptions,
  bounds: Bounds,
  thread: ThreadLink,
  now: () => Millis,
  steadyNow: () => number,
): Promise<SqliteStore> {
  const { opened } = thread
  const { id } = opened
  let { restoredAt } = opened
  const codec = createRecordCodec(seal)
  if (opened.check === null) {
    const check = seal.seal(new Uint8Array(0), `store ${id}`)
    const anchor = createAnchor(seal, id, opened.head)
    await thread.ask({ type: 'begin', check, anchor })
  } else if (!seal.open(opened.check, `store ${id}`).ok)
    throw new SqliteStoreError('store/wrong-key', 'the store was sealed with another key: use that one')
  if (opened.backupAt !== null) {
    restoredAt = now()
    await thread.ask({ type: 'restored', now: restoredAt })
  }
  // A chain that is not the one that was sealed keeps its old anchor, so that every verification tells of it.
  const isAnchored = opened.check === null || (await fitsAnchor(thread, openAnchor(seal, id, opened.anchor)))
  let head: ChainPoint = opened.head
  let anchored: ChainPoint = head
  let drop: ChainPoint | null = null

  let isClosed = false

  const isAnchorDue = (): boolean => isAnchored && head.seq !== anchored.seq

  const write = async (calls: readonly Commit[]): Promise<void> => {
    try {
      const point = head
      const anchor = isAnchorDue() ? createAnchor(seal, id, point) : null
      const checkpoint =
        drop === null ? null : { ...drop, sealed: createAnchor(seal, id, drop, 'checkpoint') }
      let length = 0
      const bases = calls.map(({ packer }) => {
        length += packer.length
        return length - packer.length
      })
      const bytes = new ArrayBuffer(length)
      const view = new Uint8Array(bytes)
      calls.forEach(({ packer }, i) => {
        packer.write(view, bases[i] ?? 0)
      })
      const plain = calls.map(
        ({ now: at, changes }, i): PlainCall => ({ now: at, changes, base: bases[i] ?? 0 }),
      )
      const group = { steady: steadyNow(), anchor, checkpoint }
      const reply = await thread.ask<string>({ type: 'group', group, calls: JSON.stringify(plain), bytes }, [
        bytes,
      ])
      const replied = JSON.parse(reply.value) as GroupReply
      const isFailed = replied.calls.length > 0 && replied.calls.every(({ type }) => type === 'failed')
      if (anchor !== null && !isFailed) anchored = point
      head = replied.head
      drop = replied.drop
      calls.forEach((call, i) => {
        settle(call, replied.calls[i], reply.bytes)
      })
    } catch (cause) {
      for (const { reject } of calls) reject(cause)
    }
  }

  const settle = (call: Commit, reply: GroupReply['calls'][number] | undefined, bytes: ArrayBuffer): void => {
    if (reply?.type !== 'outcomes') {
      call.reject(
        new SqliteStoreError(reply?.code ?? 'store/io', reply?.message ?? 'the store gave no outcome'),
      )
      return
    }
    try {
      const outcomes = reply.outcomes.map((outcome) => codec.outcome(outcome, bytes))
      outcomes.forEach(({ type }, i) => {
        if (type === 'done') codec.remember(call.given[i] as StoreChange)
      })
      call.resolve(outcomes)
    } catch (cause) {
      call.reject(cause)
    }
  }

  const lane = createCommitLane<Commit>({ bounds, clock: steadyClock, write, hasRest: isAnchorDue })

  const readAll = async <T>(
    table: PagedTable,
    take: (found: PlainFound, bytes: ArrayBuffer) => readonly T[],
  ): Promise<readonly T[]> => {
    const all: T[] = []
    for (let after: number | null = 0; after !== null; ) {
      const page: Reply<PlainFound> = await thread.ask({ type: 'page', table, after })
      for (const item of take(page.value, page.bytes)) all.push(item)
      after = page.value.next
    }
    return all
  }

  const store: SqliteStore = {
    file,
    get restoredAt() {
      return restoredAt
    },
    async load(at) {
      if (isClosed) throw closedError()
      return lane.standStill(async () => ({
        restoredAt,
        keys: await readAll('keys', ({ keys }, bytes) => keys.map((row) => codec.key(row, bytes))),
        sessions: await readAll('sessions', ({ sessions }, bytes) =>
          sessions.map((row) => codec.session(row, bytes)),
        ),
        offers: await readAll('offers', (found, bytes) => codec.found(found, bytes).offers),
        clients: await readAll('clients', ({ clients }, bytes) =>
          clients.map((row) => codec.client(row, bytes)),
        ),
        outbox: await readAll('outbox', ({ outbox }, bytes) =>
          outbox
            .filter((row) => at - row.at <= limits.OUTBOX_MEMORY_MS)
            .map((row) => codec.answer(row, bytes)),
        ),
      }))
    },
    commit(changes, at) {
      return new Promise((resolve, reject) => {
        if (isClosed) throw closedError()
        if (changes.length === 0) return resolve([])
        lane.expectRoom(changes.length)
        const packer = new Packer()
        const plain = changes.map((change) => codec.encode(change, packer))
        lane.push({ given: changes, changes: plain, packer, now: at, resolve, reject })
      })
    },
    async read({ sessions = [], offers = [], keys = [] }) {
      if (isClosed) throw closedError()
      if (sessions.length + offers.length + keys.length > limits.READ_RECORDS)
        throw new SqliteStoreError(
          'store/usage',
          `at most ${limits.READ_RECORDS} records can be read at once`,
        )
      const wanted: PlainWanted = {
        sessions: sessions.map(({ signerPubkey, clientPubkey }) => ({
          signer: signerPubkey,
          client: clientPubkey,
        })),
        offers,
        keys,
      }
      const { value, bytes } = await thread.ask<PlainFound>({ type: 'read', wanted })
      return codec.found(value, bytes)
    },
    async readClaimed(eventIds) {
      if (isClosed) throw closedError()
      if (eventIds.length > limits.READ_RECORDS)
        throw new SqliteStoreError(
          'store/usage',
          `at most ${limits.READ_RECORDS} records can be read at once`,
        )
      return (await thread.ask<readonly string[]>({ type: 'claimed', eventIds })).value
    },
    async readAudit(query = {}) {
      if (isClosed) throw closedError()
      const { value } = await thread.ask<PlainAuditPage>({ type: 'audit', query: plainQuery(query) })
      return {
        entries: value.entries.map(({ seq, prev, hash, record }) => ({
          position: seq,
          chain: id,
          seq,
          prev,
          hash,
          record: readRecord(record),
        })),
        next: value.next,
      }
    },
    verifyAudit() {
      return isClosed ? Promise.reject(closedError()) : verifyChain(thread, seal)
    },
    async readHostRecords() {
      if (isClosed) throw closedError()
      const { value } = await thread.ask<readonly PlainHostRecord[]>({ type: 'host-records' })
      return value.map((row) => codec.hostRecord(row))
    },
    async writeHostRecords(changes) {
      if (isClosed) throw closedError()
      const plain = changes.map((change) => codec.encodeHostRecord(change))
      const { value } = await thread.ask<boolean>({ type: 'write-host-records', changes: plain })
      return value ? 'done' : 'stale'
    },
    async sizes() {
      return (await thread.ask<Sizes>({ type: 'sizes' })).value
    },
    async backup(target) {
      if (isClosed) throw closedError()
      await thread.ask({ type: 'backup', file: target, now: now() })
    },
    async close() {
      if (isClosed) return
      isClosed = true
      let late: ReturnType<typeof setTimeout> | undefined
      const tooLate = new Promise<void>((resolve) => {
        late = setTimeout(resolve, bounds.closePatienceMs)
      })
      const written = async (): Promise<void> => {
        await lane.finish()
        await thread.ask({ type: 'close' })
      }
      await Promise.race([written().catch(() => undefined), tooLate])
      lane.close()
      // A thread that the disk holds ends when the disk answers: nobody waits for that.
      await Promise.race([thread.end(), tooLate])
      clearTimeout(late)
    },
  }
  return store
}
