/** A request that crashes the daemon, in processes of its own: it does so twice, or thrice if the system kills it, and never again. */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { BunkerSession } from '@nip46/client'
import { createRelay } from '@nip46/relay'
import { findPostgres, startPostgresCluster } from '@nip46/testing/postgres-cluster'
import { createRelayPool } from '@nip46/transport-websocket'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createApiClient } from '../src/api/client.ts'
import { passphraseFile } from './cli-world.ts'
import { type Program, startProgram } from './daemon-process.ts'
import { connectApp, crypto, until } from './daemon-world.ts'
import { makeVault } from './postgres-world.ts'

const HOOK = fileURLToPath(new URL('./peer/crash-on-note.mjs', import.meta.url))
const PATIENCE = { timeout: 300_000 }
const relay = createRelay({ crypto })
let relayUrl = ''

beforeAll(async () => {
  relayUrl = (await relay.listen()).url
})
afterAll(() => relay.close())

const found = findPostgres()
const STORES = [
  { store: 'SQLite', left: undefined },
  { store: 'PostgreSQL', left: 'missing' in found ? found.missing : undefined },
]

describe.each(STORES)('On $store', ({ store, left }) => {
  test.skipIf(left !== undefined)(
    `a request that ends the daemon is refused after the second time, also where nobody could mark it${left === undefined ? '' : ` (${left})`}`,
    PATIENCE,
    async () => {
      const closers: (() => Promise<unknown>)[] = []
      const directory = await mkdtemp(join(tmpdir(), 'nip46-marks-'))
      closers.push(() => rm(directory, { recursive: true, force: true }))
      let app: BunkerSession | undefined
      try {
        const env: Record<string, string> = { NODE_OPTIONS: `--import ${HOOK}` }
        if (store === 'PostgreSQL') {
          const cluster = await startPostgresCluster()
          closers.push(() => cluster.dispose())
          const { user, password, host, port } = cluster
          env['NIP46_BUNKER_STORE'] = `postgres://${user}:${password}@${host}:${port}/postgres`
        }
        await makeVault(join(directory, 'data', 'vault'))
        const secret = await passphraseFile(directory)
        const api = createApiClient({ socketPath: join(directory, 'run', 'daemon.sock') })
        const start = (): Program => {
          const args = ['up', '--vault-passphrase-file', secret, '--relays', relayUrl, '--unlock', 'me']
          const started = startProgram(args, { directory, env })
          closers.push(async () => {
            started.child.kill('SIGKILL')
            await started.ended
          })
          return started
        }
        const pool = createRelayPool()
        closers.push(() => pool.close())
        let daemon = start()
        const status = () => until(() => api.call('status.get').catch(() => undefined), 60_000)
        await until(() => daemon.out().includes('"started"'), 60_000)
        app = await connectApp({ api, pool }, { grants: 'sign_event:1' })
        const sign = (content: string) =>
          (app as BunkerSession).signEvent(
            { kind: 1, content, created_at: 1_700_000_000 },
            { timeout: 120_000 },
          )
        const isUp = () => daemon.out().includes('"started"')
        /** Asks, and asks again of each daemon that is there, until it is refused: how they ended, and with what it was refused. */
        const insist = async (content: string) => {
          const ends: (number | string)[] = []
          const asks: Promise<{ readonly refused: string }>[] = []
          for (;;) {
            let end: number | string | undefined
            void daemon.ended.then((how) => {
              end = how
            })
            // What a relay kept may end it before it is up.
            await until(() => isUp() || end !== undefined, 60_000)
            const ask = sign(content).then(
              () => ({ refused: 'signed' }),
              ({ message }: Error) => ({ refused: message }),
            )
            asks.push(ask)
            const first = await Promise.race([...asks, daemon.ended])
            if (typeof first === 'object') return { ends, ...first }
            ends.push(first)
            if (ends.length > 4) throw new Error('it crashes for ever')
            daemon = start()
          }
        }

        const thrown = await insist('THROW')
        expect(thrown.ends).toEqual([1, 1])
        expect(thrown.refused).toContain('internal: this request was in work')
        // Everything else goes on, also beside it.
        expect((await sign('something else')).content).toBe('something else')
        expect((await status()).crashRefusals).toBeGreaterThan(0)
        expect(daemon.out()).toContain('"crash-refused"')

        // After an orderly end the next daemon is not careful, and still knows.
        daemon.child.kill('SIGTERM')
        expect(await daemon.ended).toBe(0)
        daemon = start()
        await until(isUp, 60_000)
        await expect(sign('THROW')).rejects.toThrow('internal: this request was in work')

        const killed = await insist('KILL')
        expect(killed.ends).toEqual(['SIGKILL', 'SIGKILL', 'SIGKILL'])
        expect(killed.refused).toContain('internal: this request was in work')
        expect((await sign('and more')).content).toBe('and more')
        await until(async () => (await status()).ready)
      } finally {
        await app?.close()
        for (const close of closers.reverse()) await close()
      }
    },
  )
})
