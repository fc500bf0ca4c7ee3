import { createSeal } from '@nip46/crypto/seal'
import { expect, onTestFinished, test } from 'vitest'
import { dropOldAudit } from '../src/audit-retention.ts'
import { openDatabase } from '../src/database.ts'
import { limits } from '../src/index.ts'
import { settingsOf } from '../src/options.ts'
import { describeServer, NOW, newDatabase, open, SEAL_KEY, sql } from './server.ts'

const key = (digit: string): never => digit.repeat(64) as never
const records = (count: number, from = 0) => [
  {
    audit: Array.from({ length: count }, (_, i) => ({
      type: 'offer-withdrawn' as const,
      at: NOW + from + i,
      signerPubkey: key('a'),
      userPubkey: key('b'),
      clientPubkey: null,
    })),
  },
]

describeServer('the audit log in PostgreSQL', (server) => {
  const make = async () => {
    const { url, name } = await newDatabase(server)
    const store = await open(url)
    const seal = createSeal(SEAL_KEY)
    const database = openDatabase(settingsOf({ connection: url, seal }), () => undefined)
    onTestFinished(async () => {
      await store.close()
      await database.close()
    })
    const keep = (auditRecords: number) => dropOldAudit(database, { schema: '"nip46"', seal, auditRecords })
    return { url, name, store, keep }
  }

  test('is kept up to its bound; of one more the oldest goes, and the chain goes on from a sealed checkpoint', async () => {
    const { store, keep, name } = await make()
    await store.commit(records(10), NOW)
    expect(await keep(10)).toBe(0)
    await store.commit(records(1, 10), NOW)
    expect(await keep(10)).toBe(1)
    expect(await keep(10)).toBe(0)
    const { entries } = await store.readAudit()
    expect(entries.map(({ seq }) => seq)).toEqual([2, 3, 4, 5, 6, 7, 8, 9, 10, 11])
    expect(await store.verifyAudit()).toMatchObject({
      ok: true,
      entries: 10,
      chains: [{ checkpoint: { seq: 1, hash: entries[0]?.prev }, head: { seq: 11 } }],
    })
    // Nothing at all is left of what a process wrote, and its end is still known.
    expect(await keep(0)).toBe(10)
    expect(await store.verifyAudit()).toMatchObject({ ok: true, entries: 0, chains: [{ head: { seq: 11 } }] })
    await store.commit(records(2, 20), NOW)
    expect(await store.verifyAudit()).toMatchObject({ ok: true, entries: 2, chains: [{ head: { seq: 13 } }] })
    expect(await sql(server, name, 'SELECT count(*) FROM nip46.audit')).toBe('2')
  })

  test('of several processes loses the oldest of all, also when two clear up at once', async () => {
    const { store, keep, url } = await make()
    const other = await open(url)
    for (let i = 0; i < 10; i++) await (i % 2 === 0 ? store : other).commit(records(3, 3 * i), NOW)
    const gone = await Promise.all([keep(20), keep(20), keep(20)])
    expect(gone.reduce((sum, count) => sum + count)).toBe(10)
    const { entries } = await store.readAudit()
    expect(entries.map(({ record }) => record.at)).toEqual(Array.from({ length: 20 }, (_, i) => NOW + 10 + i))
    const verdict = await other.verifyAudit()
    expect(verdict).toMatchObject({ ok: true, entries: 20 })
    expect(verdict.chains.map(({ checkpoint }) => checkpoint.seq)).toEqual([6, 4])
    await other.close()
  })

  test(`is cleared up ${limits.SWEEP_ROWS} records at a time, and verified meanwhile`, async () => {
    const { store, keep } = await make()
    const many = limits.SWEEP_ROWS + 1
    await store.commit(records(many), NOW)
    const verdicts = Promise.all([1, 2, 3].map(() => store.verifyAudit()))
    expect(await keep(0)).toBe(many)
    for (const verdict of await verdicts) expect(verdict).toMatchObject({ ok: true })
    expect(await store.verifyAudit()).toMatchObject({ ok: true, entries: 0 })
  })

  test('tells of a checkpoint that nobody sealed, and keeps what nobody of ours wrote', async () => {
    const { store, keep, name } = await make()
    await store.commit(records(10), NOW)
    await keep(8)
    const fault = async (change: string) => {
      await sql(server, name, `CREATE TABLE kept AS SELECT * FROM nip46.writer; ${change}`)
      const verdict = await store.verifyAudit()
      await sql(
        server,
        name,
        `UPDATE nip46.writer w SET base_seq = k.base_seq, base_hash = k.base_hash, base_seal = k.base_seal
         FROM kept k WHERE k.id = w.id; DROP TABLE kept`,
      )
      return verdict.chains.map(({ fault }) => fault)
    }
    expect(await fault('')).toEqual([null])
    const moved =
      'UPDATE nip46.writer SET base_seq = 4, base_hash = (SELECT hash FROM nip46.audit WHERE seq = 4)'
    expect(await fault(moved)).toEqual([{ seq: 4, code: 'anchor' }])
    expect(await fault('UPDATE nip46.writer SET base_seal = NULL')).toEqual([{ seq: 2, code: 'anchor' }])
    // The end of the chain, sealed for another use.
    expect(await fault('UPDATE nip46.writer SET base_seal = anchor')).toEqual([{ seq: 2, code: 'anchor' }])
    await sql(
      server,
      name,
      `INSERT INTO nip46.audit (chain, seq, at, type, signer, usr, record, prev, hash)
       SELECT 999, 1, at, type, signer, usr, record, prev, hash FROM nip46.audit WHERE seq = 3`,
    )
    await keep(0)
    expect(await sql(server, name, 'SELECT chain, seq FROM nip46.audit')).toBe('999|1')
    expect(await store.verifyAudit()).toMatchObject({ ok: false })
  })
})
