/**
 * The files of a vault: where they are, read whole and written whole.
 * Never takes a file that others than the owner could have written, and never leaves half of one.
 */

import { randomBytes } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock, Pubkey } from '@nip46/core'
import { bytesToHex } from '@nip46/crypto'
import { KEYS } from './limits.ts'
import { deletePrivateFile, readPrivateFile, removeStaleTemps, writePrivateFile } from './private-file.ts'
import { VaultError } from './vault-error.ts'
import {
  decodeKeyRecord,
  encodeKeyRecord,
  type KeyRecord,
  unwrapVaultKey,
  wrapVaultKey,
} from './vault-record.ts'

const VAULT_FILE = 'vault.json'
const KEYS_DIRECTORY = 'keys'

/** The file that the vault's own key is wrapped in. */
const vaultFileOf = (directory: string): string => join(directory, VAULT_FILE)
/** Where the files of the user keys are. */
export const keysDirectoryOf = (directory: string): string => join(directory, KEYS_DIRECTORY)

const keyFileOf = (directory: string, pubkey: Pubkey): string =>
  join(keysDirectoryOf(directory), `${pubkey}.json`)

/** Whether there is a vault in this directory. */
export async function vaultExists(directory: string): Promise<boolean> {
  try {
    return (await readdir(directory)).includes(VAULT_FILE)
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return false
    throw cause
  }
}

/** The 32 secret bytes of the vault, which the caller wipes. Rejects with `vault/absent`, `vault/password`, `vault/newer`, `vault/damaged`. */
export async function readVaultKey(directory: string, passphrase: Uint8Array): Promise<Uint8Array> {
  const path = vaultFileOf(directory)
  const text = await readPrivateFile(path)
  if (text === undefined) throw new VaultError('vault/absent', `${path} is gone: restore it from a backup`)
  return unwrapVaultKey(text, passphrase, path)
}

/** The records of all keys, after what a crash left half written is gone. */
export async function readRecords(
  directory: string,
  recordKey: Uint8Array,
  clock: Clock,
): Promise<readonly KeyRecord[]> {
  const folder = keysDirectoryOf(directory)
  await removeStaleTemps(directory, clock.now())
  await removeStaleTemps(folder, clock.now())
  const names = (await readdir(folder)).filter((name) => name.endsWith('.json')).sort()
  if (names.length > KEYS) throw new VaultError('key/full', `${folder} has more than ${KEYS} keys`)
  const records: KeyRecord[] = []
  const taken = new Map<string, string>()
  for (const file of names) {
    const path = join(folder, file)
    const text = await readPrivateFile(path)
    if (text === undefined) continue
    const record = decodeKeyRecord(text, file.slice(0, -'.json'.length), recordKey, path)
    const other = taken.get(record.name.toLowerCase())
    if (other !== undefined)
      throw new VaultError('vault/damaged', `${path} and ${other} have one name: move one of them elsewhere`)
    taken.set(record.name.toLowerCase(), path)
    records.push(record)
  }
  return records
}

/** In place of what was there, in one step; with `fresh` only if nothing was. */
export async function writeVaultFile(
  directory: string,
  text: string,
  choice: { readonly fresh?: boolean } = {},
): Promise<void> {
  await writePrivateFile(vaultFileOf(directory), text, { ...choice, suffix: tempName() })
}

/** The same secret bytes under another passphrase: whatever happens, one of the two opens the vault. Rejects as {@link readVaultKey}. */
export async function rewrapVaultKey(
  directory: string,
  passphrase: Uint8Array,
  newPassphrase: Uint8Array,
  logN: number,
): Promise<void> {
  const key = await readVaultKey(directory, passphrase)
  try {
    await writeVaultFile(directory, await wrapVaultKey(key, newPassphrase, logN))
  } finally {
    key.fill(0)
  }
}

/** A key's file, as a whole; with `fresh` only if there is none. */
export async function writeKeyFile(
  directory: string,
  record: KeyRecord,
  recordKey: Uint8Array,
  fresh: boolean,
): Promise<void> {
  await writePrivateFile(keyFileOf(directory, record.pubkey), encodeKeyRecord(record, recordKey), {
    fresh,
    suffix: tempName(),
  })
}

export async function deleteKeyFile(directory: string, pubkey: Pubkey): Promise<void> {
  await deletePrivateFile(keyFileOf(directory, pubkey))
}

/** What the disk refuses is told as `vault/failed`, by its code: the words of a system may hold a path of somebody else. */
export async function onDisk<T>(task: () => Promise<T>): Promise<T> {
  try {
    return await task()
  } catch (cause) {
    if (cause instanceof VaultError || !(cause instanceof Error) || !('syscall' in cause)) throw cause
    const code = 'code' in cause ? String(cause.code) : 'unknown trouble'
    throw new VaultError(
      'vault/failed',
      `the disk did not take it or give it (${code}): nothing was changed`,
      {
        cause,
      },
    )
  }
}

function tempName(): string {
  return bytesToHex(randomBytes(8))
}
