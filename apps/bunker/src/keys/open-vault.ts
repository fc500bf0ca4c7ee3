/**
 * Makes and opens the vault: its files, its keys and who may use them.
 * Never tells a caller that something was done before it is on the disk.
 */

import { randomBytes } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { type Clock, isHex64, type Millis, type Pubkey, type RandomBytes, UsageError } from '@nip46/core'
import type { StoreSeal } from '@nip46/core/remote-signer'
import { bytesToHex } from '@nip46/crypto'
import { createSeal } from '@nip46/crypto/seal'
import { hostRandom } from '../host-random.ts'
import { copyPassphrase, copySecretText } from './bytes.ts'
import { hostClock } from './host-clock.ts'
import type { Moved, WorkerAnswer, WorkerCall } from './key-message.ts'
import { KEYS, LOG_N, SEED_ACCOUNT_MAX, TIMER_MS, UNLOCK_MS_MAX } from './limits.ts'
import { checkCost } from './ncryptsec.ts'
import {
  checkPrivateDirectory,
  deletePrivateFile,
  ensurePrivateDirectory,
  readPrivateFile,
  removeStaleTemps,
  writePrivateFile,
} from './private-file.ts'
import { closedError, createSerialQueue } from './serial-queue.ts'
import { createTries, type Tries } from './tries.ts'
import type { KeyInfo, Passphrase, Vault, VaultEvent, VaultOptions } from './vault.ts'
import { VaultError } from './vault-error.ts'
import {
  decodeKeyRecord,
  deriveRecordKey,
  encodeKeyRecord,
  isKeyName,
  type KeyRecord,
  unwrapVaultKey,
  wrapVaultKey,
} from './vault-record.ts'
import { createUnlockWaiters, createVaultSigner } from './vault-signer.ts'
import { createWorkerLink, type WorkerLink } from './worker-link.ts'

const VAULT_FILE = 'vault.json'
const KEYS_DIRECTORY = 'keys'

interface Entry {
  record: KeyRecord
  state: KeyInfo['state']
  locksAt: Millis | null
  timer: unknown
  /** Goes up with each lock: an unlocking that was overtaken by one comes to nothing. */
  epoch: number
  unlocking: Promise<unknown> | undefined
  removed: boolean
  readonly tries: Tries
}

/** Whether there is a vault in this directory. */
export async function vaultExists(directory: string): Promise<boolean> {
  try {
    return (await readdir(directory)).includes(VAULT_FILE)
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return false
    throw cause
  }
}

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
      await ensurePrivateDirectory(join(directory, KEYS_DIRECTORY))
      const text = await wrapVaultKey(drawn, own, logN)
      await writePrivateFile(join(directory, VAULT_FILE), text, { fresh: true, suffix: tempName() })
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
  const path = join(directory, VAULT_FILE)
  let vaultKey: Uint8Array | undefined
  let recordKey: Uint8Array | undefined
  try {
    return await onDisk(async () => {
      if (!(await vaultExists(directory)))
        throw new VaultError('vault/absent', `there is no vault in ${directory}: make one with init`)
      await checkPrivateDirectory(directory)
      await ensurePrivateDirectory(join(directory, KEYS_DIRECTORY))
      vaultKey = await unwrapVaultKey(await readVaultFile(path), own, path)
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

async function readVaultFile(path: string): Promise<Uint8Array> {
  const text = await readPrivateFile(path)
  if (text === undefined) throw new VaultError('vault/absent', `${path} is gone: restore it from a backup`)
  return text
}

async function readRecords(
  directory: string,
  recordKey: Uint8Array,
  clock: Clock,
): Promise<readonly KeyRecord[]> {
  const folder = join(directory, KEYS_DIRECTORY)
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

interface VaultParts {
  readonly vaultKey: Uint8Array
  readonly recordKey: Uint8Array
  readonly logN: number
  readonly clock: Clock
  readonly random: RandomBytes
}

function createVault(directory: string, records: readonly KeyRecord[], parts: VaultParts): Vault {
  const { vaultKey, recordKey, logN, clock, random } = parts
  const seal = createSeal(vaultKey, { random })
  const entries = new Map<Pubkey, Entry>()
  for (const record of records) entries.set(record.pubkey, newEntry(record))
  const listeners = new Set<(event: VaultEvent) => void>()
  const queue = createSerialQueue()
  const waiters = createUnlockWaiters(clock)
  const vaultTries = createTries(clock)
  let closed: Promise<void> | undefined
  const worker: WorkerLink = createWorkerLink({
    clock,
    onLost(reason, restarted) {
      emit({ type: 'worker-lost', reason, restarted })
      for (const entry of entries.values()) {
        entry.epoch++
        markLocked(entry, 'worker')
      }
    },
  })

  function newEntry(record: KeyRecord): Entry {
    const tries = createTries(clock)
    return {
      record,
      state: 'locked',
      locksAt: null,
      timer: undefined,
      epoch: 0,
      unlocking: undefined,
      removed: false,
      tries,
    }
  }

  function infoOf({ record, state, locksAt }: Entry): KeyInfo {
    const { name, pubkey, createdAt } = record
    return { name, pubkey, createdAt, state, locksAt }
  }

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

  function find(key: string): Entry | undefined {
    const low = key.toLowerCase()
    return (
      entries.get(key as Pubkey) ??
      [...entries.values()].find(({ record }) => record.name.toLowerCase() === low)
    )
  }

  function need(key: string): Entry {
    const entry = find(key)
    if (entry === undefined)
      throw new VaultError('key/absent', 'there is no key of this name: "key list" shows those there are')
    return entry
  }

  /** Throws unless this name can be given to a key (another one than `own`). */
  function checkName(name: string, own?: Entry): void {
    if (!isKeyName(name))
      throw new VaultError(
        'key/name',
        'the name of a key has at most 64 letters, digits, dots, dashes and underscores, and is no pubkey',
      )
    const other = find(name)
    if (other !== undefined && other !== own)
      throw new VaultError('key/exists', `there is a key "${other.record.name}": choose another name`)
  }

  const pathOf = (pubkey: Pubkey): string => join(directory, KEYS_DIRECTORY, `${pubkey}.json`)

  async function store(record: KeyRecord, fresh: boolean): Promise<void> {
    await writePrivateFile(pathOf(record.pubkey), encodeKeyRecord(record, recordKey), {
      fresh,
      suffix: tempName(),
    })
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

  async function ask(call: WorkerCall): Promise<WorkerAnswer> {
    return worker.call(call)
  }

  /** The answer if it is not a problem; a wrong passphrase of `entry` counts. */
  function accept(
    answer: WorkerAnswer,
    entry?: Entry,
  ): Exclude<WorkerAnswer, { type: 'problem' | 'failed' }> {
    if (answer.type === 'failed')
      throw new VaultError(
        'vault/failed',
        'the signing worker could not do it: is there memory enough for scrypt?',
      )
    if (answer.type !== 'problem') {
      entry?.tries.right()
      return answer
    }
    switch (answer.problem) {
      case 'key/password':
        if (entry !== undefined)
          emit({ type: 'wrong-passphrase', key: infoOf(entry), tries: entry.tries.wrong() })
        throw new VaultError('key/password', 'wrong passphrase, or the text is damaged')
      case 'key/scrypt-cost':
        throw new VaultError('key/scrypt-cost', 'this key asks for more memory than is given (LOG_N over 22)')
      case 'key/shape':
        throw new VaultError(
          'key/shape',
          'this is no nsec1…, ncryptsec1…, 64 hex characters or seed words of a key',
        )
      case 'key/mismatch':
        throw new VaultError(
          'vault/damaged',
          'the file holds another key than it says: restore it from a backup',
        )
    }
  }

  function acceptKey(answer: WorkerAnswer, entry?: Entry): { pubkey: Pubkey; ncryptsec: string } {
    const accepted = accept(answer, entry)
    if (accepted.type !== 'key') throw new VaultError('vault/failed', 'the signing worker gave no key')
    return accepted
  }

  async function add(name: string, call: () => WorkerCall): Promise<KeyInfo> {
    checkRoom(name)
    const { pubkey, ncryptsec } = acceptKey(await ask(call()))
    const known = entries.get(pubkey)
    if (known !== undefined)
      throw new VaultError('key/exists', `this key is in the vault already, as "${known.record.name}"`)
    const record: KeyRecord = { name, pubkey, createdAt: clock.now(), ncryptsec }
    await store(record, true)
    const entry = newEntry(record)
    entries.set(pubkey, entry)
    const key = infoOf(entry)
    emit({ type: 'key-added', key })
    return key
  }

  function checkRoom(name: string): void {
    checkName(name)
    if (entries.size >= KEYS) throw new VaultError('key/full', `a vault has at most ${KEYS} keys`)
  }

  // -- locking ---------------------------------------------------------------------------------

  type LockReason = Extract<VaultEvent, { type: 'key-locked' }>['reason']

  function markLocked(entry: Entry, reason: LockReason): boolean {
    clock.clearTimer(entry.timer)
    entry.timer = undefined
    entry.locksAt = null
    if (entry.state === 'locked') return false
    entry.state = 'locked'
    emit({ type: 'key-locked', key: infoOf(entry), reason })
    return true
  }

  /** Resolves when the worker has no such key any more. A worker that died has none either. */
  async function lockEntry(entry: Entry, reason: LockReason): Promise<boolean> {
    entry.epoch++
    const was = markLocked(entry, reason)
    const { unlocking } = entry
    await wipe(entry)
    await unlocking?.catch(() => undefined)
    return was
  }

  async function wipe(entry: Entry): Promise<void> {
    try {
      await ask({ type: 'lock', pubkey: entry.record.pubkey })
    } catch (cause) {
      if (!(cause instanceof VaultError)) throw cause
    }
  }

  function startTimer(entry: Entry): void {
    clock.clearTimer(entry.timer)
    entry.timer = undefined
    if (entry.locksAt === null) return
    entry.timer = clock.setTimer(
      () => lockIfDue(entry),
      Math.min(Math.max(entry.locksAt - clock.now(), 0), TIMER_MS),
    )
  }

  /** True if its time is over, also where a timer is late, as after a machine slept. */
  function lockIfDue(entry: Entry): boolean {
    if (entry.state === 'locked' || entry.locksAt === null) return false
    if (clock.now() < entry.locksAt) {
      startTimer(entry)
      return false
    }
    // Its rejection would be a bug of ours: what a worker does wrong is a value by then.
    lockEntry(entry, 'timeout').catch((cause: unknown) => {
      queueMicrotask(() => {
        throw cause
      })
    })
    return true
  }

  async function unlockNow(entry: Entry, passphrase: Moved, forMs: number | undefined): Promise<KeyInfo> {
    const { epoch } = entry
    const { pubkey, ncryptsec } = entry.record
    const already = entry.state === 'unlocked'
    accept(await ask({ type: already ? 'check' : 'unlock', pubkey, ncryptsec, passphrase }), entry)
    if (entry.epoch !== epoch) {
      // Locked in the meantime: that counts.
      await wipe(entry)
      return infoOf(entry)
    }
    entry.state = 'unlocked'
    entry.locksAt = forMs === undefined ? null : clock.now() + forMs
    startTimer(entry)
    const key = infoOf(entry)
    emit({ type: 'key-unlocked', key })
    waiters.wake(pubkey)
    return key
  }

  return {
    directory,
    list: () => [...entries.values()].map(infoOf).sort((a, b) => (a.name < b.name ? -1 : 1)),
    show: (key) => {
      const entry = find(key)
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
        const entry = need(name)
        entry.tries.check()
        const { pubkey, ncryptsec } = entry.record
        const call: WorkerCall = {
          type: 'recrypt',
          pubkey,
          ncryptsec,
          passphrase: own,
          newPassphrase: given,
          logN: options.logN ?? logN,
        }
        return acceptKey(await ask(call), entry).ncryptsec
      })
    },
    unlock: async (name, passphrase, forMs) => {
      if (forMs !== undefined && !(Number.isInteger(forMs) && forMs > 0 && forMs <= UNLOCK_MS_MAX))
        throw new UsageError(`a key is unlocked for 1 to ${UNLOCK_MS_MAX} milliseconds, or without an end`)
      const own = copyPassphrase(passphrase)
      return turn([own], async () => {
        const entry = need(name)
        entry.tries.check()
        const unlocking = unlockNow(entry, own, forMs)
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
      const entry = need(name)
      await lockEntry(entry, 'asked')
      return infoOf(entry)
    },
    lockAll: async () => {
      checkOpen()
      const locked = await Promise.all([...entries.values()].map((entry) => lockEntry(entry, 'asked')))
      return locked.filter((was) => was).length
    },
    rename: (name, newName) =>
      turn([], async () => {
        const entry = need(name)
        checkName(newName, entry)
        const before = entry.record.name
        const record = { ...entry.record, name: newName }
        await store(record, false)
        entry.record = record
        const key = infoOf(entry)
        emit({ type: 'key-renamed', key, before })
        return key
      }),
    changePassphrase: async (name, passphrase, newPassphrase) => {
      const own = copyPassphrase(passphrase)
      const given = copyPassphrase(newPassphrase)
      return turn([own, given], async () => {
        const entry = need(name)
        entry.tries.check()
        const { pubkey, ncryptsec } = entry.record
        const call: WorkerCall = {
          type: 'recrypt',
          pubkey,
          ncryptsec,
          passphrase: own,
          newPassphrase: given,
          logN,
        }
        const record = { ...entry.record, ncryptsec: acceptKey(await ask(call), entry).ncryptsec }
        await store(record, false)
        entry.record = record
        const key = infoOf(entry)
        emit({ type: 'passphrase-changed', key })
        return key
      })
    },
    remove: async (name, passphrase) => {
      const own = copyPassphrase(passphrase)
      return turn([own], async () => {
        const entry = need(name)
        entry.tries.check()
        const { pubkey, ncryptsec } = entry.record
        accept(await ask({ type: 'check', pubkey, ncryptsec, passphrase: own }), entry)
        await deletePrivateFile(pathOf(pubkey))
        entry.removed = true
        await lockEntry(entry, 'asked')
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
        const path = join(directory, VAULT_FILE)
        const key = await unwrapVaultKey(await readVaultFile(path), own, path).catch((cause: unknown) => {
          if (cause instanceof VaultError && cause.code === 'vault/password') vaultTries.wrong()
          throw cause
        })
        vaultTries.right()
        try {
          await writePrivateFile(path, await wrapVaultKey(key, given, logN), { suffix: tempName() })
        } finally {
          key.fill(0)
        }
      })
    },
    seal(): StoreSeal {
      if (closed !== undefined) throw new UsageError('the vault is closed: open it again')
      return seal
    },
    userSigner(pubkey, options = {}) {
      const entry = isHex64(pubkey) ? entries.get(pubkey as Pubkey) : undefined
      if (entry === undefined || closed !== undefined) return undefined
      const usable = (): boolean => entry.state === 'unlocked' && !entry.removed && !lockIfDue(entry)
      return createVaultSigner({ pubkey: entry.record.pubkey, usable }, worker, waiters, options)
    },
    on(listener) {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    close() {
      closed ??= (async () => {
        for (const entry of entries.values()) {
          entry.epoch++
          markLocked(entry, 'closed')
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

/** What the disk refuses is told as `vault/failed`, by its code: the words of a system may hold a path of somebody else. */
async function onDisk<T>(task: () => Promise<T>): Promise<T> {
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
