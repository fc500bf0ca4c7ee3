/**
 * The suite that every `SignerStore` passes: claims, compare-and-set, ledgers, keys, what is there after a restart, and an
 * audit log that holds together where there is one.
 * Never needs a test runner, and never looks at how a store keeps things.
 */

import { bytesToHex, limits, type Pubkey, parsePubkey, type RelayUrl } from '@nip46/core'
import type {
  AuditLog,
  AuditRecord,
  Claim,
  CommitOutcome,
  Offer,
  OutboxEntry,
  SessionChange,
  SignerSession,
  SignerStore,
  StoreChange,
  Versioned,
} from '@nip46/core/remote-signer'
import { type SeededRandom, seededRandom } from './seeded-random.ts'

export interface StoreUnderTest {
  /** With `readAudit` and `verifyAudit` where the store has an audit log. */
  readonly store: SignerStore & Partial<AuditLog>
  /** The same data as the next process finds it. The old store is not used any more. */
  reopen(): Promise<StoreUnderTest>
  /** The end: nothing of it is needed any more. */
  dispose(): Promise<void>
}

export interface StoreCaseContext {
  /** A new store without anything in it. */
  createStore(): Promise<StoreUnderTest>
}

/** One case: `run` rejects if the store under test does not do what `name` says. */
export interface StoreCase {
  readonly name: string
  run(context: StoreCaseContext): Promise<void>
}

export const storeCases: readonly StoreCase[] = [
  test('a new store is empty', async ({ store }) => {
    const { restoredAt = null, ...state } = await store.load(NOW)
    same(restoredAt, null, 'when it was restored')
    same(state, { keys: [], sessions: [], offers: [], clients: [], outbox: [] }, 'a new store')
    same(await store.commit([], NOW), [], 'outcomes of nothing')
    same(await store.commit([{}, {}], NOW), [DONE, DONE], 'outcomes of two empty changes')
  }),

  // -- claims --------------------------------------------------------------------------------------
  test('an event can be claimed once', async (under) => {
    const { store } = under
    const first = claim('a', { requestId: 'first' })
    same(await store.commit([{ claims: [first] }], NOW), [DONE], 'the first claim')
    const again = await store.commit([{ claims: [claim('a', { at: NOW + 1 })] }], NOW + 1)
    same(again, [{ type: 'claimed', claims: [first] }], 'the second claim')
    const { store: next } = await under.reopen()
    // Where it is told at all, it is told right, whoever claimed it.
    const ids = [claim('b').eventId, first.eventId]
    if (next.readClaimed !== undefined) same(await next.readClaimed(ids), [first.eventId], 'what is claimed')
    const later = await next.commit([{ claims: [claim('a', { at: NOW + 2 })] }], NOW + 2)
    same(later, [{ type: 'claimed', claims: [first] }], 'a claim after a restart')
  }),
  test('of many that claim one event at once, one gets it', async ({ store }) => {
    const calls = Array.from({ length: 50 }, (_, i) =>
      store.commit([{ claims: [claim('a', { requestId: `r${i}` })] }], NOW),
    )
    const outcomes = (await Promise.all(calls)).flat()
    same(outcomes.filter(({ type }) => type === 'done').length, 1, 'claims that were done')
    const winner = outcomes.findIndex(({ type }) => type === 'done')
    for (const outcome of outcomes)
      if (outcome.type !== 'done')
        same(outcome, { type: 'claimed', claims: [claim('a', { requestId: `r${winner}` })] }, 'a loser')
  }),
  test('a change with a claim that is taken writes nothing', async (under) => {
    const { store } = under
    await store.commit([{ claims: [claim('a')], session: born(SIGNER, ALICE) }], NOW)
    const before = await store.load(NOW)
    const full: StoreChange = {
      claims: [claim('b'), claim('a')],
      session: changed(SIGNER, ALICE, 1, session(SIGNER, ALICE), { phase: 'revoked' }),
      offers: [{ token: 'token', revision: 0, after: offer() }],
      keys: [{ pubkey: OTHER_SIGNER, secret: new Uint8Array(32).fill(3), createdAt: NOW }],
      clients: [BOB],
      audit: [withdrawn(NOW)],
      outbox: [answer('entry')],
    }
    const [outcome] = await store.commit([full], NOW)
    const stored = { revision: 1, value: session(SIGNER, ALICE) }
    same(outcome, { type: 'claimed', claims: [claim('a')], session: stored }, 'the outcome')
    same(await store.load(NOW), before, 'what is stored')
    const { store: next } = await under.reopen()
    same(await next.load(NOW), before, 'what is stored after a restart')
    same(await next.commit([{ claims: [claim('b')] }], NOW), [DONE], 'the other claim of that change')
    if (next.readAudit !== undefined) same((await next.readAudit()).entries, [], 'the audit log')
  }),
  test('who claims what is taken is told the session as stored, or that there is none', async ({ store }) => {
    await store.commit([{ claims: [claim('a')] }], NOW)
    const outcomes = await store.commit([{ claims: [claim('a')], session: born(SIGNER, BOB) }], NOW)
    same(outcomes, [{ type: 'claimed', claims: [claim('a')], session: null }], 'the outcome')
  }),
  test('a claim is kept for as long as its event could be executed again', async ({ store }) => {
    await store.commit([{ claims: [claim('a')] }], NOW)
    const end = NOW + limits.EXECUTED_MEMORY_SECONDS * 1_000
    await store.commit([{}], end)
    const [outcome] = await store.commit([{ claims: [claim('a', { at: end })] }], end)
    same(outcome, { type: 'claimed', claims: [claim('a')] }, 'the outcome at the end of the window')
  }),
  test('a change may name one event twice', async ({ store }) => {
    same(await store.commit([{ claims: [claim('a'), claim('a')] }], NOW), [DONE], 'the outcome')
  }),

  // -- compare and set -----------------------------------------------------------------------------
  test('a session is changed only from the revision that is stored', async (under) => {
    const { store } = under
    const one = session(SIGNER, ALICE)
    const two = { ...one, phase: 'revoked' as const }
    same(await store.commit([{ session: born(SIGNER, ALICE) }], NOW), [DONE], 'a new session')
    const stored = { revision: 1, value: one }
    for (const revision of [0, 2, 7]) {
      const change = { ...changed(SIGNER, ALICE, revision, one, { phase: 'revoked' }), after: two }
      const outcome = await store.commit([{ session: change }], NOW)
      same(outcome, [{ type: 'stale', session: stored, offers: [] }], `from revision ${revision}`)
    }
    const change = { signerPubkey: SIGNER, clientPubkey: ALICE, revision: 1, before: one, after: two }
    same(await store.commit([{ session: change }], NOW), [DONE], 'from revision 1')
    const { store: next } = await under.reopen()
    same((await next.load(NOW)).sessions, [{ revision: 2, value: two }], 'after a restart')
  }),
  test('a session that was forgotten is not there, and can be made anew', async (under) => {
    const { store } = under
    await store.commit([{ session: born(SIGNER, ALICE, ledger(40)) }], NOW)
    await store.commit([{ session: gone(SIGNER, ALICE, 1, session(SIGNER, ALICE, ledger(40))) }], NOW)
    same((await store.load(NOW)).sessions, [], 'sessions')
    const [outcome] = await store.commit([{ session: gone(SIGNER, ALICE, 1, session(SIGNER, ALICE)) }], NOW)
    same(outcome, { type: 'stale', session: null, offers: [] }, 'forgetting it twice')
    same(await store.commit([{ session: born(SIGNER, ALICE) }], NOW), [DONE], 'a new one')
    const { store: next } = await under.reopen()
    const stored = [{ revision: 1, value: session(SIGNER, ALICE) }]
    same((await next.load(NOW)).sessions, stored, 'after a restart')
  }),
  test('sessions of one client with two signers, and of two clients with one, are apart', async (under) => {
    const { store } = under
    const names = [
      [SIGNER, ALICE],
      [SIGNER, BOB],
      [OTHER_SIGNER, ALICE],
    ] as const
    await store.commit(
      names.map(([signer, client]) => ({ session: born(signer, client) })),
      NOW,
    )
    await store.commit([{ session: gone(SIGNER, BOB, 1, session(SIGNER, BOB)) }], NOW)
    const { store: next } = await under.reopen()
    const kept = names.filter(([, client]) => client === ALICE)
    const expected = kept.map(([signer, client]) => ({ revision: 1, value: session(signer, client) }))
    same(sorted((await next.load(NOW)).sessions), sorted(expected), 'sessions')
  }),
  test('a change sees those before it in the same call', async ({ store }) => {
    const value = session(SIGNER, ALICE)
    const outcomes = await store.commit(
      [
        { session: born(SIGNER, ALICE), claims: [claim('a')] },
        { session: changed(SIGNER, ALICE, 1, value, { phase: 'revoked' }) },
        { session: changed(SIGNER, ALICE, 1, value, { phase: 'open' }), clients: [BOB] },
        { claims: [claim('a')] },
      ],
      NOW,
    )
    const stored = { revision: 2, value: { ...value, phase: 'revoked' } }
    const stale = { type: 'stale', session: stored, offers: [] }
    same(outcomes, [DONE, DONE, stale, { type: 'claimed', claims: [claim('a')] }], 'the outcomes')
    same((await store.load(NOW)).clients, [], 'what the stale change named')
  }),
  test('calls that are not waited for are done in their order', async (under) => {
    const { store } = under
    const calls: Promise<readonly CommitOutcome[]>[] = []
    let value = session(SIGNER, ALICE)
    calls.push(store.commit([{ session: born(SIGNER, ALICE) }], NOW))
    for (let revision = 1; revision < 60; revision++) {
      const after = { ...value, pairedAt: NOW + revision }
      const change = { signerPubkey: SIGNER, clientPubkey: ALICE, revision, before: value, after }
      calls.push(store.commit([{ session: change }], NOW + revision))
      value = after
    }
    same((await Promise.all(calls)).flat(), Array(60).fill(DONE), 'the outcomes')
    const { store: next } = await under.reopen()
    same((await next.load(NOW)).sessions, [{ revision: 60, value }], 'after a restart')
  }),
  test('of a hundred that use one token at once, one does, and the others are told who', async ({
    store,
  }) => {
    await store.commit([{ offers: [{ token: 'token', revision: 0, after: offer() }] }], NOW)
    const users = pubkeys('users', 100)
    const uses = users.map((usedBy) =>
      store.commit(
        [
          {
            offers: [{ token: 'token', revision: 1, after: { ...offer(), usedBy } }],
            session: born(SIGNER, usedBy),
          },
        ],
        NOW,
      ),
    )
    const outcomes = (await Promise.all(uses)).flat()
    same(outcomes.filter(({ type }) => type === 'done').length, 1, 'changes that were done')
    const usedBy = users[outcomes.findIndex(({ type }) => type === 'done')] as Pubkey
    const stored = { token: 'token', stored: { revision: 2, value: { ...offer(), usedBy } } }
    for (const outcome of outcomes)
      if (outcome.type !== 'done') same(outcome, { type: 'stale', offers: [stored] }, 'a loser')
    const { sessions } = await store.load(NOW)
    same(sessions, [{ revision: 1, value: session(SIGNER, usedBy) }], 'sessions')
  }),
  test('of the offers of a change, those that moved are told, and none is written', async ({ store }) => {
    const tokens = ['one', 'two', 'three']
    const fresh = tokens.map((token) => ({ token, revision: 0, after: offer() }))
    same(await store.commit([{ offers: fresh }], NOW), [DONE], 'new offers')
    await store.commit([{ offers: [{ token: 'two', revision: 1, after: null }] }], NOW)
    const used = { ...offer(), usedBy: BOB }
    const change = { offers: tokens.map((token) => ({ token, revision: 1, after: used })) }
    const stale = { type: 'stale', offers: [{ token: 'two', stored: null }] }
    same(await store.commit([change], NOW), [stale], 'the outcome')
    const { offers } = await store.load(NOW)
    const values = [...offers].sort((a, b) => (a.value.token < b.value.token ? -1 : 1))
    const expected = ['one', 'three'].map((token) => ({ revision: 1, value: { token, offer: offer() } }))
    same(values, expected, 'offers')
  }),

  // -- what a session remembers --------------------------------------------------------------------
  test('a ledger comes back as it was, however it grew', async (under) => {
    const random = seededRandom('ledger')
    let { store } = under
    let current: StoreUnderTest = under
    let value = session(SIGNER, ALICE)
    await store.commit([{ session: born(SIGNER, ALICE) }], NOW)
    for (let revision = 1; revision <= 240; revision++) {
      const after = { ...value, ledger: grown(value.ledger, random, revision), pairedAt: NOW + revision }
      const change = { signerPubkey: SIGNER, clientPubkey: ALICE, revision, before: value, after }
      same(await store.commit([{ session: change }], NOW), [DONE], `revision ${revision}`)
      value = after
      if (revision % 30 !== 0) continue
      const found = await store.read({ sessions: [{ signerPubkey: SIGNER, clientPubkey: ALICE }] })
      same(found.sessions, [{ revision: revision + 1, value }], `read at revision ${revision + 1}`)
      if (revision % 60 !== 0) continue
      current = await current.reopen()
      store = current.store
      const [loaded] = (await store.load(NOW)).sessions
      same(loaded, { revision: revision + 1, value }, `loaded at revision ${revision + 1}`)
      if (loaded !== undefined) value = loaded.value as typeof value
    }
  }),
  test('a change made from a copy of what is stored is as good', async (under) => {
    const { store } = under
    const before = session(SIGNER, ALICE, ledger(30))
    await store.commit([{ session: born(SIGNER, ALICE, ledger(30)) }], NOW)
    const after = JSON.parse(JSON.stringify(session(SIGNER, ALICE, ledger(31)))) as typeof before
    const copy = JSON.parse(JSON.stringify(before)) as typeof before
    const change = { signerPubkey: SIGNER, clientPubkey: ALICE, revision: 1, before: copy, after }
    same(await store.commit([{ session: change }], NOW), [DONE], 'the change')
    const { store: next } = await under.reopen()
    same((await next.load(NOW)).sessions, [{ revision: 2, value: after }], 'after a restart')
  }),
  test('a session with as much as it may remember comes back whole', async (under) => {
    const { store } = under
    const text = `{"id":"x","result":"${'\u{1f984}\u2028\u0000"'.repeat(40)}"}`
    const full = ledger(limits.SESSION_ANSWERED, text)
    await store.commit([{ session: born(SIGNER, ALICE, full) }], NOW)
    const { store: next } = await under.reopen()
    const [loaded] = (await next.load(NOW)).sessions
    same(loaded, { revision: 1, value: session(SIGNER, ALICE, full) }, 'the session')
  }),

  // -- keys, clients, answers to publish -----------------------------------------------------------
  test('a key is copied both ways, and is gone once it is forgotten', async (under) => {
    const { store } = under
    const secret = new Uint8Array(32).fill(7)
    await store.commit([{ keys: [{ pubkey: SIGNER, secret, createdAt: NOW }] }], NOW)
    secret.fill(0)
    const [loaded] = (await store.load(NOW)).keys
    same(Array.from(loaded?.secret ?? []), Array(32).fill(7), 'the secret')
    loaded?.secret.fill(0)
    const { store: next } = await under.reopen()
    const [key, ...others] = (await next.load(NOW)).keys
    same(Array.from(key?.secret ?? []), Array(32).fill(7), 'the secret after a restart')
    same([key?.pubkey, key?.createdAt, others.length], [SIGNER, NOW, 0], 'the key')
    same(await next.commit([{ forgetKeys: [SIGNER, OTHER_SIGNER] }], NOW), [DONE], 'forgetting')
    same((await next.load(NOW)).keys, [], 'keys')
  }),
  test('client keys keep their order, and one that is named again is the youngest', async (under) => {
    const { store } = under
    const [carol = ALICE] = pubkeys('carol', 1)
    await store.commit([{ clients: [ALICE, BOB] }, { clients: [carol] }], NOW)
    await store.commit([{ clients: [ALICE] }, { clients: [ALICE] }], NOW)
    same((await store.load(NOW)).clients, [BOB, carol, ALICE], 'clients')
    const { store: next } = await under.reopen()
    same((await next.load(NOW)).clients, [BOB, carol, ALICE], 'clients after a restart')
  }),
  test('answers wait in their order until they were published', async (under) => {
    const { store } = under
    const entries = ['a', 'b', 'c', 'd'].map((id, i) => answer(id, NOW + i))
    await store.commit([{ outbox: entries.slice(0, 2) }, { outbox: entries.slice(2) }], NOW)
    same((await store.load(NOW)).outbox, entries, 'the outbox')
    same(await store.commit([{ published: ['b', 'never'] }], NOW), [DONE], 'publishing')
    const { store: next } = await under.reopen()
    const rest = [entries[0], entries[2], entries[3]]
    same((await next.load(NOW)).outbox, rest, 'the outbox after a restart')
    await next.commit([{ outbox: [answer('e')], published: ['a', 'c', 'd'] }], NOW)
    same((await next.load(NOW)).outbox, [answer('e')], 'the last one')
  }),

  // -- reading -------------------------------------------------------------------------------------
  test('reading finds what is there and leaves out what is not', async ({ store }) => {
    await store.commit(
      [
        { session: born(SIGNER, ALICE, ledger(9)) },
        { session: born(SIGNER, BOB) },
        { offers: [{ token: 'one', revision: 0, after: offer() }] },
        { offers: [{ token: 'two', revision: 0, after: offer() }] },
        { keys: [{ pubkey: SIGNER, secret: new Uint8Array(32).fill(1), createdAt: NOW }] },
      ],
      NOW,
    )
    same(await store.read({}), { sessions: [], offers: [], keys: [] }, 'nothing')
    const found = await store.read({
      sessions: [
        { signerPubkey: SIGNER, clientPubkey: ALICE },
        { signerPubkey: OTHER_SIGNER, clientPubkey: ALICE },
      ],
      offers: ['two', 'three'],
      keys: [OTHER_SIGNER, SIGNER],
    })
    same(found.sessions, [{ revision: 1, value: session(SIGNER, ALICE, ledger(9)) }], 'sessions')
    same(found.offers, [{ revision: 1, value: { token: 'two', offer: offer() } }], 'offers')
    same(
      found.keys.map(({ pubkey }) => pubkey),
      [SIGNER],
      'keys',
    )
    found.keys[0]?.secret.fill(0)
    const [again] = (await store.read({ keys: [SIGNER] })).keys
    same(Array.from(again?.secret ?? []), Array(32).fill(1), 'the secret, read again')
  }),
  test('everything that many sessions did at once is there after a restart', async (under) => {
    const { store } = under
    const clients = pubkeys('many', 60)
    const calls = clients.map(async (client, i) => {
      const first = await store.commit([{ session: born(SIGNER, client), claims: [claim(`${i}`)] }], NOW)
      const before = session(SIGNER, client)
      const after = { ...before, ledger: ledger(1) }
      const change = { signerPubkey: SIGNER, clientPubkey: client, revision: 1, before, after }
      const second = await store.commit([{ session: change, outbox: [answer(`${i}`)] }], NOW + 1)
      return [...first, ...second]
    })
    same((await Promise.all(calls)).flat(), Array(120).fill(DONE), 'the outcomes')
    const { store: next } = await under.reopen()
    const state = await next.load(NOW)
    const expected = clients.map((client) => ({ revision: 2, value: session(SIGNER, client, ledger(1)) }))
    same(sorted(state.sessions), sorted(expected), 'sessions')
    same(state.outbox.length, 60, 'answers to publish')
  }),
]

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

// -- values ----------------------------------------------------------------------------------------

const NOW = 1_767_225_600_000
const DONE = { type: 'done' }
const RELAY = 'wss://relay.example/' as RelayUrl
const [SIGNER, OTHER_SIGNER, ALICE, BOB, USER] = pubkeys('people', 5) as [
  Pubkey,
  Pubkey,
  Pubkey,
  Pubkey,
  Pubkey,
]

type Ledger = SignerSession['ledger']
type Answer = Ledger['chunks'][number][string]

function pubkeys(seed: string, count: number): readonly Pubkey[] {
  const random = seededRandom(`store ${seed}`)
  const found: Pubkey[] = []
  while (found.length < count) {
    const pubkey = parsePubkey(bytesToHex(random.bytes(32)))
    if (pubkey.ok) found.push(pubkey.value)
  }
  return found
}

function claim(name: string, facts: Partial<Claim> = {}): Claim {
  const eventId = bytesToHex(seededRandom(`event ${name}`).bytes(32))
  return { eventId, signerPubkey: SIGNER, clientPubkey: ALICE, requestId: 'r', at: NOW, ...facts }
}

function answer(id: string, at = NOW): OutboxEntry {
  const text = `{"id":"${id}","result":"\u{1f984}"}`
  return { id, signerPubkey: SIGNER, to: ALICE, relays: [RELAY], scheme: 'nip44', text, at }
}

function offer(): Offer {
  return {
    signerPubkey: SIGNER,
    userPubkey: USER,
    relays: [RELAY],
    granted: [{ method: 'sign_event', kind: 1 }],
    approval: 'secret',
    createdAt: NOW,
    expiresAt: NOW + 900_000,
    usedBy: null,
    revoked: false,
  } as Offer
}

function session(
  signerPubkey: Pubkey,
  clientPubkey: Pubkey,
  memory: Ledger = { chunks: [], chars: 0 },
): SignerSession {
  return {
    v: 1,
    signerPubkey,
    clientPubkey,
    userPubkey: USER,
    phase: 'open',
    scheme: 'nip44',
    token: 'a'.repeat(64),
    granted: [{ method: 'sign_event', kind: 1 }],
    requested: [{ method: 'nip44_decrypt' }],
    metadata: { name: 'an app', url: 'https://app.example/', image: null },
    relays: [RELAY],
    previousRelays: [],
    previousUntil: null,
    pairedAt: NOW,
    decideBy: null,
    pairingChallengedAt: null,
    expiresAt: null,
    endsAt: null,
    endingId: null,
    announcement: null,
    pending: {},
    held: [],
    ledger: memory,
    expiryAnsweredAt: null,
  } as unknown as SignerSession
}

function born(signerPubkey: Pubkey, clientPubkey: Pubkey, memory?: Ledger): SessionChange {
  const after = session(signerPubkey, clientPubkey, memory)
  return { signerPubkey, clientPubkey, revision: 0, before: null, after }
}

function changed(
  signerPubkey: Pubkey,
  clientPubkey: Pubkey,
  revision: number,
  before: SignerSession,
  change: Partial<SignerSession>,
): SessionChange {
  return { signerPubkey, clientPubkey, revision, before, after: { ...before, ...change } }
}

function gone(
  signerPubkey: Pubkey,
  clientPubkey: Pubkey,
  revision: number,
  before: SignerSession,
): SessionChange {
  return { signerPubkey, clientPubkey, revision, before, after: null }
}

function withdrawn(at: number): AuditRecord {
  return { type: 'offer-withdrawn', at, signerPubkey: SIGNER, userPubkey: USER, clientPubkey: null }
}

function performed(at: number, clientPubkey: Pubkey = ALICE): AuditRecord {
  const subject = { method: 'sign_event', kind: 1, eventId: 'ab'.repeat(32) }
  const facts = { at, signerPubkey: SIGNER, userPubkey: USER, clientPubkey }
  return { type: 'performed', ...facts, subject, error: null, delivered: true }
}

// -- ledgers ---------------------------------------------------------------------------------------

const CHUNK = 64

function entry(at: number, text: string | null = `{"id":"x","result":"${at}"}`): Answer {
  return { digest: 'd'.repeat(64), text, at: NOW + at, relays: [RELAY], resends: 0 }
}

function ledger(count: number, text?: string): Ledger {
  const chunks: Record<string, Answer>[] = []
  for (let i = 0; i < count; i++) {
    const id = bytesToHex(seededRandom(i).bytes(16))
    const last = chunks.at(-1)
    if (last !== undefined && Object.keys(last).length < CHUNK) last[id] = entry(i, text)
    else chunks.push({ [id]: entry(i, text) })
  }
  return withChars(chunks)
}

/** Names that an object treats in its own way. */
const ODD_IDS = ['__proto__', 'constructor', 'toString', '0', '7', '10', '-1', 'a b', '\u{1f984}', '']

/** What core does to a ledger, and some things it does not: everything that is not touched stays the same object. */
function grown({ chunks }: Ledger, random: SeededRandom, step: number): Ledger {
  const next = [...chunks]
  const move = random.below(10)
  const at = random.below(Math.max(1, next.length))
  const chunk = next[at]
  if (move === 0 && next.length > 1) next.shift()
  else if (move === 1 && next.length > 4) next.splice(-3, 3, joined(next.slice(-3)))
  else if (move === 2 && chunk !== undefined)
    next[at] = withEntry(chunk, pick(chunk, random), entry(step, null))
  else if (move === 3 && chunk !== undefined && next.length > 1) {
    const { [pick(chunk, random)]: _dropped, ...rest } = chunk
    if (Object.keys(rest).length > 0) next[at] = rest
  } else {
    const odd = ODD_IDS[random.below(ODD_IDS.length)] ?? ''
    const id = random.below(4) === 0 ? odd : bytesToHex(random.bytes(16))
    const holder = next.findIndex((one) => Object.hasOwn(one, id))
    const last = next.at(-1)
    if (holder >= 0) next[holder] = withEntry(next[holder] ?? {}, id, entry(step))
    else if (last !== undefined && Object.keys(last).length < 8)
      next[next.length - 1] = withEntry(last, id, entry(step))
    else next.push(withEntry({}, id, entry(step)))
  }
  return withChars(next)
}

function pick(chunk: Ledger['chunks'][number], random: SeededRandom): string {
  const ids = Object.keys(chunk)
  return ids[random.below(ids.length)] ?? ''
}

function joined(chunks: Ledger['chunks']): Ledger['chunks'][number] {
  let all: Ledger['chunks'][number] = {}
  for (const chunk of chunks) for (const [id, value] of Object.entries(chunk)) all = withEntry(all, id, value)
  return all
}

function withEntry(chunk: Ledger['chunks'][number], id: string, value: Answer): Ledger['chunks'][number] {
  const copy = { ...chunk }
  Object.defineProperty(copy, id, { value, enumerable: true, configurable: true, writable: true })
  return copy
}

function withChars(chunks: Ledger['chunks']): Ledger {
  let chars = 0
  for (const chunk of chunks) for (const { text } of Object.values(chunk)) chars += text?.length ?? 0
  return { chunks, chars }
}

// -- running and comparing -------------------------------------------------------------------------

function test(name: string, body: (under: StoreUnderTest) => Promise<void>): StoreCase {
  return {
    name,
    async run({ createStore }) {
      // Whatever was opened last is what has to be disposed of.
      const watch = (under: StoreUnderTest): StoreUnderTest => ({
        store: under.store,
        dispose: () => under.dispose(),
        async reopen() {
          current = await under.reopen()
          return watch(current)
        },
      })
      let current = await createStore()
      try {
        await body(watch(current))
      } finally {
        await current.dispose()
      }
    },
  }
}

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

function sorted(sessions: readonly Versioned<SignerSession>[]): readonly Versioned<SignerSession>[] {
  const name = ({ value }: Versioned<SignerSession>): string => value.signerPubkey + value.clientPubkey
  return [...sessions].sort((a, b) => (name(a) < name(b) ? -1 : 1))
}

function same(actual: unknown, expected: unknown, what: string): void {
  const [got, wanted] = [canonical(actual), canonical(expected)]
  if (got === wanted) return
  let at = 0
  while (got[at] === wanted[at]) at += 1
  const part = (text: string): string => text.slice(Math.max(0, at - 60), at + 200)
  throw new Error(`${what}: got …${part(got)}…, expected …${part(wanted)}…`)
}

function check(holds: boolean, what: string, seen: unknown): void {
  if (!holds) throw new Error(`${what}: ${JSON.stringify(seen)}`)
}

/** JSON with sorted members: equal for equal values. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null'
  const members = Object.entries(value).filter(([, member]) => member !== undefined)
  members.sort(([a], [b]) => (a < b ? -1 : 1))
  return `{${members.map(([key, member]) => `${JSON.stringify(key)}:${canonical(member)}`).join(',')}}`
}

async function sha256(text: string): Promise<string> {
  const { subtle } = globalThis.crypto
  return bytesToHex(new Uint8Array(await subtle.digest('SHA-256', new TextEncoder().encode(text))))
}
