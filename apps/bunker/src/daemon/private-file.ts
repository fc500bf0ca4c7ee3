/**
 * Small files of the daemon that only its owner may read, replaced as a whole.
 * Never leaves half a file behind, and never reads one that others may read.
 */

import { mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { UsageError } from '@nip46/core'

/** Bytes of a file that is read. */
export const PRIVATE_FILE_BYTES = 16_777_216

/** The directory, for its owner only. Throws `UsageError` with the fix if others may look into one that is there already. */
export async function ensurePrivateDirectory(path: string): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o700 })
  const { mode } = await stat(path)
  if ((mode & 0o077) !== 0) throw new UsageError(`others may look into ${path}: run chmod 700 ${path}`)
}

/** The text of a file, or undefined if there is none. Throws `UsageError` with the fix if others may read it. */
export async function readPrivateFile(path: string): Promise<string | undefined> {
  let facts: Awaited<ReturnType<typeof stat>>
  try {
    facts = await stat(path)
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw cause
  }
  if ((facts.mode & 0o077) !== 0) throw new UsageError(`others may read ${path}: run chmod 600 ${path}`)
  if (facts.size > PRIVATE_FILE_BYTES) throw new UsageError(`${path} is larger than anything written there`)
  return readFile(path, 'utf8')
}

/** Writes beside it, makes it durable, and puts it in place: a crash leaves the old text or the new one. */
export async function replacePrivateFile(path: string, text: string): Promise<void> {
  const beside = `${path}.${process.pid}.new`
  try {
    const file = await open(beside, 'w', 0o600)
    try {
      await file.chmod(0o600)
      await file.writeFile(text)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(beside, path)
  } catch (cause) {
    await rm(beside, { force: true })
    throw cause
  }
  const directory = await open(dirname(path), 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}
