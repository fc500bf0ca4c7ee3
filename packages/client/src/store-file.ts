/**
 * Keeps a session in a file of its owner alone, replaced as a whole and synced, so that a crash leaves the old or the new one.
 * Never encrypts it: who can read as this user of the machine can read the client key.
 */

import { randomUUID } from 'node:crypto'
import { mkdir, open, readdir, rename, rm } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { SAVED_SESSION_CHARS } from './limits.ts'
import type { SessionStore } from './session-store.ts'
import { fromStoredText, SessionStoreError, toStoredText } from './session-store-error.ts'

export { SessionStoreError, type SessionStoreProblem } from './session-store-error.ts'

/** A character of JavaScript is at most three bytes of UTF-8. */
const FILE_BYTES = 3 * SAVED_SESSION_CHARS
const FULL: readonly unknown[] = ['ENOSPC', 'EDQUOT', 'EFBIG']
const isPosix = process.platform !== 'win32'

/**
 * A session in a file with mode 0600. A missing folder is made with mode 0700, an existing one is left as it is. A file that
 * others may read is refused. Its promises reject with a `SessionStoreError`.
 *
 * ```ts
 * const store = fileSessionStore('/var/lib/my-app/bunker.json')
 * ```
 */
export function fileSessionStore(path: string): SessionStore {
  const file = resolve(path)
  // In the order of the calls: a `clear` must not be overtaken by the `save` before it.
  let last: Promise<unknown> = Promise.resolve()
  const next = <T>(run: () => Promise<T>): Promise<T> => {
    const done = last.then(() => attempt(run))
    last = done.catch(() => undefined)
    return done
  }
  return {
    load: () => next(() => read(file)),
    save: (saved) => next(() => replace(file, toStoredText(saved))),
    clear: () => next(() => remove(file)),
  }
}

async function read(file: string): Promise<unknown> {
  const handle = await open(file, 'r').catch(orMissing)
  if (handle === undefined) return undefined
  try {
    const facts = await handle.stat()
    if (isPosix && (facts.mode & 0o077) !== 0) throw new SessionStoreError('store/mode')
    if (!facts.isFile() || facts.size > FILE_BYTES) throw new SessionStoreError('store/damaged')
    return fromStoredText(await handle.readFile('utf8'))
  } finally {
    await handle.close()
  }
}

async function replace(file: string, text: string): Promise<void> {
  const folder = dirname(file)
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const fresh = join(folder, `${freshPrefix(file)}${randomUUID()}`)
  try {
    const handle = await open(fresh, 'wx', 0o600)
    try {
      await handle.writeFile(text)
      await handle.sync()
    } finally {
      await handle.close()
    }
    await rename(fresh, file)
  } catch (error) {
    await rm(fresh, { force: true })
    throw error
  }
  await syncFolder(folder)
}

/** Also what a crash in the middle of a `save` left behind: it holds the key as well. */
async function remove(file: string): Promise<void> {
  const folder = dirname(file)
  const names = await readdir(folder).catch(orMissing)
  if (names === undefined) return
  const prefix = freshPrefix(file)
  const left = names.filter((name) => name.startsWith(prefix)).map((name) => join(folder, name))
  for (const path of [file, ...left]) await rm(path, { force: true })
  await syncFolder(folder)
}

function freshPrefix(file: string): string {
  return `.${basename(file)}.new-`
}

/** A new name outlasts a power cut only when its folder is synced. Windows has no such call. */
async function syncFolder(folder: string): Promise<void> {
  if (!isPosix) return
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

function orMissing(error: unknown): undefined {
  if (codeOf(error) === 'ENOENT') return undefined
  throw error
}

async function attempt<T>(run: () => Promise<T>): Promise<T> {
  try {
    return await run()
  } catch (error) {
    if (error instanceof SessionStoreError) throw error
    throw new SessionStoreError(FULL.includes(codeOf(error)) ? 'store/full' : 'store/unavailable')
  }
}

function codeOf(error: unknown): unknown {
  return (error as { readonly code?: unknown }).code
}
