/**
 * The store's side on the disk: one connection, opened again after a failure that says nothing about what was written.
 * Never goes on with a connection whose disk failed, and never knows a key.
 */

import { accessSync, closeSync, constants, fsyncSync, openSync, rmSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { type AuditReader, createAuditReader } from './audit-reader.ts'
import { blobOf, numberOf, type Row, toBlob, toHex } from './blob.ts'
import { closeQuietly, openConnection, sizeOf } from './connection.ts'
import { closedError, isDistrusted, SqliteStoreError, storeError } from './error.ts'
import { createGroupWriter, type GroupWriter } from './group-writer.ts'
import { readHostRecords, writeHostRecords } from './host-records.ts'
import { CHECKPOINT_ROWS } from './limits.ts'
import type {
  CallReply,
  Group,
  GroupReply,
  OpenedState,
  Opening,
  Sizes,
  ThreadRequest,
  VerifyReply,
} from './message.ts'
import { checkFolder, removeOwner } from './owner.ts'
import { Packer } from './packer.ts'
import { createRowReader, type RowReader } from './row-reader.ts'

export interface StoreDatabase {
  readonly opened: OpenedState
  /** Answers one request. Throws `SqliteStoreError`. */
  handle(request: ThreadRequest): Answer
  /** What need not be waited for, after an answer. */
  tidy(): void
}

export interface Answer {
  readonly value: unknown
  readonly bytes?: ArrayBuffer
}

interface Live {
  readonly database: DatabaseSync
  readonly reader: RowReader
  readonly writer: GroupWriter
  readonly audit: AuditReader
}

/** Throws `SqliteStoreError`. `steady` is a clock that nobody sets, in milliseconds. */
export function openStoreDatabase(opening: Opening, steady: number): StoreDatabase {
  let live: Live | undefined
  let isClosed = false
  /** Transactions that were told to be written. */
  let acknowledged = 0
  /** Rows that were written since the log was moved into the file. */
  let rowsInLog = 0

  const stateOf = (database: DatabaseSync): Row => {
    const row = database.prepare('SELECT * FROM state').get()
    if (row === undefined)
      throw new SqliteStoreError('store/corrupt', 'the store is damaged: restore a backup')
    return row
  }

  const open = (): Live => {
    const database = openConnection(opening)
    try {
      const row = stateOf(database)
      const id = toHex(row['id'])
      const reader = createRowReader(database)
      const stored = {
        commits: numberOf(row, 'commits'),
        elapsed: numberOf(row, 'elapsed'),
        head: { seq: numberOf(row, 'audit_seq'), hash: toHex(row['audit_hash']) },
        checkpoint: { seq: numberOf(row, 'checkpoint_seq'), hash: toHex(row['checkpoint_hash']) },
      }
      if (stored.commits < acknowledged)
        throw new SqliteStoreError(
          'store/corrupt',
          'the disk lost what it had acknowledged: restore a backup',
        )
      const writer = createGroupWriter(database, reader, stored, { ...opening, id, steady: openedAt })
      live = { database, reader, writer, audit: createAuditReader(database, id) }
      return live
    } catch (cause) {
      closeQuietly(database)
      throw cause
    }
  }
  // What was open before a failure counts as well.
  let openedAt = steady

  const current = (): Live => {
    if (isClosed) throw closedError()
    return live ?? open()
  }

  // -- groups ----------------------------------------------------------------------------------

  const writeGroup = (group: Group, bytes: ArrayBuffer, isAgain = false): Answer => {
    const { writer } = current()
    const packer = new Packer()
    try {
      return groupAnswer(commitGroup(group, bytes, packer), packer)
    } catch (cause) {
      if (isDistrusted(cause)) {
        const calls = recover(writer.state.commits + 1, group.steady)
        const written = calls === 'written' ? attempted : undefined
        if (written !== undefined) return groupAnswer(replyOf(written.calls), written.packer)
      } else {
        rollBack()
        const { code, message } = storeError(cause)
        if (code === 'store/usage' && group.calls.length > 1) return writeSingly(group, bytes)
        if (code === 'store/full' && !isAgain && giveRoomBack()) return writeGroup(group, bytes, true)
        return groupAnswer(replyOf(group.calls.map(() => ({ type: 'failed', code, message }))))
      }
      const { code, message } = failureOf(cause)
      const head = live?.writer.state.head ?? writer.state.head
      const failed = group.calls.map((): CallReply => ({ type: 'failed', code, message }))
      return groupAnswer({ calls: failed, head, drop: null })
    }
  }

  let attempted: { readonly calls: readonly CallReply[]; readonly packer: Packer } | undefined

  const commitGroup = (group: Group, bytes: ArrayBuffer, packer: Packer): GroupReply => {
    const { database, writer } = current()
    attempted = undefined
    const { calls, isWritten } = writer.write(group, bytes, packer)
    if (!isWritten) {
      database.exec('ROLLBACK')
      return replyOf(calls)
    }
    attempted = { calls, packer }
    database.exec('COMMIT')
    writer.accept()
    acknowledged = writer.state.commits
    rowsInLog += writer.written
    return replyOf(calls)
  }

  const replyOf = (calls: readonly CallReply[]): GroupReply => {
    const { writer } = current()
    return { calls, head: writer.state.head, drop: writer.drop }
  }

  /** One of the calls can never be stored: the others are. */
  const writeSingly = (group: Group, bytes: ArrayBuffer): Answer => {
    const packer = new Packer()
    const calls = group.calls.map((call, i): CallReply => {
      const { anchor, checkpoint } = i === 0 ? group : { anchor: null, checkpoint: null }
      try {
        const [reply] = commitGroup({ ...group, calls: [call], anchor, checkpoint }, bytes, packer).calls
        return reply as CallReply
      } catch (cause) {
        if (isDistrusted(cause)) recover(Number.NaN, group.steady)
        else rollBack()
        const { code, message } = storeError(cause)
        return { type: 'failed', code, message }
      }
    })
    return groupAnswer(replyOf(calls), packer)
  }

  const rollBack = (): void => {
    if (live === undefined) return
    const { database, writer } = live
    try {
      if (database.isTransaction) database.exec('ROLLBACK')
      writer.reject()
    } catch (cause) {
      drop()
      if (!isDistrusted(cause)) throw cause
    }
  }

  /** On a full disk the log may be what fills it: false if nothing of it could be moved into the file. */
  const giveRoomBack = (): boolean => {
    if (live === undefined || sizeOf(`${opening.file}-wal`) === 0) return false
    try {
      rowsInLog = 0
      return live.database.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get()?.['busy'] === 0
    } catch (cause) {
      // The log is whole: the file has to grow, and cannot.
      if (isDistrusted(cause)) drop()
      return false
    }
  }

  const drop = (): void => {
    if (live === undefined) return
    const { database, writer } = live
    acknowledged = writer.state.commits
    live = undefined
    if (database.isTransaction) {
      try {
        database.exec('ROLLBACK')
      } catch {
        // The connection goes in any case.
      }
    }
    closeQuietly(database)
  }

  /**
   * The disk failed in the middle of something. Nothing that this connection says is believed any more: another one reads what is
   * there, and whether `commit` is. If it is, every page is written into the file anew, so that nothing rests on the failed write.
   */
  const recover = (commit: number, now: number): 'written' | 'not-written' => {
    const kept = attempted
    drop()
    openedAt = now
    try {
      const { database, writer } = open()
      if (writer.state.commits !== commit || kept === undefined) return 'not-written'
      const moved = database.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get()
      if (moved?.['busy'] !== 0)
        throw new SqliteStoreError('store/io', 'the disk failed: look at the system log')
      attempted = kept
      acknowledged = commit
      return 'written'
    } catch {
      // The next request tries again.
      drop()
      return 'not-written'
    }
  }

  /** SQLite calls every failure of a write the same. */
  const failureOf = (cause: unknown): SqliteStoreError => {
    const error = storeError(cause)
    if (error.code !== 'store/io') return error
    try {
      accessSync(dirname(opening.file), constants.W_OK)
    } catch (reason) {
      return storeError(reason)
    }
    return error
  }

  // -- the rest --------------------------------------------------------------------------------

  const opened = (): OpenedState => {
    const { database, writer } = current()
    const row = stateOf(database)
    const number = (column: string): number | null =>
      row[column] === null || row[column] === undefined ? null : numberOf(row, column)
    const blob = (column: string): Uint8Array | null => (row[column] === null ? null : blobOf(row, column))
    return {
      id: toHex(row['id']),
      check: blob('seal_check'),
      anchor: blob('anchor'),
      checkpoint: writer.state.checkpoint,
      checkpointSeal: blob('checkpoint_seal'),
      head: writer.state.head,
      backupAt: number('backup_at'),
      restoredAt: number('restored_at'),
    }
  }

  const sizes = (): Sizes => {
    const { database } = current()
    const count = (table: string): number =>
      Number(database.prepare(`SELECT count(*) AS count FROM ${table}`).get()?.['count'])
    return {
      keys: count('keys'),
      sessions: count('sessions'),
      offers: count('offers'),
      clients: count('clients'),
      claims: count('claims'),
      audit: count('audit'),
      outbox: count('outbox'),
      bytes: sizeOf(opening.file) + sizeOf(`${opening.file}-wal`),
    }
  }

  const close = (): void => {
    if (isClosed) return
    drop()
    isClosed = true
    if (!opening.readOnly) removeOwner(opening.file)
  }

  const answer = (request: ThreadRequest): Answer => {
    switch (request.type) {
      case 'begin': {
        current()
          .database.prepare('UPDATE state SET seal_check = ?, anchor = ?')
          .run(request.check, request.anchor)
        return { value: undefined }
      }
      case 'restored': {
        current().database.prepare('UPDATE state SET backup_at = NULL, restored_at = ?').run(request.now)
        return { value: undefined }
      }
      case 'page': {
        const packer = new Packer()
        return answerOf(current().reader.page(request.table, request.after, packer), packer)
      }
      case 'read': {
        const packer = new Packer()
        return answerOf(current().reader.find(request.wanted, packer), packer)
      }
      case 'claimed': {
        const { reader } = current()
        return { value: request.eventIds.filter((eventId) => reader.isClaimed(toBlob(eventId))) }
      }
      case 'audit':
        return { value: current().audit.page(request.query) }
      case 'verify': {
        const { audit, writer } = current()
        const { checkpoint, checkpointSeal, anchor, head } = opened()
        const progress = audit.verify(request.from, writer.state.head)
        return { value: { ...progress, checkpoint, checkpointSeal, anchor, head } satisfies VerifyReply }
      }
      case 'hash':
        return { value: current().audit.hashAt(request.seq) }
      case 'backup':
        backUp(current().database, request.file, request.now)
        return { value: undefined }
      case 'host-records':
        return { value: readHostRecords(current().database) }
      case 'write-host-records':
        return { value: writeHostRecords(current().database, request.changes) }
      case 'sizes':
        return { value: sizes() }
      case 'close':
        close()
        return { value: undefined }
      case 'group':
        return writeGroup({ ...request.group, calls: JSON.parse(request.calls) }, request.bytes)
    }
  }

  try {
    open()
  } catch (cause) {
    throw failureOf(cause)
  }
  return {
    opened: opened(),
    handle(request) {
      try {
        return answer(request)
      } catch (cause) {
        if (isDistrusted(cause)) drop()
        const error = failureOf(cause)
        if (error.code !== 'store/full' || !giveRoomBack()) throw error
      }
      try {
        return answer(request)
      } catch (cause) {
        if (isDistrusted(cause)) drop()
        throw failureOf(cause)
      }
    },
    tidy() {
      if (live === undefined || rowsInLog < CHECKPOINT_ROWS) return
      rowsInLog = 0
      try {
        live.database.exec('PRAGMA wal_checkpoint(PASSIVE)')
      } catch (cause) {
        // The log is whole: it is moved another time, by another connection if this one is not believed any more.
        if (isDistrusted(cause)) drop()
      }
    },
  }
}

function answerOf(value: unknown, packer: Packer): Answer {
  return { value, bytes: packer.toBuffer() }
}

function groupAnswer(reply: GroupReply, packer?: Packer): Answer {
  const value = JSON.stringify(reply)
  return packer === undefined || packer.length === 0 ? { value } : answerOf(value, packer)
}

/** A copy as it is now, in one file that nobody else may read. What was deleted is not in it. */
function backUp(database: DatabaseSync, file: string, now: number): void {
  checkFolder(file)
  closeSync(openSync(file, 'wx', 0o600))
  try {
    database.prepare('VACUUM INTO ?').run(file)
    const copy = new DatabaseSync(file)
    try {
      copy.exec('PRAGMA synchronous = FULL; PRAGMA journal_mode = DELETE')
      copy.prepare('UPDATE state SET backup_at = ?').run(now)
    } finally {
      copy.close()
    }
    for (const path of [file, dirname(file)]) {
      const descriptor = openSync(path, 'r')
      try {
        fsyncSync(descriptor)
      } finally {
        closeSync(descriptor)
      }
    }
  } catch (cause) {
    rmSync(file, { force: true })
    throw cause
  }
}
