/**
 * The daemon's settings: which there are, what each may be, and how each is written and shown.
 * Never reads a file, the environment or the command line, and never shows a password.
 */

import { limits, type RelayUrl } from '@nip46/core'
import { AUDIT_RECORDS, AUDIT_RECORDS_MAX, AUDIT_RECORDS_MIN, USER_RELAYS } from './limits.ts'
import {
  type Address,
  addressSetting,
  choiceSetting,
  credentialSetting,
  flagSetting,
  numberSetting,
  optionalPathSetting,
  originSetting,
  pathSetting,
  type Read,
  relaysSetting,
  type Setting,
  textSetting,
} from './setting.ts'
import { readStore, type StoreChoice, showStore } from './store-choice.ts'

/** What names of environment variables begin with: `NIP46_BUNKER_RELAYS`. */
export const ENV_PREFIX = 'NIP46_BUNKER_'

export interface Config {
  /** Where the vault, the SQLite store and the daemon's own small files are. */
  readonly data: string
  readonly socket: string
  readonly http: Address | null
  readonly publicUrl: string | null
  readonly relays: readonly RelayUrl[]
  readonly userRelays: readonly RelayUrl[]
  readonly serve: Address | null
  readonly serveUrl: readonly RelayUrl[]
  readonly store: StoreChoice
  /** The password of PostgreSQL, if it is not in the URL: a file that only its reader may read, or a systemd credential. */
  readonly storePasswordFile: string | null
  readonly storePasswordCredential: string | null
  /** What other daemons on the same PostgreSQL know this one by; null for a name that is made once and kept. */
  readonly instance: string | null
  readonly preset: 'paranoid' | 'standard' | 'bot' | 'full'
  readonly decideSeconds: number
  readonly linkMinutes: number
  readonly authPage: boolean
  readonly legacy: boolean
  readonly nip44GetKey: boolean
  readonly signsPerSecond: number
  readonly ciphersPerSecond: number
  /** Records of the audit log that are kept; on PostgreSQL of all daemons together. */
  readonly auditRecords: number
  readonly onDuplicate: 'alert' | 'stop'
  readonly log: 'debug' | 'info' | 'warning' | 'error'
}

export type SettingName = keyof Config
export type Source = 'default' | 'file' | 'environment' | 'flag'

export interface LoadedConfig {
  readonly config: Config
  /** Where each value comes from. */
  readonly sources: { readonly [Name in SettingName]: Source }
  /** The file that was read; null if there is none. */
  readonly file: string | null
}

export const SETTINGS: { readonly [Name in SettingName]: Setting<Config[Name]> } = {
  data: pathSetting('directory of keys and state'),
  socket: pathSetting("the API's unix socket"),
  http: addressSetting('also serve the API, with tokens, and the pages over HTTP'),
  publicUrl: originSetting('address of a proxy in front of http'),
  relays: relaysSetting('relays of new links', limits.URI_RELAYS_OUT),
  userRelays: relaysSetting(
    'relays that are asked for your follow list, profile and relay list; none unless named',
    USER_RELAYS,
  ),
  serve: addressSetting('run a relay for NIP-46 here'),
  serveUrl: relaysSetting('URL under which apps reach the relay of "serve"', 1),
  store: textSetting('where sessions are kept', 'sqlite|memory|postgres://…', readStore),
  storePasswordFile: optionalPathSetting('file with the password of PostgreSQL, for its owner only'),
  storePasswordCredential: credentialSetting('  or the systemd credential with it'),
  instance: textSetting('name of this daemon among those on one PostgreSQL', 'NAME|off', readInstance),
  preset: choiceSetting('policy of links that name none', ['paranoid', 'standard', 'bot', 'full']),
  decideSeconds: numberSetting('how long a request waits for you', 5, 3_600),
  linkMinutes: numberSetting('how long a link is good', 1, 5_256_000),
  authPage: flagSetting('send apps to the approval page (auth_url) [yes with public-url]'),
  legacy: flagSetting('take connections encrypted with NIP-04'),
  nip44GetKey: flagSetting('DANGER: hand out conversation keys, asking each time'),
  signsPerSecond: numberSetting('events that one app gets signed in a second', 1, 100_000),
  ciphersPerSecond: numberSetting('texts that one app gets encrypted or decrypted in a second', 1, 100_000),
  auditRecords: numberSetting(
    'records of the audit log that are kept; older ones go',
    AUDIT_RECORDS_MIN,
    AUDIT_RECORDS_MAX,
  ),
  onDuplicate: choiceSetting('when another daemon answers with our keys', ['alert', 'stop']),
  log: choiceSetting('how much is logged', ['debug', 'info', 'warning', 'error']),
}

/** What holds where nothing else is said. The rest depends on the machine, and on `publicUrl`. */
export const DEFAULTS: Omit<Config, 'data' | 'socket' | 'authPage'> = {
  http: null,
  publicUrl: null,
  relays: [],
  userRelays: [],
  serve: null,
  serveUrl: [],
  store: { kind: 'sqlite', path: null },
  storePasswordFile: null,
  storePasswordCredential: null,
  instance: null,
  preset: 'standard',
  decideSeconds: 60,
  linkMinutes: 15,
  legacy: true,
  nip44GetKey: false,
  signsPerSecond: 5,
  ciphersPerSecond: 50,
  auditRecords: AUDIT_RECORDS,
  onDuplicate: 'alert',
  log: 'info',
}

/** What a setting is worth, for people: never a password. */
export function showSetting(config: Partial<Config>, name: SettingName): string {
  const { store, [name]: value } = config
  if (name === 'store' && store !== undefined) return showStore(store)
  if (value === null || value === undefined) return 'off'
  if (typeof value === 'boolean') return value ? 'yes' : 'no'
  if (Array.isArray(value)) return value.join(',')
  if (typeof value === 'object') {
    const { host, port } = value as Address
    return `${host.includes(':') ? `[${host}]` : host}:${port}`
  }
  return String(value)
}

/** `relays` as `NIP46_BUNKER_RELAYS`. */
export function envName(name: SettingName): string {
  return `${ENV_PREFIX}${snake(name, '_').toUpperCase()}`
}

/** `publicUrl` as `public-url`. */
export function flagName(name: SettingName): string {
  return snake(name, '-')
}

function readInstance(text: string): Read<string | null> {
  if (text === 'off') return { value: null }
  if (/^[A-Za-z0-9._-]{1,48}$/.test(text)) return { value: text }
  return { problem: 'must be 1 to 48 letters, digits, dots, dashes and underscores' }
}

function snake(name: string, between: string): string {
  return name
    .replace(/nip44GetKey/, 'nip44-get-key')
    .replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
    .replaceAll('-', between)
}
