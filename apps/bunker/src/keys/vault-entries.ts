/**
 * The keys of an open vault by name and pubkey, and what is known of each while it runs.
 * Never holds a key itself: only its record, encrypted, and whether it is unlocked.
 */

import type { Clock, Millis, Pubkey } from '@nip46/core'
import { KEYS } from './limits.ts'
import { createTries, type Tries } from './tries.ts'
import type { KeyInfo } from './vault.ts'
import { VaultError } from './vault-error.ts'
import { checkKeyName, type KeyRecord } from './vault-record.ts'

export interface Entry {
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

export interface Entries {
  readonly all: ReadonlyMap<Pubkey, Entry>
  add(record: KeyRecord): Entry
  delete(pubkey: Pubkey): void
  /** By name or pubkey. */
  find(key: string): Entry | undefined
  /** Throws `key/absent`. */
  need(key: string): Entry
  /** Throws unless this name can be given to a key (another one than `own`). */
  checkName(name: string, own?: Entry): void
  /** Throws unless there can be another key of this name. */
  checkRoom(name: string): void
}

export function createEntries(records: readonly KeyRecord[], clock: Clock): Entries {
  const entries = new Map<Pubkey, Entry>()
  for (const record of records) entries.set(record.pubkey, newEntry(record, clock))

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
    checkKeyName(name)
    const other = find(name)
    if (other !== undefined && other !== own)
      throw new VaultError('key/exists', `there is a key "${other.record.name}": choose another name`)
  }

  function checkRoom(name: string): void {
    checkName(name)
    if (entries.size >= KEYS) throw new VaultError('key/full', `a vault has at most ${KEYS} keys`)
  }

  return {
    all: entries,
    add(record) {
      const entry = newEntry(record, clock)
      entries.set(record.pubkey, entry)
      return entry
    },
    delete: (pubkey) => void entries.delete(pubkey),
    find,
    need,
    checkName,
    checkRoom,
  }
}

function newEntry(record: KeyRecord, clock: Clock): Entry {
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

export function infoOf({ record, state, locksAt }: Entry): KeyInfo {
  const { name, pubkey, createdAt } = record
  return { name, pubkey, createdAt, state, locksAt }
}
