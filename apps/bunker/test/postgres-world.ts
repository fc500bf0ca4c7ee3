/**
 * Daemons in processes of their own, on one PostgreSQL, one relay and one vault each with the same keys.
 * Never used outside tests; nothing of it outlives them.
 */

import { type ChildProcess, spawn } from 'node:child_process'
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { createRelay } from '@nip46/relay'
import { findPostgres, type PostgresCluster, startPostgresCluster } from '@nip46/testing/postgres-cluster'
import { createRelayPool, type RelayPool } from '@nip46/transport-websocket'
import { type ApiClient, createApiClient } from '../src/api/client.ts'
import { initVault, openVault } from '../src/keys/open-vault.ts'
import { crypto, PASSPHRASE, until } from './daemon-world.ts'

const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url))
/** With what has a meaning in URLs. */
export const DATABASE_PASSWORD = 'p%41 ä+&=?#/:@'
/** A busy machine may be slow to start a process. */
const START_MS = 60_000

export interface PostgresWorld {
  readonly cluster: PostgresCluster
  /** Without a password; that is in `passwordFile`. */
  readonly url: string
  readonly passwordFile: string
  readonly relay: string
  readonly pool: RelayPool
  /** A daemon in its own directory, which is made with the same vault if it is not there. Resolves once it answers. */
  start(name: string, flags?: readonly string[]): Promise<DaemonProcess>
  /** Likewise, of one that does not start: resolves with what it says. `vault` is the directory of another one. */
  refused(name: string, flags?: readonly string[], vault?: string): Promise<string>
  directoryOf(name: string): string
  close(): Promise<void>
}

export interface DaemonProcess {
  readonly directory: string
  readonly api: ApiClient
  readonly pid: number
  /** Everything that it printed. */
  readonly output: string[]
  kill(signal: 'SIGKILL' | 'SIGTERM' | 'SIGSTOP' | 'SIGCONT'): void
  /** Resolves with its exit code, null if a signal ended it. */
  readonly ended: Promise<number | null>
}

/** Why there can be none, or undefined. */
export function missingPostgres(): string | undefined {
  const found = findPostgres()
  return 'missing' in found ? found.missing : undefined
}

export async function startPostgresWorld(): Promise<PostgresWorld> {
  const root = await mkdtemp(join(tmpdir(), 'nip46-daemons-'))
  const closers: (() => Promise<unknown> | unknown)[] = [() => rm(root, { recursive: true, force: true })]
  const close = async (): Promise<void> => {
    for (const closer of closers.splice(0).reverse()) await closer()
  }
  try {
    const cluster = await startPostgresCluster()
    closers.push(() => cluster.dispose())
    await cluster.sql(`CREATE ROLE bunker LOGIN PASSWORD '${DATABASE_PASSWORD}'`)
    await cluster.sql('CREATE DATABASE bunker OWNER bunker')
    const url = `postgres://bunker@${cluster.host}:${cluster.port}/bunker`
    const passwordFile = join(root, 'password')
    await writeFile(passwordFile, `${DATABASE_PASSWORD}\n`, { mode: 0o600 })
    const passphraseFile = join(root, 'passphrase')
    await writeFile(passphraseFile, `${PASSPHRASE}\n`, { mode: 0o600 })
    const vault = join(root, 'vault')
    await makeVault(vault)
    const relay = createRelay({ crypto, host: '127.0.0.1', port: 0 })
    const { url: relayUrl } = await relay.listen()
    closers.push(() => relay.close())
    const pool = createRelayPool()
    closers.push(() => pool.close())
    const directoryOf = (name: string): string => join(root, name)

    const spawnDaemon = async (name: string, flags: readonly string[], from = vault) => {
      const directory = directoryOf(name)
      const socket = join(directory, 'run', 'daemon.sock')
      await mkdir(join(directory, 'data'), { recursive: true, mode: 0o700 })
      await cp(from, join(directory, 'data', 'vault'), { recursive: true, force: false })
      const child = spawn(
        process.execPath,
        [
          '--conditions=@nip46/source',
          MAIN,
          'up',
          ...['--unlock', 'me', '--vault-passphrase-file', passphraseFile],
          ...['--data', join(directory, 'data'), '--socket', socket, '--relays', relayUrl, '--log', 'debug'],
          ...['--store', url, '--store-password-file', passwordFile, '--preset', 'paranoid'],
          ...['--decide-seconds', '300', '--signs-per-second', '1000', ...flags],
        ],
        { stdio: ['ignore', 'pipe', 'pipe'], env: { PATH: process.env['PATH'], HOME: directory } },
      )
      closers.push(() => end(child))
      const output: string[] = []
      for (const stream of [child.stdout, child.stderr])
        createInterface({ input: stream }).on('line', (line) => void output.push(line))
      const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
      return { child, directory, socket, output, ended }
    }

    return {
      cluster,
      url,
      passwordFile,
      relay: relayUrl,
      pool,
      directoryOf,
      close,
      async start(name, flags = []) {
        const { child, directory, socket, output, ended } = await spawnDaemon(name, flags)
        const isStarted = (): boolean => output.some((line) => line.includes('"started"'))
        for (const end = Date.now() + START_MS; !isStarted(); ) {
          if (child.exitCode !== null || Date.now() > end)
            throw new Error(`daemon ${name} did not start:\n${output.join('\n')}`)
          await new Promise((resolve) => setTimeout(resolve, 20))
        }
        return {
          directory,
          api: createApiClient({ socketPath: socket }),
          pid: child.pid ?? 0,
          output,
          kill: (signal) => void child.kill(signal),
          ended,
        }
      },
      async refused(name, flags = [], from = vault) {
        const { output, ended } = await spawnDaemon(name, flags, from)
        if ((await ended) === 0) throw new Error(`daemon ${name} ran`)
        return output.join('\n')
      },
    }
  } catch (cause) {
    await close()
    throw cause
  }
}

/** Resolves when each of these knows that all of them are there. */
export async function allTogether(...daemons: readonly DaemonProcess[]): Promise<void> {
  for (const { api } of daemons)
    await until(async () => (await api.call('status.get')).store.daemons.length === daemons.length)
}

export async function makeVault(directory: string): Promise<void> {
  const passphrase = new TextEncoder().encode(PASSPHRASE)
  await initVault(directory, passphrase, { logN: 16 })
  const vault = await openVault(directory, passphrase, { logN: 16 })
  await vault.create('me', passphrase)
  await vault.close()
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = new Promise((resolve) => child.once('close', resolve))
  child.kill('SIGKILL')
  await gone
}
