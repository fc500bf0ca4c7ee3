/**
 * The store: seals what is committed, collects it into groups, and hands these to the thread that writes them.
 * Never resolves a commit that is not on the disk.
 */

import { limits as coreLimits, type Millis } from '@nip46/core'
import type {
  AuditLog,
  AuditQuery,
  AuditRecord,
  AuditVerdict,
  CommitOutcome,
  HostRecords,
  SignerStore,
  StoreChange,
  StoreSeal,
} from '@nip46/core/remote-signer'
import { type Anchor, createAnchor, openAnchor } from './anchor.ts'
import { closedError, corruptError, StoreError } from './error.ts'
import * as limits from './limits.ts'
import type {
  ChainPoint,
  GroupReply,
  Opening,
  PagedTable,
  PlainAuditPage,
  PlainCall,
  PlainChange,
  PlainFound,
  PlainHostRecord,
  PlainWanted,
  Sizes,
  VerifyReply,
} from './message.ts'
import { Packer } from './packer.ts'
import { createRecordCodec } from './record.ts'
import { type Reply, startThread, type ThreadLink } from './thread-link.ts'

/** The bounds of one store, see limits.ts. Others than these are for tests. */
export interface Bounds
  extends Pick<Opening, 'claims' | 'clientKeys' | 'outbox' | 'checkedBytes' | 'lockPatienceMs'> {
  readonly groupChanges: number
  readonly groupBytes: number
  readonly waitingChanges: number
  readonly waitingBytes: number
  readonly commitPatienceMs: number
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

interface Call {
  readonly changes: readonly StoreChange[]
  readonly plain: readonly PlainChange[]
  readonly packer: Packer
  readonly now: Millis
  readonly resolve: (outcomes: readonly CommitOutcome[]) => void
  readonly reject: (error: unknown) => void
}

/**
 * Opens the store in this file, or makes it. Rejects with `StoreError`: `store/locked` if another process has it, `store/mode` if
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
    throw new StoreError('store/wrong-key', 'the store was sealed with another key: use that one')
  if (opened.backupAt !== null) {
    restoredAt = now()
    await thread.ask({ type: 'restored', now: restoredAt })
  }
  // A chain that is not the one that was sealed keeps its old anchor, so that every verification tells of it.
  const isAnchored = opened.check === null || (await fitsAnchor(thread, openAnchor(seal, id, opened.anchor)))
  let head: ChainPoint = opened.head
  let anchored: ChainPoint = head
  let drop: ChainPoint | null = null

  let queue: Call[] = []
  let waitingChanges = 0
  let waitingBytes = 0
  let isWriting = false
  /** When the last group began, and whether several sessions were in it. */
  let beganAt = 0
  let isCrowded = false
  let isScheduled = false
  let isClosed = false
  let loads = 0
  let patience: ReturnType<typeof setTimeout> | undefined
  let anchorTimer: ReturnType<typeof setTimeout> | undefined
  const idlers = new Set<() => void>()

  const schedule = (): void => {
    if (isScheduled || isWriting || loads > 0) return
    isScheduled = true
    const begin = (): void => {
      isScheduled = false
      if (!isWriting && loads === 0) void write()
    }
    const pause = pauseLeft()
    // At the end of this turn of the event loop at the earliest, so that all of its commits are one group.
    if (pause > 0) setTimeout(begin, pause)
    else setImmediate(begin)
  }

  /** One that commits alone never waits for others. */
  const pauseLeft = (): number =>
    isCrowded ? Math.min(limits.GROUP_PACE_MS, beganAt + limits.GROUP_PACE_MS - performance.now()) : 0

  const beginGroup = (calls: readonly Call[]): void => {
    isWriting = true
    beganAt = performance.now()
    const sessions = calls.flatMap(({ changes }) => changes.filter(({ session }) => session !== undefined))
    isCrowded = sessions.length > 1
  }

  const takeGroup = (): readonly Call[] => {
    const calls: Call[] = []
    let changes = 0
    let bytes = 0
    for (const call of queue) {
      changes += call.changes.length
      bytes += call.packer.length
      if (calls.length > 0 && (changes > bounds.groupChanges || bytes > bounds.groupBytes)) break
      calls.push(call)
    }
    queue = queue.slice(calls.length)
    for (const call of calls) forgetWaiting(call)
    return calls
  }

  const forgetWaiting = ({ changes, packer }: Call): void => {
    waitingChanges -= changes.length
    waitingBytes -= packer.length
  }

  const write = async (): Promise<void> => {
    const calls = takeGroup()
    const point = head
    const anchor = isAnchored && point.seq !== anchored.seq ? createAnchor(seal, id, point) : null
    if (calls.length === 0 && anchor === null) return finishWriting()
    beginGroup(calls)
    clearTimeout(patience)
    if (queue.length > 0) startPatience()
    try {
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
      const checkpoint =
        drop === null ? null : { ...drop, sealed: createAnchor(seal, id, drop, 'checkpoint') }
      const plain = calls.map((call, i): PlainCall => {
        return { now: call.now, changes: call.plain, base: bases[i] ?? 0 }
      })
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
    isWriting = false
    if (queue.length === 0 || loads > 0) finishWriting()
    else if (pauseLeft() > 0) schedule()
    else void write()
  }

  const finishWriting = (): void => {
    if (queue.length === 0) {
      for (const idler of idlers) idler()
      idlers.clear()
    }
    clearTimeout(anchorTimer)
    if (isClosed || !isAnchored || head.seq === anchored.seq) return
    anchorTimer = setTimeout(schedule, limits.ANCHOR_MS)
    anchorTimer.unref()
  }

  const settle = (call: Call, reply: GroupReply['calls'][number] | undefined, bytes: ArrayBuffer): void => {
    if (reply?.type !== 'outcomes') {
      call.reject(new StoreError(reply?.code ?? 'store/io', reply?.message ?? 'the store gave no outcome'))
      return
    }
    try {
      const outcomes = reply.outcomes.map((outcome) => codec.outcome(outcome, bytes))
      outcomes.forEach(({ type }, i) => {
        if (type === 'done') codec.remember(call.changes[i] as StoreChange)
      })
      call.resolve(outcomes)
    } catch (cause) {
      call.reject(cause)
    }
  }

  const startPatience = (): void => {
    patience = setTimeout(() => {
      const late = queue
      queue = []
      for (const call of late) {
        forgetWaiting(call)
        call.reject(new StoreError('store/busy', 'the disk does not keep up: look at what else uses it'))
      }
    }, bounds.commitPatienceMs)
    patience.unref()
  }

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

  /** Nothing is written meanwhile: what is read is of one moment. */
  const standStill = async <T>(read: () => Promise<T>): Promise<T> => {
    loads += 1
    try {
      return await read()
    } finally {
      loads -= 1
      if (loads === 0 && queue.length > 0) schedule()
    }
  }

  const store: SqliteStore = {
    file,
    get restoredAt() {
      return restoredAt
    },
    async load(at) {
      if (isClosed) throw closedError()
      return standStill(async () => ({
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
        if (waitingChanges > 0 && waitingChanges + changes.length > bounds.waitingChanges)
          throw new StoreError('store/busy', `more than ${bounds.waitingChanges} changes wait to be written`)
        const packer = new Packer()
        const plain = changes.map((change) => codec.encode(change, packer))
        if (waitingBytes > 0 && waitingBytes + packer.length > bounds.waitingBytes)
          throw new StoreError('store/busy', `more than ${bounds.waitingBytes} bytes wait to be written`)
        if (queue.length === 0 && (isWriting || loads > 0)) startPatience()
        queue.push({ changes, plain, packer, now: at, resolve, reject })
        waitingChanges += changes.length
        waitingBytes += packer.length
        schedule()
      })
    },
    async read({ sessions = [], offers = [], keys = [] }) {
      if (isClosed) throw closedError()
      if (sessions.length + offers.length + keys.length > limits.READ_RECORDS)
        throw new StoreError('store/usage', `at most ${limits.READ_RECORDS} records can be read at once`)
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
        throw new StoreError('store/usage', `at most ${limits.READ_RECORDS} records can be read at once`)
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
        while (isWriting || isScheduled || queue.length > 0)
          await new Promise<void>((resolve) => {
            idlers.add(resolve)
            if (!isWriting && !isScheduled) schedule()
          })
        clearTimeout(anchorTimer)
        if (head.seq !== anchored.seq) await write()
        await thread.ask({ type: 'close' })
      }
      await Promise.race([written().catch(() => undefined), tooLate])
      clearTimeout(patience)
      clearTimeout(anchorTimer)
      for (const { reject } of queue.splice(0)) reject(closedError())
      // A thread that the disk holds ends when the disk answers: nobody waits for that.
      await Promise.race([thread.end(), tooLate])
      clearTimeout(late)
    },
  }
  return store
}

async function fitsAnchor(thread: ThreadLink, anchor: Anchor | undefined): Promise<boolean> {
  if (anchor === undefined) return false
  const { checkpoint } = thread.opened
  if (anchor.seq === checkpoint.seq) return anchor.hash === checkpoint.hash
  if (anchor.seq < checkpoint.seq) return true
  return (await thread.ask<string | null>({ type: 'hash', seq: anchor.seq })).value === anchor.hash
}

/** See `AuditLog.verifyAudit`. */
export async function verifyChain(thread: ThreadLink, seal: StoreSeal): Promise<AuditVerdict> {
  const { id } = thread.opened
  const ask = async (from: ChainPoint): Promise<VerifyReply> =>
    (await thread.ask<VerifyReply>({ type: 'verify', from })).value
  let begin: ChainPoint | undefined
  let entries = 0
  let reply = await ask({ seq: Number.MAX_SAFE_INTEGER, hash: '' })
  let at = reply.checkpoint
  begin = at
  const firstAnchor = openAnchor(seal, id, reply.anchor)
  let seen: string | undefined
  do {
    reply = await ask(at)
    entries += reply.count
    // Retention may have dropped what was next.
    if (reply.fault?.code === 'missing' && at.seq < reply.checkpoint.seq) {
      at = reply.checkpoint
      begin = at
      reply = { ...reply, fault: null, done: false }
      continue
    }
    at = reply.at
  } while (!reply.done || (reply.fault === null && at.seq < reply.head.seq))
  let { fault } = reply
  const { checkpoint, checkpointSeal, head } = reply
  if (fault === null && checkpoint.seq > 0) {
    const sealed = openAnchor(seal, id, checkpointSeal, 'checkpoint')
    if (sealed?.seq !== checkpoint.seq || sealed.hash !== checkpoint.hash)
      fault = { seq: checkpoint.seq, code: 'anchor' }
  }
  if (fault === null) {
    if (firstAnchor === undefined) fault = { seq: at.seq, code: 'anchor' }
    else if (firstAnchor.seq > at.seq) fault = { seq: at.seq + 1, code: 'missing' }
    else if (firstAnchor.seq >= begin.seq) {
      seen =
        firstAnchor.seq === begin.seq
          ? begin.hash
          : ((await thread.ask<string | null>({ type: 'hash', seq: firstAnchor.seq })).value ?? undefined)
      if (seen !== firstAnchor.hash) fault = { seq: firstAnchor.seq, code: 'anchor' }
    }
  }
  const found = fault === null ? head : at
  return {
    ok: fault === null,
    entries,
    chains: [{ chain: id, checkpoint: begin, head: found, fault }],
  }
}

function plainQuery({ order = 'oldest', after, limit = limits.AUDIT_PAGE, filter = {} }: AuditQuery) {
  if (!(Number.isSafeInteger(limit) && limit >= 1))
    throw new StoreError('store/usage', 'the limit of a page is a whole number above 0')
  return {
    newest: order === 'newest',
    after: after ?? null,
    limit: Math.min(limit, limits.AUDIT_PAGE),
    types: filter.types ?? null,
    signerPubkey: filter.signerPubkey ?? null,
    userPubkey: filter.userPubkey ?? null,
    clientPubkey: filter.clientPubkey ?? null,
    since: filter.since ?? null,
    until: filter.until ?? null,
  }
}

function readRecord(text: string): AuditRecord {
  try {
    return JSON.parse(text) as AuditRecord
  } catch {
    throw corruptError('an audit record')
  }
}
