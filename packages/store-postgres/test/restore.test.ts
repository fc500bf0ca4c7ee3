import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { describeServer, dump, NOW, newDatabase, open, sql } from './server.ts'

describeServer('a dump that was restored', (server) => {
  test('is noticed once, says when, and holds what was dumped', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'nip46-dump-'))
    try {
      const { name, url } = await newDatabase(server)
      const store = await open(url)
      expect(await store.writeHostRecords([{ name: 'a', revision: 0, after: 1 }])).toBe('done')
      await store.close()
      const again = await open(url)
      expect([again.restoredAt, (await again.load(NOW)).restoredAt]).toEqual([null, null])
      await again.close()

      const file = join(folder, 'dump.sql')
      await writeFile(file, await dump(server, name))
      const elsewhere = await newDatabase(server)
      const since = Number(await sql(server, 'postgres', 'SELECT floor(extract(epoch FROM now()) * 1000)'))
      await sql(server, elsewhere.name, `\\i ${file}`)
      const restored = await Promise.all([open(elsewhere.url), open(elsewhere.url)])
      const [first, second] = restored.map(({ restoredAt }) => restoredAt)
      expect(first).toBeGreaterThanOrEqual(since)
      expect(second).toBe(first)
      expect((await restored[0].load(NOW)).restoredAt).toBe(first)
      expect(await restored[1].readHostRecords()).toHaveLength(1)
      for (const each of restored) await each.close()
      const later = await open(elsewhere.url)
      expect(later.restoredAt).toBe(first)
      await later.close()

      // Again into the same database.
      await sql(server, elsewhere.name, 'DROP SCHEMA nip46 CASCADE')
      await sql(server, elsewhere.name, `\\i ${file}`)
      const anew = await open(elsewhere.url)
      expect(anew.restoredAt).toBeGreaterThan(first ?? 0)
      await anew.close()
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  })
})
