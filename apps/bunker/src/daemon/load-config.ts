/**
 * Where the daemon's settings come from: a file, then the environment, then the command line; what comes later wins.
 * Never guesses: an unknown name or a wrong value ends the start with a sentence that names the place and the fix.
 */

import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { UsageError } from '@nip46/core'
import { checkConfig } from './check-config.ts'
import {
  type Config,
  DEFAULTS,
  ENV_PREFIX,
  envName,
  flagName,
  type LoadedConfig,
  SETTINGS,
  type SettingName,
  type Source,
} from './config.ts'
import type { Read } from './setting.ts'
import { xdgPaths } from './xdg-paths.ts'

/** Bytes of a settings file. */
export const CONFIG_BYTES = 65_536

export interface ConfigInput {
  /** An explicit file must exist; the one at the usual place may be missing. */
  readonly file?: string | undefined
  readonly env: Readonly<Record<string, string | undefined>>
  /** By the name of the setting. Several values of one flag are a list. */
  readonly flags?: Readonly<Record<string, string | readonly string[] | boolean | undefined>>
  /** For XDG paths; default `env.HOME`. */
  readonly home?: string | undefined
}

const NAMES = Object.keys(SETTINGS) as readonly SettingName[]

/** Rejects with a `UsageError` that names the setting, its place and what it must be. */
export async function loadConfig(input: ConfigInput): Promise<LoadedConfig> {
  const loaded = await readConfig(input)
  await checkConfig(loaded)
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
  const given: Partial<Config> = Object.fromEntries([...found].map(([name, { value }]) => [name, value]))
  const config: Config = {
    data: paths.data,
    socket: join(paths.runtime, 'daemon.sock'),
    authPage: given.publicUrl !== undefined && given.publicUrl !== null,
    ...DEFAULTS,
    ...given,
  }
  const sources = Object.fromEntries(NAMES.map((name) => [name, found.get(name)?.source ?? 'default']))
  return { config, sources: sources as LoadedConfig['sources'], file: inFile.exists ? inFile.path : null }
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
      throw new UsageError(`there is no settings file ${path}: make it, or give another one with --config`)
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

/** Variables that others of this program read. */
function isOtherVariable(variable: string): boolean {
  return ['CONFIG', 'TOKEN', 'URL'].some((name) => variable === `${ENV_PREFIX}${name}`)
}

function unknown(what: string, known: readonly string[]): UsageError {
  return new UsageError(`there is no setting ${what}; known are ${known.join(', ')}`)
}
