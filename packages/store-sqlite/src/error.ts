/**
 * The one error that the store throws or rejects with.
 * Never carries a secret, nor anything of a record but its place.
 */

/**
 * - `store/locked`: another process has the store; `pid` and the message name it
 * - `store/busy`: another program keeps the file locked, or more waits to be written than may
 * - `store/full`: no space is left, or a bound is reached
 * - `store/read-only`: the file or its file system cannot be written
 * - `store/io`: reading or writing failed
 * - `store/corrupt`: it holds what this package did not write
 * - `store/newer`: a later version wrote it
 * - `store/wrong-key`: it was sealed with another key
 * - `store/mode`: others may read or write the file or its folder
 * - `store/exists`: something is there already where a copy would be made
 * - `store/missing`: there is no such store
 * - `store/usage`: what can never be stored
 * - `store/down`: the store's thread ended
 * - `store/closed`: after `close()`
 */
export type SqliteStoreErrorCode =
  | 'store/locked'
  | 'store/busy'
  | 'store/full'
  | 'store/read-only'
  | 'store/io'
  | 'store/corrupt'
  | 'store/newer'
  | 'store/wrong-key'
  | 'store/mode'
  | 'store/exists'
  | 'store/missing'
  | 'store/usage'
  | 'store/down'
  | 'store/closed'

/** What the promises of the store reject with; `code` says why. */
export class SqliteStoreError extends Error {
  override readonly name = 'SqliteStoreError'
  readonly code: SqliteStoreErrorCode
  /** With `store/locked`: who has it, if that is known. */
  readonly pid: number | undefined

  constructor(
    code: SqliteStoreErrorCode,
    message: string,
    options: { readonly pid?: number | undefined } = {},
  ) {
    super(message)
    this.code = code
    this.pid = options.pid
  }
}

/** What an error of the database, or of the file system, means here. Errors that are ours pass. */
export function storeError(cause: unknown): SqliteStoreError {
  if (cause instanceof SqliteStoreError) return cause
  const { errcode, code } = (cause ?? {}) as { readonly errcode?: unknown; readonly code?: unknown }
  if (typeof errcode === 'number') {
    const [meaning, words] = SQLITE_MEANINGS.get(errcode & 0xff) ?? ['store/io', 'the database failed']
    return new SqliteStoreError(meaning, `${words} (SQLite ${errcode})`)
  }
  if (typeof code !== 'string') return new SqliteStoreError('store/io', 'the store failed')
  const [meaning, words] = SYSTEM_MEANINGS.get(code) ?? ['store/io', 'reading or writing the store failed']
  return new SqliteStoreError(meaning, `${words} (${code})`)
}

/** Whether the connection may not be used any more: what is on the disk has to be looked at first. */
export function isDistrusted(cause: unknown): boolean {
  const errcode = (cause as { readonly errcode?: unknown } | null)?.errcode
  // IOERR, CORRUPT, CANTOPEN, NOTADB, PROTOCOL
  return typeof errcode === 'number' && [10, 11, 14, 15, 26].includes(errcode & 0xff)
}

/** Whether somebody else has the file locked. */
export function isLocked(cause: unknown): boolean {
  const errcode = (cause as { readonly errcode?: unknown } | null)?.errcode
  return typeof errcode === 'number' && [5, 6].includes(errcode & 0xff)
}

export function closedError(): SqliteStoreError {
  return new SqliteStoreError('store/closed', 'this store was closed: open it again')
}

export function corruptError(what: string): SqliteStoreError {
  return new SqliteStoreError(
    'store/corrupt',
    `${what} cannot be read: the store is damaged, restore a backup`,
  )
}

type Meaning = readonly [SqliteStoreErrorCode, string]

const FULL: Meaning = ['store/full', 'no space is left for the store: make room, it goes on by itself']
const READ_ONLY: Meaning = [
  'store/read-only',
  'the store cannot be written: make its file system writable, it goes on by itself',
]
const CORRUPT: Meaning = ['store/corrupt', 'the store is damaged: restore a backup']
const FORBIDDEN: Meaning = [
  'store/read-only',
  'this user may not write the store: give it the right to the file and its folder, it goes on by itself',
]
const UNOPENED: Meaning = [
  'store/io',
  'the file of the store cannot be opened: see whether it is there, and how many files may be open',
]
const NO_STORE: Meaning = [
  'store/corrupt',
  'this file is no store, or its beginning is damaged: name another file, or restore a backup',
]
const FAILED: Meaning = ['store/io', 'the disk failed: look at the system log']
const BUSY: Meaning = ['store/busy', 'the store is locked by another program: end it']
const UNSTORABLE: Meaning = ['store/usage', 'this can never be stored']

const SQLITE_MEANINGS: ReadonlyMap<number, Meaning> = new Map([
  [5, BUSY],
  [6, BUSY],
  [8, READ_ONLY],
  [10, FAILED],
  [11, CORRUPT],
  [13, FULL],
  [14, UNOPENED],
  [18, UNSTORABLE],
  [19, UNSTORABLE],
  [20, UNSTORABLE],
  [26, NO_STORE],
])

const SYSTEM_MEANINGS: ReadonlyMap<string, Meaning> = new Map([
  ['ENOSPC', FULL],
  ['EDQUOT', FULL],
  ['EROFS', READ_ONLY],
  ['EACCES', FORBIDDEN],
  ['EPERM', FORBIDDEN],
  ['EEXIST', ['store/exists', 'something is there already: name another file']],
  ['ENOENT', ['store/missing', 'there is no such file: check the path']],
])
