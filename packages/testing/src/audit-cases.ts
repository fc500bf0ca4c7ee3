/**
 * The suite that every store with an audit log passes: a chain in which each record holds the hash of the one before.
 * Never needs a test runner, and never looks at how a store keeps things.
 */

import { bytesToHex } from '@nip46/core'
import type { AuditLog, AuditRecord, SignerStore } from '@nip46/core/remote-signer'
import { canonical, check, type StoreCase, type StoreUnderTest, same, test } from './store-case.ts'
import {
  ALICE,
  BOB,
  born,
  claim,
  NOW,
  OTHER_SIGNER,
  performed,
  SIGNER,
  USER,
  withdrawn,
} from './store-values.ts'

/** The suite of stores that have an audit log as well. */
export const auditCases: readonly StoreCase[] = [
  audited(
    'what is done is recorded in its order, each record with the hash of the one before',
    async (log) => {
      const records = [withdrawn(NOW), performed(NOW + 1), performed(NOW + 2), withdrawn(NOW + 3)]
      await log.store.commit([{ audit: records.slice(0, 2) }, { audit: records.slice(2, 3) }], NOW)
      await log.store.commit([{ audit: records.slice(3) }], NOW)
      const { store } = await log.reopen()
      const { entries, next } = await store.readAudit()
      same([entries.map(({ record }) => record), next], [records, null], 'records')
      const chain = entries[0]?.chain
      let prev = '0'.repeat(64)
      for (const [i, entry] of entries.filter((entry) => entry.chain === chain).entries()) {
        same([entry.seq, entry.prev], [i + 1, prev], `place and predecessor of entry ${i}`)
        const { record, seq } = entry
        same(
          entry.hash,
          await sha256(canonical({ chain: entry.chain, prev, record, seq })),
          `hash of entry ${i}`,
        )
        prev = entry.hash
      }
      const verdict = await store.verifyAudit()
      same([verdict.ok, verdict.entries], [true, 4], 'the verdict')
    },
  ),
  audited('what was not done is not recorded', async ({ store }) => {
    await store.commit([{ claims: [claim('a')], audit: [performed(NOW)] }], NOW)
    await store.commit(
      [
        { claims: [claim('a')], audit: [performed(NOW + 1)] },
        { session: { ...born(SIGNER, ALICE), revision: 3 }, audit: [performed(NOW + 2)] },
        { audit: [performed(NOW + 3)] },
      ],
      NOW,
    )
    const { entries } = await store.readAudit()
    same(
      entries.map(({ record }) => record.at - NOW),
      [0, 3],
      'records',
    )
    same((await store.verifyAudit()).ok, true, 'the verdict')
  }),
  audited('the log is read in pages, from either end, and by what was done', async ({ store }) => {
    const records = Array.from({ length: 25 }, (_, i) =>
      i % 5 === 0 ? withdrawn(NOW + i) : performed(NOW + i, i % 2 === 0 ? ALICE : BOB),
    )
    await store.commit([{ audit: records }], NOW)
    for (const order of ['oldest', 'newest'] as const) {
      const seen: AuditRecord[] = []
      let after: number | undefined
      for (let page = 0; page < 40; page++) {
        const { entries, next } = await store.readAudit({
          order,
          limit: 4,
          ...(after !== undefined && { after }),
        })
        check(entries.length <= 4, 'entries of a page', entries.length)
        seen.push(...entries.map(({ record }) => record))
        if (next === null) break
        after = next
      }
      same(seen, order === 'oldest' ? records : [...records].reverse(), `${order} first`)
    }
    const matching = async (filter: NonNullable<Parameters<AuditLog['readAudit']>[0]>['filter']) => {
      const { entries } = await store.readAudit({ ...(filter !== undefined && { filter }) })
      return entries.map(({ record }) => record.at - NOW)
    }
    same(await matching({ types: ['offer-withdrawn'] }), [0, 5, 10, 15, 20], 'by type')
    same(await matching({ types: [] }), [], 'by no type')
    const bobs = records.flatMap(({ at, clientPubkey }) => (clientPubkey === BOB ? [at - NOW] : []))
    same(await matching({ clientPubkey: BOB }), bobs, 'by client')
    same(await matching({ signerPubkey: OTHER_SIGNER }), [], 'by signer')
    same((await matching({ userPubkey: USER })).length, 25, 'by user')
    same(await matching({ since: NOW + 22, until: NOW + 23 }), [22, 23], 'by time')
    same(
      await matching({ clientPubkey: BOB, since: NOW + 20 }),
      bobs.filter((at) => at >= 20),
      'by both',
    )
  }),
  audited('a record may hold any text', async (log) => {
    const metadata = { name: '\u{1f984} "\\ \u2028 \u0000', url: null, image: null }
    const record = {
      ...withdrawn(NOW),
      type: 'session-opened' as const,
      scheme: 'nip44' as const,
      granted: [{ method: 'sign_event', kind: 1 }],
      requested: [],
      metadata,
      facts: { z: [1, 2.5, -0, 1e21], a: { b: null, B: true, '10': 1, '9': 2 } },
    } as unknown as AuditRecord
    await log.store.commit([{ audit: [record] }], NOW)
    const { store } = await log.reopen()
    const [entry] = (await store.readAudit()).entries
    same(entry?.record, record, 'the record')
    const { chain, prev, seq } = entry ?? {}
    same(entry?.hash, await sha256(canonical({ chain, prev, record, seq })), 'its hash')
    same((await store.verifyAudit()).ok, true, 'the verdict')
  }),
]

interface Audited {
  readonly store: SignerStore & AuditLog
  reopen(): Promise<Audited>
}

function audited(name: string, body: (under: Audited) => Promise<void>): StoreCase {
  const narrow = ({ store, reopen }: StoreUnderTest): Audited => {
    if (store.readAudit === undefined || store.verifyAudit === undefined)
      throw new Error('this store has no audit log: run storeCases only')
    return { store: store as SignerStore & AuditLog, reopen: async () => narrow(await reopen()) }
  }
  return test(name, (under) => body(narrow(under)))
}

async function sha256(text: string): Promise<string> {
  const { subtle } = globalThis.crypto
  return bytesToHex(new Uint8Array(await subtle.digest('SHA-256', new TextEncoder().encode(text))))
}
