/**
 * The suite that every `SignerStore` passes: claims, compare-and-set, ledgers, keys, and what is there after a restart.
 * Never needs a test runner, and never looks at how a store keeps things.
 */

import { limits, type Pubkey } from '@nip46/core'
import type { CommitOutcome, SignerSession, StoreChange, Versioned } from '@nip46/core/remote-signer'
import { seededRandom } from './seeded-random.ts'
import { type StoreCase, type StoreUnderTest, same, test } from './store-case.ts'
import {
  ALICE,
  answer,
  BOB,
  born,
  changed,
  claim,
  DONE,
  gone,
  grown,
  ledger,
  NOW,
  OTHER_SIGNER,
  offer,
  pubkeys,
  SIGNER,
  session,
  withdrawn,
} from './store-values.ts'

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

function sorted(sessions: readonly Versioned<SignerSession>[]): readonly Versioned<SignerSession>[] {
  const name = ({ value }: Versioned<SignerSession>): string => value.signerPubkey + value.clientPubkey
  return [...sessions].sort((a, b) => (name(a) < name(b) ? -1 : 1))
}
