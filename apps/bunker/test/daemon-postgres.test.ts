/** Daemons on one PostgreSQL: processes, sockets and a database server, all real. */

import { mkdir, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { connectApp } from './daemon-world.ts'
import {
  DATABASE_PASSWORD,
  missingPostgres,
  type PostgresWorld,
  startPostgresWorld,
} from './postgres-world.ts'

const missing = missingPostgres()

describe.skipIf(missing !== undefined)(`PostgreSQL${missing === undefined ? '' : ` (${missing})`}`, () => {
  let world: PostgresWorld
  let away: Promise<string>
  beforeAll(async () => {
    world = await startPostgresWorld()
    // It asks for ten seconds.
    away = world.refused('away', ['--store', `postgres://postgres@127.0.0.1:${await freePort()}/none`])
    away.catch(() => undefined)
  }, 120_000)
  afterAll(() => world?.close(), 60_000)

  test('a daemon starts on an empty database, signs, and says where it keeps things', {
    timeout: 120_000,
  }, async () => {
    const daemon = await world.start('first')
    const app = await connectApp({ api: daemon.api, pool: world.pool }, { grants: 'sign_event:1' })
    const signed = await app.signEvent({ kind: 1, content: 'kept', tags: [], created_at: now() })
    expect(signed.content).toBe('kept')
    await app.close()
    const { store } = await daemon.api.call('status.get')
    expect(store).toMatchObject({ kind: 'postgres', schema: expect.any(Number) })
    expect(store.daemons).toHaveLength(1)
    daemon.kill('SIGTERM')
    expect(await daemon.ended).toBe(0)
  })

  test('what keeps a daemon from starting is said with its fix, and no password', {
    timeout: 120_000,
  }, async () => {
    const wrong = join(world.directoryOf('wrong'), 'password')
    await mkdir(world.directoryOf('wrong'), { recursive: true })
    await writeFile(wrong, 'not-the-password %41+&\n', { mode: 0o600 })
    const words = await world.refused('wrong', ['--store-password-file', wrong])
    expect(words).toContain('password authentication failed')
    expect(words).toContain('look at "store" and at the password')
    expect(words).not.toContain('not-the-password')

    const url = new URL(world.url)
    url.password = 'hunter22'
    const inFlag = await world.refused('flag', ['--store', url.href])
    expect(inFlag).toContain('every user of this machine can see')
    expect(inFlag).not.toContain('hunter22')

    const nobody = await away
    expect(nobody).toContain('see whether it runs')
    expect(nobody).not.toContain(DATABASE_PASSWORD)
  })
})

function now(): number {
  return Math.floor(Date.now() / 1_000)
}

/** One that nobody listens on. */
async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  return typeof address === 'object' && address !== null ? address.port : 0
}
