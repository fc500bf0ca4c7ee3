import { createSeal } from '@nip46/crypto/seal'
import { expect, test } from 'vitest'
import { createCommitLane } from '../src/commit-lane.ts'
import { type Database, openDatabase } from '../src/database.ts'
import { unavailableError } from '../src/error.ts'
import { settingsOf } from '../src/options.ts'
import { createRecordCodec } from '../src/record.ts'
import { createRecords } from '../src/records.ts'
import { describeServer, NOW, newDatabase, open, SEAL_KEY, sql } from './server.ts'

const key = (digit: string): never => digit.repeat(64) as never
const claiming = (digit: string) => [
  {
    claims: [
      { eventId: digit.repeat(64), signerPubkey: key('a'), clientPubkey: key('b'), requestId: 'r', at: NOW },
    ],
  },
]

describeServer('a commit whose outcome got lost', (server) => {
  for (const [what, code] of [
    ['is under way for longer than a lock is waited for', '55P03'],
    ['cannot be asked for since the server refuses the role for a while', '28000'],
  ] as const)
    test(`and that ${what} is not taken for the next one`, async () => {
      const { url, name } = await newDatabase(server)
      await (await open(url)).close()
      const seal = createSeal(SEAL_KEY)
      const real = openDatabase(settingsOf({ connection: url, seal }), () => undefined)
      let isLost = true
      let isBlocked = true
      /** The server, but that the first commit is made and not heard of, and that nobody can ask for it at first. */
      const database: Database = {
        ...real,
        async query<R extends object>(...args: Parameters<Database['query']>) {
          if (isBlocked && args[0].includes('settle_commit'))
            throw Object.assign(new Error('said'), { code, severity: 'ERROR' })
          const rows = await real.query<R & Record<string, unknown>>(...args)
          if (isLost && args[0].includes('commit_changes')) {
            isLost = false
            throw unavailableError('no answer')
          }
          return rows
        },
      }
      const writer = await sql(server, name, "INSERT INTO nip46.writer (name) VALUES ('lane') RETURNING id")
      const host = { schema: '"nip46"', seal, codec: createRecordCodec(seal) }
      let surprises = 0
      const lane = createCommitLane({
        ...host,
        database,
        records: createRecords(real, { ...host, restoredAt: null }),
        writer,
        onFenced: () => undefined,
        onSurprise: () => {
          surprises += 1
        },
      })
      await expect(lane.commit(claiming('1'), NOW)).rejects.toMatchObject({
        code: code === '28000' ? 'store/refused' : 'store/unavailable',
      })
      isBlocked = false
      expect(await lane.commit(claiming('2'), NOW)).toEqual([{ type: 'done' }])
      expect(surprises).toBe(1)
      expect(await lane.commit(claiming('1'), NOW)).toMatchObject([{ type: 'claimed' }])
      expect(await sql(server, name, "SELECT encode(event_id, 'hex') FROM nip46.claim ORDER BY 1")).toBe(
        `${'1'.repeat(64)}\n${'2'.repeat(64)}`,
      )
      await lane.close(1_000)
      await real.close()
    })
})
