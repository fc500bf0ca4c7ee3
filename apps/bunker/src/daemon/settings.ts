/**
 * What the owner chose while the daemon ran: names of apps and links, relays, whether everything is stopped.
 * Never holds a key or a secret; each change is on disk before it is answered.
 */

import { parseRelayUrl, type RelayUrl, UsageError } from '@nip46/core'
import { readPrivateFile, replacePrivateFile } from './private-file.ts'

/** Names that are remembered, of apps and of links each; the oldest goes. */
export const LABELS = 20_000

export interface SettingsState {
  /** By client pubkey. */
  readonly apps: Readonly<Record<string, string>>
  /** Web addresses of apps, by client pubkey: what `list:origins` means for them. */
  readonly origins: Readonly<Record<string, readonly string[]>>
  /** By token name. */
  readonly links: Readonly<Record<string, string>>
  /** Relays of new links, beside those of the configuration. */
  readonly added: readonly RelayUrl[]
  /** Relays of the configuration that are not named in new links. */
  readonly removed: readonly RelayUrl[]
  /** When everything was stopped; null if it was not. */
  readonly panicAt: number | null
}

export interface Settings {
  readonly state: SettingsState
  /** Makes the next state from the current one. Changes are written one after the other. */
  change(make: (state: SettingsState) => SettingsState): Promise<void>
}

const EMPTY: SettingsState = { apps: {}, origins: {}, links: {}, added: [], removed: [], panicAt: null }

/** `path` null keeps them in memory only. Throws `UsageError` if the file cannot be used. */
export async function openSettings(path: string | null): Promise<Settings> {
  let state = path === null ? EMPTY : readState(path, await readPrivateFile(path))
  let writing: Promise<void> = Promise.resolve()
  return {
    get state() {
      return state
    },
    change(make) {
      const changed = writing.then(async () => {
        const next = make(state)
        if (path !== null) await replacePrivateFile(path, `${JSON.stringify({ v: 1, ...next }, null, 2)}\n`)
        state = next
      })
      writing = changed.catch(() => undefined)
      return changed
    },
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

function readState(path: string, text: string | undefined): SettingsState {
  if (text === undefined) return EMPTY
  try {
    const json = JSON.parse(text) as Partial<SettingsState> & { readonly v?: unknown }
    const { v, apps, origins = {}, links, added, removed, panicAt } = json
    const isTime = panicAt === null || Number.isSafeInteger(panicAt)
    if (
      v === 1 &&
      isTexts(apps) &&
      isLists(origins) &&
      isTexts(links) &&
      isRelays(added) &&
      isRelays(removed) &&
      isTime
    )
      return { apps, origins, links, added, removed, panicAt: panicAt as number | null }
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause
  }
  // Whether everything was stopped is in it: without it nothing may start.
  throw new UsageError(
    `${path} is damaged: restore it from a backup, or delete it to begin with empty settings`,
  )
}

function isTexts(value: unknown): value is Record<string, string> {
  return (
    typeof value === 'object' &&
    value !== null &&
    Object.values(value).every((text) => typeof text === 'string')
  )
}

function isLists(value: unknown): value is SettingsState['origins'] {
  return (
    typeof value === 'object' &&
    value !== null &&
    Object.values(value).every(
      (list) => Array.isArray(list) && list.every((text) => typeof text === 'string'),
    )
  )
}

function isRelays(value: unknown): value is readonly RelayUrl[] {
  return Array.isArray(value) && value.every((url) => typeof url === 'string' && parseRelayUrl(url).ok)
}
