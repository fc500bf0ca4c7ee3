import { execFileSync, spawnSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  copyFileSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { PostgresConnection } from '@nip46/store-postgres'
import { findPostgres, startPostgresCluster } from '@nip46/testing/postgres-cluster'
import { expect, onTestFinished, test } from 'vitest'
import { open } from './server.ts'

const missing = [
  ...('missing' in findPostgres() ? ['PostgreSQL'] : []),
  ...(spawnSync('openssl', ['version']).status === 0 ? [] : ['openssl']),
]
if (missing.length > 0) console.warn(`skipped: TLS to PostgreSQL needs ${missing.join(' and ')}`)

test.skipIf(missing.length > 0)(
  'TLS that is asked for is made or refused, never left out, and the certificate counts',
  async () => {
    const cluster = await startPostgresCluster()
    onTestFinished(() => cluster.dispose())
    const url = cluster.url()
    const { host, port, user, password, dataFolder } = cluster
    const connection = (ssl: PostgresConnection['ssl']): PostgresConnection => ({
      host,
      port,
      user,
      password,
      database: 'postgres',
      ...(ssl !== undefined && { ssl }),
    })
    const refused = async (to: string | PostgresConnection, why: string): Promise<void> => {
      const error = await open('', { connection: to }).then(
        () => undefined,
        (cause: unknown) => cause,
      )
      expect(error).toMatchObject({ code: 'store/refused', message: expect.stringContaining(why) })
      expect(String(error)).not.toContain(password)
    }
    /** How many connections of the store are encrypted, and how many are not. */
    const encrypted = (): Promise<string> =>
      cluster.sql(
        "SELECT count(*) FILTER (WHERE ssl), count(*) FILTER (WHERE NOT ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name LIKE 'nip46%'",
      )

    // A server without TLS.
    await refused(`${url}?sslmode=require`, 'has no TLS')
    await refused(connection({}), 'has no TLS')

    const folder = mkdtempSync(join(tmpdir(), 'nip46-tls-'))
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
    const subject = ['-subj', '/CN=database', '-addext', 'subjectAltName=IP:127.0.0.1']
    const files = ['-keyout', join(folder, 'server.key'), '-out', join(folder, 'server.crt')]
    const request = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', ...subject, ...files]
    execFileSync('openssl', request, { stdio: 'ignore' })
    const { uid, gid } = statSync(dataFolder)
    for (const name of ['server.key', 'server.crt']) {
      copyFileSync(join(folder, name), join(dataFolder, name))
      chmodSync(join(dataFolder, name), 0o600)
      chownSync(join(dataFolder, name), uid, gid)
    }
    await cluster.sql('ALTER SYSTEM SET ssl = on')
    // A server that takes nothing else from this role.
    const rules = join(dataFolder, 'pg_hba.conf')
    await cluster.sql("CREATE ROLE strict LOGIN PASSWORD 'strict'")
    writeFileSync(rules, `hostnossl all strict 127.0.0.1/32 reject\n${readFileSync(rules, 'utf8')}`)
    await cluster.sql('SELECT pg_reload_conf()')
    const end = Date.now() + 30_000
    while ((await cluster.sql('SHOW ssl')) !== 'on') {
      expect(Date.now()).toBeLessThan(end)
      await sleep(50)
    }

    const ca = readFileSync(join(folder, 'server.crt'), 'utf8')
    await refused(`${url}?sslmode=verify-full`, 'DEPTH_ZERO_SELF_SIGNED_CERT')
    await refused(connection(true), 'DEPTH_ZERO_SELF_SIGNED_CERT')
    await refused(connection({ ca, servername: 'elsewhere.example' }), 'ERR_TLS_CERT_ALTNAME_INVALID')
    await refused({ ...connection(undefined), user: 'strict', password: 'strict' }, '28000')
    expect(await encrypted()).toBe('0|0')

    const root = encodeURIComponent(join(folder, 'server.crt'))
    for (const to of [connection({ ca }), `${url}?sslmode=verify-full&sslrootcert=${root}`]) {
      const store = await open('', { connection: to })
      const nobody = {
        changed: () => undefined,
        turnRequested: () => undefined,
        members: () => undefined,
        fenced: () => undefined,
      }
      await store.sharing.join(nobody)
      expect(await store.commit([{ clients: ['c'.repeat(64) as never] }], Date.now())).toEqual([
        { type: 'done' },
      ])
      // The one that listens is one of them.
      expect(await encrypted()).toMatch(/^([2-9]|\d\d)\|0$/)
      await store.close()
    }
    const plain = await open(url)
    expect(await encrypted()).toMatch(/\|[1-9]\d*$/)
    await plain.close()
  },
)
