/**
 * The operations on backups: a directory with everything that is needed to go on elsewhere.
 * Never writes anything that is not encrypted or harmless, and never into a directory that is there already.
 */

import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { copyFile, lstat, mkdir, readdir, readFile, rename, rm } from 'node:fs/promises'
import { basename, dirname, join, relative } from 'node:path'
import type { StoreSeal } from '@nip46/core/remote-signer'
import { SqliteStoreError, verifySqliteBackup } from '@nip46/store-sqlite'
import { Fault } from '../../api/fault.ts'
import type { Handlers } from '../../api/operations.ts'
import type { BackupView } from '../../api/shapes.ts'
import type { Host } from '../host.ts'
import { BACKUP_FILES } from '../limits.ts'
import { replacePrivateFile } from '../private-file.ts'

type Names = 'backup.create' | 'backup.verify'

/** What a backup says about itself. */
export const MANIFEST = 'manifest.json'
const STORE = 'store.sqlite'

export function backupHandlers({ vault, store, loaded, clock, version }: Host): Pick<Handlers, Names> {
  return {
    'backup.create': async ({ directory }) => {
      if (store.backup === undefined)
        throw new Fault(
          409,
          'backup/store',
          store.kind === 'memory'
            ? 'the memory store is gone with the daemon: there is nothing to keep'
            : 'back up a PostgreSQL store with pg_dump, and keep the directory "vault" beside it',
        )
      const beside = join(dirname(directory), `.${basename(directory)}.${process.pid}.new`)
      try {
        if (await exists(directory))
          throw new Fault(409, 'backup/exists', 'something is there already: give another directory')
        await mkdir(beside, { mode: 0o700 })
        await copyTree(vault.directory, join(beside, 'vault'))
        const lists = join(loaded.config.data, 'lists')
        if (await exists(lists)) await copyTree(lists, join(beside, 'lists'))
        const tokens = join(loaded.config.data, 'tokens.json')
        if (await exists(tokens)) await copyFile(tokens, join(beside, 'tokens.json'))
        await store.backup(join(beside, STORE))
        const files = await listFiles(beside)
        const manifest = { v: 1, version, createdAt: clock.now(), files }
        await replacePrivateFile(join(beside, MANIFEST), `${JSON.stringify(manifest, null, 2)}\n`)
        await rename(beside, directory)
        return { directory, createdAt: manifest.createdAt, files }
      } catch (cause) {
        await rm(beside, { recursive: true, force: true })
        throw diskFault(cause)
      }
    },
    'backup.verify': async ({ directory }) => {
      const verdict = await verifyBackup(directory)
      // What is not as it was written need not be opened.
      if (!verdict.ok || !verdict.backup?.files.some(({ name }) => name === STORE)) return verdict
      const problems = await verifyStore(join(directory, STORE), vault.seal())
      return { ...verdict, ok: problems.length === 0, problems }
    },
  }
}

/** Whether everything that the manifest names is there, unchanged, and nothing else. */
export async function verifyBackup(directory: string): Promise<{
  readonly ok: boolean
  readonly problems: readonly string[]
  readonly backup: BackupView | null
}> {
  try {
    const manifest = readManifest(await readFile(join(directory, MANIFEST), 'utf8'))
    if (manifest === undefined) return { ok: false, problems: [`${MANIFEST} is damaged`], backup: null }
    const there = new Map((await listFiles(directory)).map((file) => [file.name, file]))
    const problems = manifest.files.flatMap(({ name, sha256 }) => {
      const file = there.get(name)
      there.delete(name)
      if (file === undefined) return `${name} is missing`
      return file.sha256 === sha256 ? [] : `${name} was changed`
    })
    problems.push(...[...there.keys()].map((name) => `${name} does not belong to it`))
    return {
      ok: problems.length === 0,
      problems,
      backup: { directory, createdAt: manifest.createdAt, files: manifest.files },
    }
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT')
      return { ok: false, problems: [`there is no ${MANIFEST} in it: this is no backup`], backup: null }
    throw diskFault(cause)
  }
}

/** What its own store says: the structure, everything that is sealed in it, the chain of the log. */
async function verifyStore(file: string, seal: StoreSeal): Promise<readonly string[]> {
  try {
    const { audit } = await verifySqliteBackup(file, { seal })
    return audit.ok ? [] : [`${STORE}: the chain of its log is broken`]
  } catch (cause) {
    if (!(cause instanceof SqliteStoreError)) throw cause
    return [
      cause.code === 'store/wrong-key'
        ? `${STORE} is of another vault: verify it with the daemon that made it`
        : `${STORE}: ${cause.message} (${cause.code})`,
    ]
  }
}

type BackupFile = BackupView['files'][number]

function readManifest(
  text: string,
): { readonly createdAt: number; readonly files: readonly BackupFile[] } | undefined {
  try {
    const json = JSON.parse(text) as {
      readonly v: unknown
      readonly createdAt: number
      readonly files: readonly BackupFile[]
    }
    const isWhole =
      json.v === 1 &&
      Number.isSafeInteger(json.createdAt) &&
      Array.isArray(json.files) &&
      json.files.length <= BACKUP_FILES &&
      json.files.every(
        ({ name, bytes, sha256 }) =>
          typeof name === 'string' && Number.isSafeInteger(bytes) && /^[0-9a-f]{64}$/.test(sha256),
      )
    return isWhole ? { createdAt: json.createdAt, files: json.files } : undefined
  } catch (cause) {
    if (cause instanceof SyntaxError || cause instanceof TypeError) return undefined
    throw cause
  }
}

async function copyTree(from: string, to: string): Promise<void> {
  await mkdir(to, { mode: 0o700 })
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const path = join(from, entry.name)
    if (entry.isDirectory()) await copyTree(path, join(to, entry.name))
    // What is being written, or was left by a crash, is no part of it.
    else if (entry.isFile() && !/\.(new|tmp)$/.test(entry.name)) await copyFile(path, join(to, entry.name))
  }
}

/** Without the manifest, in order. 409 if there are more than `most`. */
export async function listFiles(
  directory: string,
  most: number = BACKUP_FILES,
): Promise<readonly BackupFile[]> {
  const files: BackupFile[] = []
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue
    const path = join(entry.parentPath, entry.name)
    const name = relative(directory, path)
    if (name === MANIFEST) continue
    if (files.length >= most) throw new Fault(409, 'backup/files', `a backup has at most ${most} files`)
    files.push({ name, bytes: (await lstat(path)).size, sha256: await hashFile(path) })
  }
  return files.sort((a, b) => (a.name < b.name ? -1 : 1))
}

async function hashFile(path: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer)
  return hash.digest('hex')
}

async function exists(path: string): Promise<boolean> {
  try {
    await lstat(path)
    return true
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return false
    throw cause
  }
}

/** What the disk says is told: the path came from whoever asks. */
function diskFault(cause: unknown): unknown {
  const { code } = cause as NodeJS.ErrnoException
  if (cause instanceof Fault || typeof code !== 'string') return cause
  const words: Readonly<Record<string, string>> = {
    ENOENT: 'the directory above it does not exist: make it first',
    EACCES: 'this may not be written or read here: give another directory',
    ENOSPC: 'the disk is full: nothing was kept',
    EROFS: 'the disk is read-only: give another directory',
    ENOTDIR: 'the path leads through a file: give another directory',
  }
  return new Fault(409, 'backup/disk', words[code] ?? `the disk said ${code}: nothing was kept`)
}
