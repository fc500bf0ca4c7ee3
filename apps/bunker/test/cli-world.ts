/**
 * Runs commands in this process against a daemon, and keeps what they print.
 */

import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { runCommandLine } from '../src/cli/run-command.ts'
import { type DaemonWorld, PASSPHRASE } from './daemon-world.ts'

export interface Ran {
  readonly exit: number
  readonly out: string
  readonly err: string
  /** What `--json` printed. */
  readonly json: unknown
}

/** `out` gets the lines as they are printed. */
export async function runIn(
  directory: string,
  args: readonly string[],
  signal?: AbortSignal,
  out: string[] = [],
): Promise<Ran> {
  const err: string[] = []
  const exit = await runCommandLine(args, {
    env: {
      HOME: directory,
      NIP46_BUNKER_DATA: join(directory, 'data'),
      NIP46_BUNKER_SOCKET: join(directory, 'run', 'daemon.sock'),
    },
    interactive: false,
    showsTerminal: false,
    print: (line) => void out.push(line),
    warn: (line) => void err.push(line),
    signal: signal ?? new AbortController().signal,
    now: () => Date.now(),
  })
  const text = out.join('\n')
  return {
    exit,
    out: text,
    err: err.join('\n'),
    get json() {
      return JSON.parse(text)
    },
  }
}

export function cliOf(world: Pick<DaemonWorld, 'directory'>): (...args: readonly string[]) => Promise<Ran> {
  return (...args) => runIn(world.directory, args)
}

/** A file with the passphrase of every key and vault in tests. */
export async function passphraseFile(directory: string, text: string = PASSPHRASE): Promise<string> {
  const path = join(directory, `passphrase-${text.length}`)
  await writeFile(path, `${text}\n`, { mode: 0o600 })
  return path
}

/** The shape of JSON: names and types, so that a change of it is seen. */
export function shapeOf(value: unknown): unknown {
  if (value === null) return 'null'
  if (Array.isArray(value)) return value.length === 0 ? [] : [shapeOf(value[0])]
  if (typeof value !== 'object') return typeof value
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, member]) => [name, shapeOf(member)]),
  )
}
