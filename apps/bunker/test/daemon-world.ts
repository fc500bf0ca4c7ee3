/**
 * A daemon with a real vault and a real relay of its own in a directory of its own, and what tests do with it.
 * Never used outside tests.
 */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type AuthUrl, type BunkerSession, connect } from '@nip46/client'
import type { JsonValue } from '@nip46/core'
import { tinyCrypto } from '@nip46/crypto/tiny'
import { retakePort } from '@nip46/testing'
import { createRelayPool, type RelayPool } from '@nip46/transport-websocket'
import { type ApiClient, createApiClient } from '../src/api/client.ts'
import type { QuestionView } from '../src/api/shapes.ts'
import type { LoadedConfig } from '../src/daemon/config.ts'
import type { Daemon, DaemonDeps } from '../src/daemon/daemon.ts'
import { loadConfig } from '../src/daemon/load-config.ts'
import { runDaemon } from '../src/daemon/run.ts'
import { initVault, openVault } from '../src/keys/open-vault.ts'

export const crypto = tinyCrypto()
/** Of the vault and of each key. */
export const PASSPHRASE = 'correct horse battery staple'

export interface DaemonWorld {
  readonly directory: string
  readonly daemon: Daemon
  readonly api: ApiClient
  readonly log: string[]
  readonly pool: RelayPool
  readonly loaded: LoadedConfig
  /** Stops the daemon and starts another one on the same directory and the same relay port. */
  restart(change?: Pick<WorldOptions, 'key'>): Promise<DaemonWorld>
  close(): Promise<void>
}

export interface WorldOptions {
  readonly flags?: Readonly<Record<string, string | boolean>>
  readonly directory?: string
  readonly deps?: Partial<DaemonDeps>
  /** Make a key `me` and unlock it. Default true. */
  readonly key?: boolean
}

export async function startWorld(options: WorldOptions = {}): Promise<DaemonWorld> {
  const directory = options.directory ?? (await mkdtemp(join(tmpdir(), 'nip46-daemon-')))
  const flags = {
    data: join(directory, 'data'),
    socket: join(directory, 'run', 'daemon.sock'),
    serve: '127.0.0.1:0',
    log: 'debug',
    // What was not granted is asked about.
    preset: 'paranoid',
    ...options.flags,
  }
  const loaded = await loadConfig({ env: { HOME: directory }, flags })
  const passphrase = new TextEncoder().encode(PASSPHRASE)
  const vaultDirectory = join(directory, 'data', 'vault')
  if (options.directory === undefined) await initVault(vaultDirectory, passphrase, { logN: 16 })
  const vault = await openVault(vaultDirectory, passphrase, { logN: 16 })
  const log: string[] = []
  const daemon = await runDaemon(loaded, { vault, print: (line) => log.push(line), ...options.deps })
  const api = createApiClient({ socketPath: daemon.socket })
  if (options.key !== false) {
    if (options.directory === undefined) await api.call('key.create', { name: 'me', passphrase: PASSPHRASE })
    await api.call('key.unlock', { name: 'me', passphrase: PASSPHRASE })
  }
  const pool = createRelayPool()
  const stop = async (): Promise<void> => {
    await pool.close()
    await daemon.close()
  }
  return {
    directory,
    daemon,
    api,
    log,
    pool,
    loaded,
    async restart(change = {}) {
      const port = new URL(daemon.relay ?? 'ws://127.0.0.1:0').port
      await daemon.close()
      const flags = { ...options.flags, serve: `127.0.0.1:${port}` }
      const again = await retakePort(() =>
        startWorld({ ...options, ...change, directory, flags }).catch((cause: unknown) => {
          throw String(cause).includes('EADDRINUSE')
            ? Object.assign(new Error(), { code: 'EADDRINUSE' })
            : cause
        }),
      )
      return { ...again, pool }
    },
    async close() {
      await stop()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

export interface AppOptions {
  readonly grants?: string
  readonly preset?: string
  /** In place of both. */
  readonly json?: JsonValue
  /** If there are several. */
  readonly key?: string
  readonly label?: string
  readonly name?: string
  readonly onAuthUrl?: (page: AuthUrl) => void
}

/** An app of ours, connected over a link of the API. */
export async function connectApp(
  world: Pick<DaemonWorld, 'api' | 'pool'>,
  options: AppOptions = {},
): Promise<BunkerSession> {
  const { grants, preset, json, key, label, name = 'Test app', onAuthUrl } = options
  const { links } = await world.api.call('link.create', {
    ...(label !== undefined && { label }),
    ...(key !== undefined && { key }),
    policy: {
      ...(grants !== undefined && { grants }),
      ...(preset !== undefined && { preset }),
      ...(json !== undefined && { json }),
    },
  })
  const uri = links[0]?.uri ?? ''
  return connect(uri, {
    crypto,
    transport: world.pool,
    metadata: { name },
    ...(onAuthUrl !== undefined && { onAuthUrl, allowLoopbackAuthUrl: true }),
  })
}

/** The next question that waits. */
export async function nextQuestion(
  api: ApiClient,
  isIt: (question: QuestionView) => boolean = () => true,
): Promise<QuestionView> {
  return until(async () => (await api.call('request.list')).requests.find(isIt))
}

/** Looks until there is something; rejects after `ms`. */
export async function until<T>(
  look: () => Promise<T | undefined | false> | T | undefined | false,
  ms = 60_000,
): Promise<T> {
  const end = performance.now() + ms
  for (;;) {
    const found = await look()
    if (found !== undefined && found !== false) return found
    if (performance.now() >= end) throw new Error(`it did not happen within ${ms / 1_000} s`)
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
}
