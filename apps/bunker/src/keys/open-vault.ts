/**
 * Makes and opens the vault.
 * Never leaves a key behind in memory when it cannot be opened.
 */

import { hostRandom } from '../host-random.ts'
import { copyPassphrase } from './bytes.ts'
import { hostClock } from './host-clock.ts'
import { LOG_N } from './limits.ts'
import { checkCost } from './ncryptsec.ts'
import { checkPrivateDirectory, ensurePrivateDirectory } from './private-file.ts'
import { createVault } from './running-vault.ts'
import type { Passphrase, Vault, VaultOptions } from './vault.ts'
import { VaultError } from './vault-error.ts'
import {
  keysDirectoryOf,
  onDisk,
  readRecords,
  readVaultKey,
  vaultExists,
  writeVaultFile,
} from './vault-files.ts'
import { deriveRecordKey, wrapVaultKey } from './vault-record.ts'

/**
 * Makes an empty vault: the directory (0700) if there is none, and in it a new key for the stores, wrapped under the passphrase.
 * Rejects with `vault/exists`, `key/permissions`, `vault/failed`.
 */
export async function initVault(
  directory: string,
  passphrase: Passphrase,
  options: VaultOptions = {},
): Promise<void> {
  const { logN = LOG_N, random = hostRandom } = options
  checkCost(logN)
  const own = copyPassphrase(passphrase)
  const drawn = random(32)
  try {
    await onDisk(async () => {
      await ensurePrivateDirectory(directory)
      if (await vaultExists(directory))
        throw new VaultError(
          'vault/exists',
          `there is a vault in ${directory}: open it, or choose another place`,
        )
      await ensurePrivateDirectory(keysDirectoryOf(directory))
      await writeVaultFile(directory, await wrapVaultKey(drawn, own, logN), { fresh: true })
    })
  } finally {
    own.fill(0)
    drawn.fill(0)
  }
}

/**
 * Opens a vault; every key in it is locked, and one worker thread runs until `close()`. Rejects with `vault/absent`,
 * `vault/password`, `vault/newer`, `vault/damaged`, `key/permissions`, `vault/failed`.
 *
 * ```ts no-run
 * await initVault('./vault', passphrase)
 * const vault = await openVault('./vault', passphrase)
 * const { pubkey } = await vault.create('me', keyPassphrase)
 * await vault.unlock('me', keyPassphrase, 3_600_000)
 * const signer = vault.userSigner(pubkey)
 * ```
 */
export async function openVault(
  directory: string,
  passphrase: Passphrase,
  options: VaultOptions = {},
): Promise<Vault> {
  const { logN = LOG_N, clock = hostClock, random = hostRandom } = options
  checkCost(logN)
  const own = copyPassphrase(passphrase)
  let vaultKey: Uint8Array | undefined
  let recordKey: Uint8Array | undefined
  try {
    return await onDisk(async () => {
      if (!(await vaultExists(directory)))
        throw new VaultError('vault/absent', `there is no vault in ${directory}: make one with init`)
      await checkPrivateDirectory(directory)
      await ensurePrivateDirectory(keysDirectoryOf(directory))
      vaultKey = await readVaultKey(directory, own)
      recordKey = deriveRecordKey(vaultKey)
      const records = await readRecords(directory, recordKey, clock)
      return createVault(directory, records, { vaultKey, recordKey, logN, clock, random })
    })
  } catch (cause) {
    recordKey?.fill(0)
    throw cause
  } finally {
    own.fill(0)
    vaultKey?.fill(0)
  }
}
