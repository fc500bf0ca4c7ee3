/**
 * Files of the vault: for their owner only, replaced as a whole, on the disk before anybody is told.
 * Never follows a link, never reads what others can read or write, and never leaves half a file in place.
 */

import { constants } from 'node:fs'
import { type FileHandle, link, lstat, mkdir, open, readdir, rename, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { STALE_TEMP_MS, VAULT_FILE_BYTES } from './limits.ts'
import { VaultError } from './vault-error.ts'

const OTHERS = 0o077
const OTHERS_THAN_READERS = 0o037
const TEMP = /^\.[0-9a-z.-]+\.tmp$/

/** Makes the directory if it is not there, for its owner only. Rejects with `key/permissions` if others get into it. */
export async function ensurePrivateDirectory(path: string): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o700 })
  await checkPrivateDirectory(path)
}

export async function checkPrivateDirectory(path: string): Promise<void> {
  const facts = await lstat(path)
  if (!facts.isDirectory()) throw new VaultError('key/permissions', `${path} is no directory of its own`)
  checkOwner(path, facts.uid)
  if ((facts.mode & OTHERS) !== 0)
    throw new VaultError(
      'key/permissions',
      `others may look into ${path}: take a directory that is for this alone, or run chmod 700 ${path}`,
    )
}

export interface ReadOptions {
  /** Bytes at most; default {@link VAULT_FILE_BYTES}. */
  readonly max?: number
  /**
   * A credential of systemd: it may belong to root and be readable through an entry of an access control list, which shows as the right
   * of a group. Its directory lets nobody else in.
   */
  readonly granted?: boolean
}

/**
 * The bytes of a file, or undefined if there is none. Rejects with `key/permissions` if it is not its owner's alone, and with
 * `vault/damaged` if it is longer than `max`. What is checked is what is read: the file is opened once.
 */
export async function readPrivateFile(
  path: string,
  { max = VAULT_FILE_BYTES, granted = false }: ReadOptions = {},
): Promise<Uint8Array | undefined> {
  let file: FileHandle
  try {
    file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  } catch (cause) {
    if (codeOf(cause) === 'ENOENT') return undefined
    if (codeOf(cause) === 'ELOOP')
      throw new VaultError('key/permissions', `${path} is a link: put the file itself there`)
    throw cause
  }
  try {
    const facts = await file.stat()
    if (!facts.isFile()) throw new VaultError('key/permissions', `${path} is no plain file`)
    if (!granted || facts.uid !== 0) checkOwner(path, facts.uid)
    if ((facts.mode & (granted ? OTHERS_THAN_READERS : OTHERS)) !== 0)
      throw new VaultError('key/permissions', `others may read ${path}: run chmod 600 ${path}`)
    // One byte more than there should be tells whether it grew.
    const room = Math.min(max, facts.size) + 1
    const bytes = new Uint8Array(new ArrayBuffer(room))
    let length = 0
    while (length < room) {
      const { bytesRead } = await file.read(bytes, length, room - length)
      if (bytesRead === 0) break
      length += bytesRead
    }
    const read = bytes.slice(0, Math.min(length, room - 1))
    bytes.fill(0)
    if (length === room) {
      read.fill(0)
      throw new VaultError('vault/damaged', `${path} is longer than anything that is written there`)
    }
    return read
  } finally {
    await file.close()
  }
}

/**
 * Writes beside it, makes that durable, puts it in place, makes that durable: after a crash there is the old text or the
 * new one. With `fresh` it rejects with `vault/exists` if there is a file already.
 */
export async function writePrivateFile(
  path: string,
  text: string,
  options: { readonly fresh?: boolean; readonly suffix: string },
): Promise<void> {
  const directory = dirname(path)
  const beside = join(directory, `.${options.suffix}.tmp`)
  try {
    const file = await open(beside, 'wx', 0o600)
    try {
      await file.chmod(0o600)
      await file.writeFile(text)
      await file.sync()
    } finally {
      await file.close()
    }
    if (options.fresh === true) {
      // Unlike rename, a link does not replace what is there.
      await link(beside, path)
      await unlink(beside)
    } else await rename(beside, path)
  } catch (cause) {
    await unlink(beside).catch(() => undefined)
    if (codeOf(cause) === 'EEXIST') throw new VaultError('vault/exists', `${path} is there already`)
    throw cause
  }
  await syncDirectory(directory).catch((cause: unknown) => {
    // It is in place, and a caller who hears that nothing was changed would be misled.
    throw new VaultError(
      'vault/failed',
      `${path} is written, but the disk did not confirm it (${String(codeOf(cause))}): look whether it is still so after a restart`,
      { cause },
    )
  })
}

export async function deletePrivateFile(path: string): Promise<void> {
  await unlink(path)
  await syncDirectory(dirname(path))
}

/** Takes away what a crash left half written. */
export async function removeStaleTemps(directory: string, now: number): Promise<void> {
  for (const name of await readdir(directory)) {
    if (!TEMP.test(name)) continue
    const path = join(directory, name)
    const { mtimeMs } = await lstat(path)
    if (now - mtimeMs > STALE_TEMP_MS) await unlink(path)
  }
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}

function checkOwner(path: string, uid: number): void {
  const own = process.getuid?.()
  if (own !== undefined && own !== 0 && uid !== own)
    throw new VaultError('key/permissions', `${path} belongs to another user: run chown $USER ${path}`)
}

function codeOf(cause: unknown): unknown {
  return cause instanceof Error && 'code' in cause ? cause.code : undefined
}
