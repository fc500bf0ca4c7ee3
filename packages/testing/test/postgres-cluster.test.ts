import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { findPostgres, startPostgresCluster } from '@nip46/testing/postgres-cluster'
import { describe, expect, onTestFinished, test } from 'vitest'

const found = findPostgres()
const missing = 'missing' in found ? found.missing : undefined

describe.skipIf(missing !== undefined)(`a cluster of PostgreSQL${missing ? ` (${missing})` : ''}`, () => {
  test('keeps what was committed across a crash, and is gone once it is disposed of', async () => {
    const cluster = await startPostgresCluster({ settings: { max_connections: 30 } })
    try {
      const database = await cluster.createDatabase()
      expect(database).not.toBe(await cluster.createDatabase())
      await cluster.sql("CREATE TABLE t (a int, b text); INSERT INTO t VALUES (1, 'one')", database)
      const settings = await cluster.sql(
        "SELECT current_setting('fsync'), current_setting('max_connections')",
      )
      expect(settings).toBe('on|30')
      await cluster.stop('immediate')
      await expect(cluster.sql('SELECT 1')).rejects.toThrow(/refused/)
      await cluster.start()
      expect(await cluster.sql('SELECT a, b FROM t', database)).toBe('1|one')
      expect(await cluster.dump(database)).toMatch(/^1\tone$/m)
      await expect(cluster.sql('SELEKT')).rejects.toThrow(/syntax error/)
    } finally {
      await cluster.dispose()
    }
    expect(existsSync(cluster.dataFolder)).toBe(false)
    await expect(cluster.sql('SELECT 1')).rejects.toThrow(/refused/)
  })

  test('does not outlive the process that made it', async () => {
    const program = `
      import { startPostgresCluster } from '@nip46/testing/postgres-cluster'
      const { dataFolder } = await startPostgresCluster()
      console.log(dataFolder)
      setInterval(() => {}, 1_000)`
    const args = ['--conditions=@nip46/source', '--input-type=module', '--eval', program]
    const child = spawn(process.execPath, args, {
      cwd: import.meta.dirname,
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    onTestFinished(() => void child.kill('SIGKILL'))
    const [folder] = await new Promise<string[]>((resolve) => {
      createInterface({ input: child.stdout }).once('line', (line) => resolve([line]))
    })
    expect(existsSync(`${folder}/postmaster.pid`)).toBe(true)
    child.kill('SIGKILL')
    for (let i = 0; i < 600 && existsSync(dirname(folder ?? '')); i++) await sleep(100)
    expect(existsSync(dirname(folder ?? ''))).toBe(false)
  })

  test('ends with a process that has nothing else to do', async () => {
    const program = `
      import { startPostgresCluster } from '@nip46/testing/postgres-cluster'
      console.log((await startPostgresCluster()).dataFolder)`
    const args = ['--conditions=@nip46/source', '--input-type=module', '--eval', program]
    const child = spawn(process.execPath, args, {
      cwd: import.meta.dirname,
      stdio: ['ignore', 'ignore', 'inherit'],
    })
    onTestFinished(() => void child.kill('SIGKILL'))
    const code = await new Promise((resolve) => child.once('exit', resolve))
    expect(code).toBe(0)
  })
})
