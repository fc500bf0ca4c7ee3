/**
 * The program itself, `up` and everything else, in processes of their own, as people run it.
 * Never outlives its test: whoever starts one calls `end`.
 */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type ApiClient, createApiClient } from '../src/api/client.ts'
import type { Status } from '../src/api/shapes.ts'
import { passphraseFile } from './cli-world.ts'
import { until } from './daemon-world.ts'

const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url))
const SHIFT = fileURLToPath(new URL('./peer/shifted-clock.mjs', import.meta.url))

export interface ProgramOptions {
  readonly directory: string
  /** The program's clock, in milliseconds beside this machine's. Default 0. */
  readonly clockShiftMs?: number
  readonly env?: Readonly<Record<string, string>>
  /** Of the vault. Default: that of all tests. */
  readonly passphrase?: string
}

export interface Program {
  readonly child: ChildProcess
  /** What it printed so far. */
  readonly out: () => string
  readonly err: () => string
  /** Its exit code, or the signal that ended it. */
  readonly ended: Promise<number | string>
}

/** The words that start the program, beginning with that of Node. */
export function programWords({ clockShiftMs = 0 }: Partial<ProgramOptions> = {}): readonly string[] {
  const clock = clockShiftMs === 0 ? [] : ['--import', SHIFT]
  return [process.execPath, '--conditions=@nip46/source', ...clock, MAIN]
}

/** Where the program keeps things in tests, and nothing of the environment that runs them. */
export function programEnv({ directory, clockShiftMs = 0, env }: ProgramOptions): Record<string, string> {
  return {
    PATH: process.env['PATH'] ?? '',
    HOME: directory,
    NIP46_BUNKER_DATA: join(directory, 'data'),
    NIP46_BUNKER_SOCKET: join(directory, 'run', 'daemon.sock'),
    CLOCK_SHIFT_MS: String(clockShiftMs),
    ...env,
  }
}

export function startProgram(args: readonly string[], options: ProgramOptions): Program {
  const [node = '', ...words] = programWords(options)
  const child = spawn(node, [...words, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: programEnv(options),
  })
  let out = ''
  let err = ''
  child.stdout.on('data', (chunk) => {
    out += chunk
  })
  child.stderr.on('data', (chunk) => {
    err += chunk
  })
  const ended = once(child, 'close').then(([code, signal]) => (code ?? signal) as number | string)
  return { child, out: () => out, err: () => err, ended }
}

export interface DaemonProcess extends Program {
  readonly api: ApiClient
  status(): Promise<Status>
  /** Asks it to stop, and waits for its end. */
  stop(signal?: NodeJS.Signals): Promise<number | string>
  /** For when a test is over, however it went. */
  end(): Promise<void>
}

/** `up` with the passphrase of tests. Resolves once its API answers; rejects with what it said if it ends before. */
export async function startDaemonProcess(
  args: readonly string[],
  options: ProgramOptions,
): Promise<DaemonProcess> {
  const secret = await passphraseFile(options.directory, options.passphrase)
  const program = startProgram(['up', '--vault-passphrase-file', secret, ...args], options)
  const api = createApiClient({ socketPath: join(options.directory, 'run', 'daemon.sock') })
  const end = async (): Promise<void> => {
    program.child.kill('SIGKILL')
    await program.ended
  }
  let over: number | string | undefined
  void program.ended.then((how) => {
    over = how
  })
  try {
    await until(async () => {
      if (over !== undefined) throw new Error(`it ended with ${over}: ${program.err()}`)
      const { state } = await api.call('status.get').catch(() => ({ state: undefined }))
      return state !== undefined && program.out().includes('started')
    })
  } catch (cause) {
    await end()
    throw cause
  }
  return {
    ...program,
    api,
    status: () => api.call('status.get'),
    stop(signal = 'SIGTERM') {
      program.child.kill(signal)
      return program.ended
    },
    end,
  }
}
