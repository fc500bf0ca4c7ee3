/**
 * An open vault: its keys, who may use them, and its files.
 * Never tells a caller that something was done before it is on the disk.
 */

import { type Clock, isHex64, type Pubkey, type RandomBytes, UsageError } from '@nip46/core'
import type { StoreSeal } from '@nip46/core/remote-signer'
import { createSeal } from '@nip46/crypto/seal'
import { copyPassphrase, copySecretText } from './bytes.ts'
import type { WorkerAnswer, WorkerCall } from './key-message.ts'
import { SEED_ACCOUNT_MAX, UNLOCK_MS_MAX } from './limits.ts'
import { checkCost } from './ncryptsec.ts'
import { closedError, createSerialQueue } from './serial-queue.ts'
import { createTries } from './tries.ts'
import type { KeyInfo, Vault, VaultEvent } from './vault.ts'
import { createEntries, type Entry, infoOf } from './vault-entries.ts'
import { VaultError } from './vault-error.ts'
import { deleteKeyFile, onDisk, rewrapVaultKey, writeKeyFile } from './vault-files.ts'
import { createLocks } from './vault-locks.ts'
import type { KeyRecord } from './vault-record.ts'
import { createUnlockWaiters, createVaultSigner } from './vault-signer.ts'
import { createAcceptance } from './worker-answer.ts'
import { createWorkerLink, type WorkerLink } from './worker-link.ts'

export interface VaultParts {
  readonly vaultKey: Uint8Array
  readonly recordKey: Uint8Array
  readonly logN: number
  readonly clock: Clock
  readonly random: RandomBytes
}

export function createVault(directory: string, records: readonly KeyRecord[], parts: VaultParts): Vault {
  const { vaultKey, recordKey, logN, clock, random } = parts
  const seal = createSeal(vaultKey, { random })
  const entries = createEntries(records, clock)
  const listeners = new Set<(event: VaultEvent) => void>()
  const queue = createSerialQueue()
  const waiters = createUnlockWaiters(clock)
  const vaultTries = createTries(clock)
  let closed: Promise<void> | undefined
  const worker: WorkerLink = createWorkerLink({
    clock,
    onLost(reason, restarted) {
      emit({ type: 'worker-lost', reason, restarted })
      for (const entry of entries.all.values()) {
        entry.epoch++
        locks.markLocked(entry, 'worker')
      }
    },
  })

  function emit(event: VaultEvent): void {
    for (const listener of [...listeners]) {
      try {
        listener(event)
      } catch (cause) {
        queueMicrotask(() => {
          throw cause
        })
      }
    }
  }

  function checkOpen(): void {
    if (closed !== undefined) throw closedError()
  }

  /** One thing after the other, with the secrets that it takes copied now and wiped whatever comes. */
  async function turn<T>(secrets: readonly Uint8Array[], task: () => Promise<T>): Promise<T> {
    try {
      checkOpen()
      return await queue.run(() => onDisk(task))
    } finally {
      // What was moved to the worker has no bytes left here, and cannot be filled.
      for (const secret of secrets) if (secret.length > 0) secret.fill(0)
    }
  }

  const ask = (call: WorkerCall): Promise<WorkerAnswer> => worker.call(call)
  const { accept, acceptKey } = createAcceptance(emit)
  const locks = createLocks({ clock, ask, accept, waiters, emit })

  async function add(name: string, call: () => WorkerCall): Promise<KeyInfo> {
    entries.checkRoom(name)
    const { pubkey, ncryptsec } = acceptKey(await ask(call()))
    const known = entries.all.get(pubkey)
    if (known !== undefined)
      throw new VaultError('key/exists', `this key is in the vault already, as "${known.record.name}"`)
    const record: KeyRecord = { name, pubkey, createdAt: clock.now(), ncryptsec }
    await writeKeyFile(directory, record, recordKey, true)
    const key = infoOf(entries.add(record))
    emit({ type: 'key-added', key })
    return key
  }

  /** The key under another passphrase. */
  async function recrypt(
    entry: Entry,
    passphrase: Uint8Array<ArrayBuffer>,
    newPassphrase: Uint8Array<ArrayBuffer>,
    cost = logN,
  ): Promise<string> {
    entry.tries.check()
    const { pubkey, ncryptsec } = entry.record
    const call: WorkerCall = { type: 'recrypt', pubkey, ncryptsec, passphrase, newPassphrase, logN: cost }
    return acceptKey(await ask(call), entry).ncryptsec
  }

  return {
    directory,
    list: () => [...entries.all.values()].map(infoOf).sort((a, b) => (a.name < b.name ? -1 : 1)),
    show: (key) => {
      const entry = entries.find(key)
      return entry === undefined ? undefined : infoOf(entry)
    },
    create: async (name, passphrase) => {
      const own = copyPassphrase(passphrase)
      return turn([own], () => add(name, () => ({ type: 'create', passphrase: own, logN })))
    },
    importKey: async (name, secret, passphrase, options = {}) => {
      const { secretPassphrase, account } = options
      if (
        account !== undefined &&
        !(Number.isInteger(account) && account >= 0 && account <= SEED_ACCOUNT_MAX)
      )
        throw new UsageError(`an account is a whole number from 0 to ${SEED_ACCOUNT_MAX}`)
      const text = copySecretText(secret)
      const own = copyPassphrase(passphrase)
      const inner = secretPassphrase === undefined ? undefined : copyPassphrase(secretPassphrase)
      return turn([text, own, ...(inner === undefined ? [] : [inner])], () =>
        add(name, () => ({
          type: 'import',
          secret: text,
          passphrase: own,
          logN,
          ...(inner !== undefined && { secretPassphrase: inner }),
          ...(account !== undefined && { account }),
        })),
      )
    },
    exportKey: async (name, passphrase, options = {}) => {
      if (options.logN !== undefined) checkCost(options.logN)
      const own = copyPassphrase(passphrase)
      const given = copyPassphrase(options.exportPassphrase ?? passphrase)
      return turn([own, given], async () => {
        const entry = entries.need(name)
        return recrypt(entry, own, given, options.logN)
      })
    },
    unlock: async (name, passphrase, forMs) => {
      if (forMs !== undefined && !(Number.isInteger(forMs) && forMs > 0 && forMs <= UNLOCK_MS_MAX))
        throw new UsageError(`a key is unlocked for 1 to ${UNLOCK_MS_MAX} milliseconds, or without an end`)
      const own = copyPassphrase(passphrase)
      return turn([own], async () => {
        const entry = entries.need(name)
        entry.tries.check()
        const unlocking = locks.unlockNow(entry, own, forMs)
        entry.unlocking = unlocking
        try {
          return await unlocking
        } finally {
          entry.unlocking = undefined
        }
      })
    },
    lock: async (name) => {
      checkOpen()
      const entry = entries.need(name)
      await locks.lockEntry(entry, 'asked')
      return infoOf(entry)
    },
    lockAll: async () => {
      checkOpen()
      const locked = await Promise.all(
        [...entries.all.values()].map((entry) => locks.lockEntry(entry, 'asked')),
      )
      return locked.filter((was) => was).length
    },
    rename: (name, newName) =>
      turn([], async () => {
        const entry = entries.need(name)
        entries.checkName(newName, entry)
        const before = entry.record.name
        const record = { ...entry.record, name: newName }
        await writeKeyFile(directory, record, recordKey, false)
        entry.record = record
        const key = infoOf(entry)
        emit({ type: 'key-renamed', key, before })
        return key
      }),
    changePassphrase: async (name, passphrase, newPassphrase) => {
      const own = copyPassphrase(passphrase)
      const given = copyPassphrase(newPassphrase)
      return turn([own, given], async () => {
        const entry = entries.need(name)
        const record = { ...entry.record, ncryptsec: await recrypt(entry, own, given) }
        await writeKeyFile(directory, record, recordKey, false)
        entry.record = record
        const key = infoOf(entry)
        emit({ type: 'passphrase-changed', key })
        return key
      })
    },
    remove: async (name, passphrase) => {
      const own = copyPassphrase(passphrase)
      return turn([own], async () => {
        const entry = entries.need(name)
        entry.tries.check()
        const { pubkey, ncryptsec } = entry.record
        accept(await ask({ type: 'check', pubkey, ncryptsec, passphrase: own }), entry)
        await deleteKeyFile(directory, pubkey)
        entry.removed = true
        await locks.lockEntry(entry, 'asked')
        entries.delete(pubkey)
        waiters.wake(pubkey)
        const key = infoOf(entry)
        emit({ type: 'key-removed', key })
        return key
      })
    },
    changeVaultPassphrase: async (passphrase, newPassphrase) => {
      const own = copyPassphrase(passphrase)
      const given = copyPassphrase(newPassphrase)
      return turn([own, given], async () => {
        vaultTries.check()
        await rewrapVaultKey(directory, own, given, logN).catch((cause: unknown) => {
          if (cause instanceof VaultError && cause.code === 'vault/password') vaultTries.wrong()
          throw cause
        })
        vaultTries.right()
      })
    },
    seal(): StoreSeal {
      if (closed !== undefined) throw new UsageError('the vault is closed: open it again')
      return seal
    },
    userSigner(pubkey, options = {}) {
      const entry = isHex64(pubkey) ? entries.all.get(pubkey as Pubkey) : undefined
      if (entry === undefined || closed !== undefined) return undefined
      const usable = (): boolean => entry.state === 'unlocked' && !entry.removed && !locks.lockIfDue(entry)
      return createVaultSigner({ pubkey: entry.record.pubkey, usable }, worker, waiters, options)
    },
    on(listener) {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    close() {
      closed ??= (async () => {
        for (const entry of entries.all.values()) {
          entry.epoch++
          locks.markLocked(entry, 'closed')
        }
        waiters.wakeAll()
        await worker.close()
        await queue.close()
        seal.destroy()
        recordKey.fill(0)
      })()
      return closed
    },
  }
}
