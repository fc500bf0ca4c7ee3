/**
 * The daemon's settings: from a file, then the environment, then the command line; what comes later wins.
 * Never guesses: an unknown name or a wrong value ends the start with a sentence that names the place and the fix.
 */

import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { limits, type RelayUrl, UsageError } from '@nip46/core'
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

/** Bytes of a settings file. */
export const CONFIG_BYTES = 65_536
/** What names of environment variables begin with: `NIP46_BUNKER_RELAYS`. */
export const ENV_PREFIX = 'NIP46_BUNKER_'

export type StoreChoice =
  | { readonly kind: 'sqlite'; readonly path: string | null }
  | { readonly kind: 'postgres'; readonly url: string }
  | { readonly kind: 'memory' }

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

/** `sqlite`, `sqlite:/path/to/file`, `memory`, or `postgres://…`. */
function readStore(text: string): Read<StoreChoice> {
  if (text === 'memory') return { value: { kind: 'memory' } }
  if (text === 'sqlite') return { value: { kind: 'sqlite', path: null } }
  if (text.startsWith('sqlite:/')) return { value: { kind: 'sqlite', path: text.slice('sqlite:'.length) } }
  if (/^postgres(ql)?:\/\//.test(text) && URL.canParse(text)) {
    if (!isDecodable(text))
      return {
        problem:
          'has a % that begins no percent-encoded UTF-8: write %25 for a % that is part of a name or a password',
      }
    // A password that is not encoded ends the host at the wrong place: a part of it would be shown as port and database.
    if (isUnencoded(new URL(text)))
      return { problem: 'must have its password percent-encoded: %2F for /, %3F for ?, %23 for #, %40 for @' }
    return { value: { kind: 'postgres', url: text } }
  }
  return { problem: 'must be sqlite, sqlite:/path/to/file, memory, or a postgres:// URL' }
}

function isDecodable(text: string): boolean {
  try {
    decodeURIComponent(text)
    return true
  } catch (cause) {
    if (!(cause instanceof URIError)) throw cause
    return false
  }
}

function isUnencoded({ pathname, searchParams, hash }: URL): boolean {
  return hash !== '' || pathname.includes('@') || [...searchParams.keys()].some((name) => name.includes('@'))
}

function readInstance(text: string): Read<string | null> {
  if (text === 'off') return { value: null }
  if (/^[A-Za-z0-9._-]{1,48}$/.test(text)) return { value: text }
  return { problem: 'must be 1 to 48 letters, digits, dots, dashes and underscores' }
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
  authPage: flagSetting('send apps to the approval page (auth_url)'),
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

const NAMES = Object.keys(SETTINGS) as readonly SettingName[]

export interface ConfigInput {
  /** An explicit file must exist; the one at the usual place may be missing. */
  readonly file?: string | undefined
  readonly env: Readonly<Record<string, string | undefined>>
  /** By the name of the setting. Several values of one flag are a list. */
  readonly flags?: Readonly<Record<string, string | readonly string[] | boolean | undefined>>
  /** For XDG paths; default `env.HOME`. */
  readonly home?: string | undefined
}

/** Rejects with a `UsageError` that names the setting, its place and what it must be. */
export async function loadConfig(input: ConfigInput): Promise<LoadedConfig> {
  const loaded = await readConfig(input)
  const { config, sources, file } = loaded
  checkTogether(config)
  await checkPassword(config, sources.store, file)
  return loaded
}

/** Likewise, but whether a daemon could run by them all together is not looked at. */
export async function readConfig(input: ConfigInput): Promise<LoadedConfig> {
  const { env, flags = {} } = input
  const paths = xdgPaths(env, input.home)
  const inFile = await readConfigFile(input.file, join(paths.config, 'config.json'))
  const found = new Map<SettingName, { readonly source: Source; readonly value: unknown }>()
  const take = (name: SettingName, source: Source, read: Read<unknown>, place: string): void => {
    if ('problem' in read) throw new UsageError(`${place} ${read.problem}`)
    found.set(name, { source, value: read.value })
  }
  for (const [name, json] of Object.entries(inFile.values)) {
    const known = NAMES.find((each) => each === name)
    if (known === undefined) throw unknown(`"${name.slice(0, 64)}" in ${inFile.path}`, NAMES)
    take(known, 'file', SETTINGS[known].fromJson(json), `"${name}" in ${inFile.path}`)
  }
  for (const [variable, text] of Object.entries(env)) {
    if (!variable.startsWith(ENV_PREFIX) || text === undefined || isOtherVariable(variable)) continue
    const known = NAMES.find((each) => envName(each) === variable)
    if (known === undefined) throw unknown(variable.slice(0, 64), NAMES.map(envName))
    take(known, 'environment', SETTINGS[known].fromText(text), variable)
  }
  for (const [name, given] of Object.entries(flags)) {
    const known = NAMES.find((each) => each === name)
    if (known === undefined || given === undefined) continue
    const text = typeof given === 'boolean' ? (given ? 'yes' : 'no') : [given].flat().join(',')
    take(known, 'flag', SETTINGS[known].fromText(text), `--${flagName(known)}`)
  }
  const value = <Name extends SettingName>(name: Name, otherwise: Config[Name]): Config[Name] => {
    const entry = found.get(name)
    return entry === undefined ? otherwise : (entry.value as Config[Name])
  }
  const publicUrl = value('publicUrl', null)
  const config: Config = {
    data: value('data', paths.data),
    socket: value('socket', join(paths.runtime, 'daemon.sock')),
    http: value('http', null),
    publicUrl,
    relays: value('relays', []),
    userRelays: value('userRelays', []),
    serve: value('serve', null),
    serveUrl: value('serveUrl', []),
    store: value('store', { kind: 'sqlite', path: null }),
    storePasswordFile: value('storePasswordFile', null),
    storePasswordCredential: value('storePasswordCredential', null),
    instance: value('instance', null),
    preset: value('preset', 'standard'),
    decideSeconds: value('decideSeconds', 60),
    linkMinutes: value('linkMinutes', 15),
    authPage: value('authPage', publicUrl !== null),
    legacy: value('legacy', true),
    nip44GetKey: value('nip44GetKey', false),
    signsPerSecond: value('signsPerSecond', 5),
    ciphersPerSecond: value('ciphersPerSecond', 50),
    auditRecords: value('auditRecords', AUDIT_RECORDS),
    onDuplicate: value('onDuplicate', 'alert'),
    log: value('log', 'info'),
  }
  const sources = Object.fromEntries(NAMES.map((name) => [name, found.get(name)?.source ?? 'default']))
  return { config, sources: sources as LoadedConfig['sources'], file: inFile.exists ? inFile.path : null }
}

/** What a setting is worth, for people: never a password. */
export function showSetting(config: Config, name: SettingName): string {
  const { [name]: value } = config
  if (name === 'store') return showStore(config.store)
  if (value === null) return 'off'
  if (typeof value === 'boolean') return value ? 'yes' : 'no'
  if (Array.isArray(value)) return value.join(',')
  if (typeof value === 'object') {
    const { host, port } = value as Address
    return `${host.includes(':') ? `[${host}]` : host}:${port}`
  }
  return String(value)
}

/** The place of a store without user and password. */
export function showStore(store: StoreChoice): string {
  if (store.kind === 'memory') return 'memory'
  if (store.kind === 'sqlite') return store.path === null ? 'sqlite' : `sqlite:${store.path}`
  const { host, pathname, searchParams } = new URL(store.url)
  const socket = searchParams.get('host')
  return `postgres://${host}${pathname}${socket === null ? '' : `?host=${socket}`}`
}

/** `relays` as `NIP46_BUNKER_RELAYS`. */
export function envName(name: SettingName): string {
  return `${ENV_PREFIX}${snake(name, '_').toUpperCase()}`
}

/** `publicUrl` as `public-url`. */
export function flagName(name: SettingName): string {
  return snake(name, '-')
}

export interface XdgPaths {
  readonly config: string
  readonly data: string
  readonly runtime: string
}

/** Where things are kept unless said otherwise (XDG Base Directory Specification). */
export function xdgPaths(env: ConfigInput['env'], home: string | undefined = env['HOME']): XdgPaths {
  const absolute = (name: string): string | undefined => {
    const path = env[name]
    // "All paths set in these environment variables must be absolute. If … relative … ignore it."
    return path?.startsWith('/') === true ? path : undefined
  }
  const under = (name: string, usual: string): string => {
    const base = absolute(name) ?? (home === undefined ? undefined : join(home, usual))
    if (base === undefined)
      throw new UsageError(
        `neither ${name} nor HOME is set: say where things are kept with --data and --socket`,
      )
    return join(base, 'nip46-bunker')
  }
  const data = under('XDG_DATA_HOME', '.local/share')
  const runtime = absolute('XDG_RUNTIME_DIR')
  return {
    config: under('XDG_CONFIG_HOME', '.config'),
    data,
    runtime: runtime === undefined ? data : join(runtime, 'nip46-bunker'),
  }
}

interface ConfigFile {
  readonly path: string
  readonly exists: boolean
  readonly values: Readonly<Record<string, unknown>>
}

async function readConfigFile(given: string | undefined, usual: string): Promise<ConfigFile> {
  const path = given ?? usual
  let text: string
  try {
    const { size } = await stat(path)
    if (size > CONFIG_BYTES) throw new UsageError(`${path} is larger than ${CONFIG_BYTES} bytes`)
    text = await readFile(path, 'utf8')
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') throw cause
    if (given !== undefined)
      throw new UsageError(`there is no settings file ${path}: give another one with --config`)
    return { path, exists: false, values: {} }
  }
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause
    throw new UsageError(`${path} is not JSON: it begins { "relays": ["wss://…"] }`)
  }
  if (typeof json !== 'object' || json === null || Array.isArray(json))
    throw new UsageError(`${path} must be one JSON object: { "relays": ["wss://…"] }`)
  return { path, exists: true, values: json as Record<string, unknown> }
}

function checkTogether({ relays, serve, serveUrl, http, publicUrl, authPage }: Config): void {
  if (relays.length === 0 && serve === null)
    throw new UsageError(
      'there is no relay: give "relays" in the settings file, NIP46_BUNKER_RELAYS or --relays wss://relay.example.com, or run one with --serve 127.0.0.1:7777',
    )
  if (serve === null && serveUrl.length > 0)
    throw new UsageError('"serveUrl" names the relay of "serve", which is off: set "serve" to HOST:PORT')
  if (relays.length + (serve === null ? 0 : 1) > limits.URI_RELAYS_OUT)
    throw new UsageError(
      `"relays" and "serve" together are more than ${limits.URI_RELAYS_OUT} relays: take one out`,
    )
  if (publicUrl !== null && http === null)
    throw new UsageError(
      '"publicUrl" is where a proxy serves "http", which is off: set "http" to 127.0.0.1:7747',
    )
  if (authPage && http === null)
    throw new UsageError('"authPage" needs "http": set "http" to 127.0.0.1:7747, or "authPage" to no')
  if (http !== null && !isLoopback(http.host) && publicUrl === null)
    throw new UsageError(
      `"http" at ${http.host} can be reached from elsewhere, and tokens would travel in the clear: use 127.0.0.1, and a proxy with TLS whose address is "publicUrl"`,
    )
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host)
}

/** A password where others may read it is told about before anything starts. */
async function checkPassword(config: Config, source: Source, file: string | null): Promise<void> {
  const { store, storePasswordFile, storePasswordCredential } = config
  const places = [storePasswordFile, storePasswordCredential].filter((place) => place !== null)
  if (places.length > 0 && store.kind !== 'postgres')
    throw new UsageError(
      'there is a password for PostgreSQL, which is not used: set "store" to a postgres:// URL',
    )
  if (store.kind !== 'postgres') return
  const url = new URL(store.url)
  const isInUrl = url.password !== '' || url.searchParams.has('password')
  if (isInUrl && source === 'flag')
    throw new UsageError(
      `--store has a password in it, which every user of this machine can see: give --store without it, and --${flagName('storePasswordFile')} FILE, or set ${envName('store')}`,
    )
  if (isInUrl && source === 'file' && file !== null) {
    const { mode } = await stat(file)
    if ((mode & 0o077) !== 0)
      throw new UsageError(`others may read ${file}, and a password is in it: run chmod 600 ${file}`)
  }
  if (places.length + Number(isInUrl) > 1)
    throw new UsageError(
      'the password of PostgreSQL is given twice: keep one of "store", "storePasswordFile" and "storePasswordCredential"',
    )
}

/** Variables that others of this program read. */
function isOtherVariable(variable: string): boolean {
  return ['CONFIG', 'TOKEN', 'URL'].some((name) => variable === `${ENV_PREFIX}${name}`)
}

function unknown(what: string, known: readonly string[]): UsageError {
  return new UsageError(`there is no setting ${what}; known are ${known.join(', ')}`)
}

function snake(name: string, between: string): string {
  return name
    .replace(/nip44GetKey/, 'nip44-get-key')
    .replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
    .replaceAll('-', between)
}
