/**
 * Whose store it is: files that nobody else may read, and the process that has it.
 * Never decides by a process id who may write; the lock on the database does, and ends with its process.
 */

import {
  chmodSync,
  closeSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { SqliteStoreError, storeError } from './error.ts'

const OTHERS = 0o077
const isPosix: boolean = process.platform !== 'win32'

/** The folder is made if it is not there (0700). Throws `store/mode` if others may look into it. */
export function checkFolder(file: string): void {
  const folder = dirname(file)
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const { mode } = statSync(folder)
  if (isPosix && (mode & OTHERS) !== 0)
    throw new SqliteStoreError(
      'store/mode',
      `others may use ${folder}: put the store into a folder of its own, with mode 0700`,
    )
}

/**
 * The file, if it is there, is looked at; with `create` it is made (0600) if it is not. Never opens one that is there: closing it
 * again would end the locks that this process has on it.
 */
export function checkFile(file: string, create: boolean): void {
  const stats = statSync(file, { throwIfNoEntry: false })
  if (stats === undefined) {
    if (!create) throw new SqliteStoreError('store/missing', `there is no store at ${file}: check the path`)
    closeSync(openSync(file, 'wx', 0o600))
    if (isPosix) chmodSync(file, 0o600)
    return
  }
  if (!stats.isFile()) throw new SqliteStoreError('store/corrupt', `${file} is no file: name another one`)
  for (const name of [file, `${file}-wal`, `${file}-journal`]) {
    const mode = statSync(name, { throwIfNoEntry: false })?.mode ?? 0
    if (isPosix && (mode & OTHERS) !== 0)
      throw new SqliteStoreError('store/mode', `others may read the store: chmod 600 ${name}`)
  }
}

/** Beside the store, for the words of those who come too late. */
function ownerFile(file: string): string {
  return `${file}.pid`
}

/** Nothing rests on it: a full disk is told when something is stored. */
export function writeOwner(file: string): void {
  try {
    writeFileSync(ownerFile(file), `${process.pid}\n`, { mode: 0o600 })
  } catch (cause) {
    if (storeError(cause).code !== 'store/full') throw cause
  }
}

export function removeOwner(file: string): void {
  rmSync(ownerFile(file), { force: true })
}

/** Who had the store last, and whether that process is still there. */
export function readOwner(file: string): { readonly pid: number; readonly isAlive: boolean } | undefined {
  let text: string
  try {
    text = readFileSync(ownerFile(file), 'utf8')
  } catch {
    return undefined
  }
  const pid = /^[1-9]\d{0,9}\n$/.test(text) ? Number(text) : undefined
  return pid === undefined ? undefined : { pid, isAlive: isAlive(pid) }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (cause) {
    return (cause as { readonly code?: unknown }).code === 'EPERM'
  }
}
