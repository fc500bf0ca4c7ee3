/**
 * Small texts of the daemon in files that only its owner may read, replaced as a whole: the files of the vault, told in the daemon's words.
 * Never leaves half a file behind, never follows a link, and never reads a file that others may read.
 */

import { randomUUID } from 'node:crypto'
import { UsageError } from '@nip46/core'
import * as files from '../keys/private-file.ts'
import { VaultError } from '../keys/vault-error.ts'

/** Bytes of a file that is read. */
export const PRIVATE_FILE_BYTES = 16_777_216

/** The directory, for its owner only. Throws `UsageError` with the fix if others may look into one that is there already. */
export function ensurePrivateDirectory(path: string): Promise<void> {
  return inWords(files.ensurePrivateDirectory(path))
}

/** Takes away what a crash left half written. `now` is in Unix milliseconds. */
export function removeHalfWritten(directory: string, now: number): Promise<void> {
  return files.removeStaleTemps(directory, now)
}

/** The text of a file, or undefined if there is none. Throws `UsageError` with the fix if others may read it. */
export async function readPrivateFile(path: string): Promise<string | undefined> {
  const bytes = await inWords(files.readPrivateFile(path, { max: PRIVATE_FILE_BYTES }))
  return bytes === undefined ? undefined : new TextDecoder().decode(bytes)
}

/** Writes beside it, makes it durable, and puts it in place: a crash leaves the old text or the new one. */
export function replacePrivateFile(path: string, text: string): Promise<void> {
  return inWords(files.writePrivateFile(path, text, { suffix: randomUUID() }))
}

async function inWords<T>(work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (cause) {
    if (cause instanceof VaultError) throw new UsageError(cause.message)
    throw cause
  }
}
