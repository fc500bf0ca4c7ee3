/**
 * What the owner chose while the daemon ran: names of apps and links, relays, whether everything is stopped. Kept as records of the
 * store, so that all daemons on one store have the same.
 * Never holds a key or a secret; each change is stored before it is answered.
 */

import { type JsonValue, parseRelayUrl, type RelayUrl, UsageError } from '@nip46/core'
import type { HostRecordChange, HostRecords } from '@nip46/core/remote-signer'
import { Fault } from '../api/fault.ts'
import { SETTINGS_RACES } from './limits.ts'

/** Names that are remembered, of apps and of links each; the oldest goes. */
export const LABELS = 20_000

export interface SettingsState {
  /** By client pubkey, the oldest first. */
  readonly apps: Readonly<Record<string, string>>
  /** Web addresses of apps, by client pubkey, the oldest first: what `list:origins` means for them. */
  readonly origins: Readonly<Record<string, readonly string[]>>
  /** By token name, the oldest first. */
  readonly links: Readonly<Record<string, string>>
  /** Relays of new links, beside those of the configuration. */
  readonly added: readonly RelayUrl[]
  /** Relays of the configuration that are not named in new links. */
  readonly removed: readonly RelayUrl[]
  /** When everything was stopped; null if it was not. */
  readonly panicAt: number | null
  /** When every key was locked last, on all daemons; null if that never was. */
  readonly lockedAt: number | null
}

export interface Settings {
  readonly state: SettingsState
  /**
   * Makes the next state from the current one, again if another daemon was faster. With `fenceOthers` no other daemon commits anything
   * after it before it has read the new state. What `make` throws changes nothing.
   */
  change(
    make: (state: SettingsState) => SettingsState,
    options?: { readonly fenceOthers?: boolean },
  ): Promise<void>
  /** What other daemons changed before the call is known once it resolves; at once where nobody shares the store. */
  refresh(): Promise<void>
}

export interface SettingsHost {
  readonly records: HostRecords
  /** Other daemons may have the same records. */
  readonly isShared: boolean
  readonly now: () => number
  /** Another daemon changed something. What it returns is waited for. */
  readonly onChanged: (before: SettingsState, after: SettingsState) => Promise<void> | void
}

const EMPTY: SettingsState = {
  apps: {},
  origins: {},
  links: {},
  added: [],
  removed: [],
  panicAt: null,
  lockedAt: null,
}

/** Rejects with `UsageError` if what is stored cannot be understood: whether everything was stopped is in it. */
export async function openSettings({ records, isShared, now, onChanged }: SettingsHost): Promise<Settings> {
  let { state, revisions } = await readAll(records)
  let turn: Promise<void> = Promise.resolve()
  /** One after the other. */
  const inTurn = (work: () => Promise<void>): Promise<void> => {
    const done = turn.then(work)
    turn = done.catch(() => undefined)
    return done
  }

  const read = async (): Promise<void> => {
    const before = state
    ;({ state, revisions } = await readAll(records))
    await onChanged(before, state)
  }

  return {
    get state() {
      return state
    },
    refresh: () => (isShared ? inTurn(read) : turn),
    change(make, options) {
      return inTurn(async () => {
        for (let races = 0; races < SETTINGS_RACES; races++) {
          const next = make(state)
          const changes = changesOf(state, next, revisions, now())
          if (changes.length === 0) return
          const outcome = await write(changes, options)
          if (outcome === 'done') {
            for (const { name, revision, after } of changes) {
              if (after === null) revisions.delete(name)
              else revisions.set(name, revision + 1)
            }
            state = next
            return
          }
          await read()
        }
        throw new Fault(503, 'store/busy', 'other daemons change this all the time: try again')
      })
    },
  }

  /** If nobody knows what became of it, what is stored says. */
  async function write(
    changes: readonly HostRecordChange[],
    options: { readonly fenceOthers?: boolean } | undefined,
  ): Promise<'done' | 'stale'> {
    try {
      return await records.writeHostRecords(changes, options)
    } catch (cause) {
      await read().catch(() => undefined)
      throw cause
    }
  }
}

/** In place of those that the app had; none takes it out. */
export function withOrigins(
  origins: SettingsState['origins'],
  client: string,
  own: readonly string[],
): SettingsState['origins'] {
  const { [client]: _, ...rest } = origins
  const kept = Object.entries(rest).slice(-(LABELS - 1))
  return Object.fromEntries(own.length === 0 ? kept : [...kept, [client, own]])
}

/** Adds a name, or takes it away if it is empty. */
export function withLabel(
  labels: Readonly<Record<string, string>>,
  name: string,
  label: string,
): Record<string, string> {
  const { [name]: _, ...rest } = labels
  const kept = Object.entries(rest).slice(-(LABELS - 1))
  return Object.fromEntries(label === '' ? kept : [...kept, [name, label]])
}

/** Made once for all daemons on the store, so that what sessions remember of long lists stays comparable. */
export async function readSalt(records: HostRecords, make: () => string): Promise<string> {
  for (let races = 0; races < SETTINGS_RACES; races++) {
    const all = await records.readHostRecords()
    const known = all.find(({ value }) => value.name === 'salt')?.value.value
    if (typeof known === 'string' && /^[0-9a-f]{64}$/.test(known)) return known
    if (known !== undefined) throw damaged('salt')
    const salt = make()
    if ((await records.writeHostRecords([{ name: 'salt', revision: 0, after: salt }])) === 'done') return salt
  }
  throw new Fault(503, 'store/busy', 'other daemons change this all the time: try again')
}

// -- records -------------------------------------------------------------------------------------

const APP = 'app '
const LINK = 'link '
const ORIGINS = 'origins '
const NO_PANIC = 0

/** What has to be written to come from one state to the next. */
function changesOf(
  before: SettingsState,
  after: SettingsState,
  revisions: ReadonlyMap<string, number>,
  now: number,
): readonly HostRecordChange[] {
  const changes: HostRecordChange[] = []
  const put = (name: string, value: JsonValue | null): void =>
    void changes.push({ name, revision: revisions.get(name) ?? 0, after: value })
  const table = <T extends JsonValue>(
    prefix: string,
    from: Readonly<Record<string, T>>,
    to: Readonly<Record<string, T>>,
    write: (value: T) => JsonValue,
  ): void => {
    if (from === to) return
    for (const name of Object.keys(from)) if (!Object.hasOwn(to, name)) put(`${prefix}${name}`, null)
    for (const [name, value] of Object.entries(to))
      if (!Object.hasOwn(from, name) || from[name] !== value) put(`${prefix}${name}`, write(value))
  }
  table(APP, before.apps, after.apps, (label) => ({ label, at: now }))
  table(ORIGINS, before.origins, after.origins, (origins) => ({ origins, at: now }))
  table(LINK, before.links, after.links, (label) => ({ label, at: now }))
  if (before.added !== after.added || before.removed !== after.removed)
    put('relays', { added: after.added, removed: after.removed })
  // Never forgotten: its revision would begin anew, and what another daemon knew of an earlier panic would end this one.
  if (before.panicAt !== after.panicAt) put('panic', after.panicAt ?? NO_PANIC)
  if (before.lockedAt !== after.lockedAt) put('lock-all', after.lockedAt)
  return changes
}

async function readAll(
  records: HostRecords,
): Promise<{ readonly state: SettingsState; readonly revisions: Map<string, number> }> {
  const all = await records.readHostRecords()
  const revisions = new Map<string, number>()
  const apps: Aged<string>[] = []
  const origins: Aged<readonly string[]>[] = []
  const links: Aged<string>[] = []
  let { added, removed, panicAt, lockedAt } = EMPTY
  for (const { revision, value: record } of all) {
    const { name, value } = record
    revisions.set(name, revision)
    if (name.startsWith(APP)) apps.push(readLabel(name, APP, value))
    else if (name.startsWith(ORIGINS)) origins.push(readOrigins(name, value))
    else if (name.startsWith(LINK)) links.push(readLabel(name, LINK, value))
    else if (name === 'relays') ({ added, removed } = readRelays(value))
    else if (name === 'panic') panicAt = value === NO_PANIC ? null : readTime(name, value)
    else if (name === 'lock-all') lockedAt = readTime(name, value)
  }
  const tables = { apps: byAge(apps), origins: byAge(origins), links: byAge(links) }
  return { state: { ...tables, added, removed, panicAt, lockedAt }, revisions }
}

interface Aged<T> {
  readonly name: string
  readonly value: T
  readonly at: number
}

function byAge<T>(all: Aged<T>[]): Record<string, T> {
  all.sort((a, b) => a.at - b.at)
  return Object.fromEntries(all.map(({ name, value }) => [name, value]))
}

function readLabel(name: string, prefix: string, json: JsonValue): Aged<string> {
  const { label, at } = fieldsOf(json)
  if (typeof label !== 'string' || typeof at !== 'number') throw damaged(name)
  return { name: name.slice(prefix.length), value: label, at }
}

function readOrigins(name: string, json: JsonValue): Aged<readonly string[]> {
  const { origins, at } = fieldsOf(json)
  const isTexts = Array.isArray(origins) && origins.every((text) => typeof text === 'string')
  if (!isTexts || typeof at !== 'number') throw damaged(name)
  return { name: name.slice(ORIGINS.length), value: origins, at }
}

function readRelays(value: JsonValue): Pick<SettingsState, 'added' | 'removed'> {
  const { added, removed } = fieldsOf(value)
  if (!isRelays(added) || !isRelays(removed)) throw damaged('relays')
  return { added, removed }
}

function readTime(name: string, value: JsonValue): number {
  if (typeof value !== 'number') throw damaged(name)
  return value
}

function fieldsOf(value: JsonValue): { readonly [name: string]: JsonValue | undefined } {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as { readonly [name: string]: JsonValue })
    : {}
}

function isRelays(value: JsonValue | undefined): value is readonly RelayUrl[] {
  return Array.isArray(value) && value.every((url) => typeof url === 'string' && parseRelayUrl(url).ok)
}

function damaged(name: string): UsageError {
  return new UsageError(`the record "${name.slice(0, 64)}" of the store is damaged: restore a backup`)
}
