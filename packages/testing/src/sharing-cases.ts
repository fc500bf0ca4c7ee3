/**
 * The suite that every `SignerStore` with `sharing` passes: members on one store claim, revoke and hear of each other.
 * Never needs a test runner, and never kills a process: that a dead member is missed is for the store's own tests.
 */

import type { Pubkey } from '@nip46/core'
import type {
  CommitOutcome,
  HostRecords,
  Member,
  Offer,
  SessionName,
  SharedChange,
  SignerSession,
  SignerStore,
  StoreSharing,
} from '@nip46/core/remote-signer'

export interface SharedStoreUnderTest {
  /** Another store on the same data, with the name of an instance if there is one. Leases last for a minute or longer. */
  open(instance?: string): Promise<SignerStore & HostRecords & { close(): Promise<void> }>
  dispose(): Promise<void>
}

export interface SharingCase {
  readonly name: string
  run(context: { createShared(): Promise<SharedStoreUnderTest> }): Promise<void>
}

interface Seat {
  readonly store: SignerStore & HostRecords
  readonly sharing: StoreSharing
  readonly member: Member
  readonly changes: SharedChange[]
  /** Sessions that others asked a turn for. */
  readonly turns: SessionName[]
  members: readonly string[]
  readonly fenced: number
  /** How often it was told of host records. */
  readonly told: number
}

export const sharingCases: readonly SharingCase[] = [
  seats('members know each other, and are told when one leaves', async (first, second) => {
    const both = [first.member.id, second.member.id].sort()
    await until('both know both', () => [first, second].every(({ members }) => `${members}` === `${both}`))
    await second.member.leave()
    await until('the other one is gone', () => `${first.members}` === first.member.id)
    const outcomes = await second.store.commit([{ clients: [BOB] }], NOW)
    expectSame(outcomes, [{ type: 'fenced' }], 'a commit after leaving')
    expectSame((await first.store.load(NOW)).clients, [], 'what it named')
  }),
  seats('a member hears of the changes of others, and not of its own', async (first, second) => {
    await first.store.commit([{ session: born(ALICE) }, { clients: [BOB] }], NOW)
    await first.store.commit([{ offers: [{ token: 'token', revision: 0, after: offer() }] }], NOW)
    const heard = (): boolean =>
      second.changes.some(({ sessions }) => sessions.some(({ clientPubkey }) => clientPubkey === ALICE)) &&
      second.changes.some(({ clients }) => clients.includes(BOB)) &&
      second.changes.some(({ offers }) => offers.includes('token'))
    await until('the other one heard', () => second.changes.some(({ all }) => all) || heard())
    await second.store.commit([{ clients: [ALICE] }], NOW)
    await until('the first one heard', () => first.changes.length > 0)
    expectSame(
      first.changes.flatMap(({ clients }) => clients),
      [ALICE],
      'what the first one was told',
    )
  }),
  seats('after a session was revoked, nobody commits for it', async (first, second) => {
    await first.store.commit([{ session: born(ALICE) }], NOW)
    const before = session(ALICE)
    const from = { signerPubkey: SIGNER, clientPubkey: ALICE, revision: 1, before }
    const revoked = { ...before, phase: 'revoked' } as unknown as SignerSession
    const done = await first.store.commit([{ session: { ...from, after: revoked } }], NOW)
    expectSame(done, [{ type: 'done' }], 'the revocation')
    // Whatever it has been told by now.
    const late = await second.store.commit([{ session: { ...from, after: before }, clients: [BOB] }], NOW)
    const stored = { revision: 2, value: revoked }
    expectSame(late, [{ type: 'stale', session: stored, offers: [] }], 'the outcome elsewhere')
    expectSame((await first.store.load(NOW)).clients, [], 'what the late change named')
  }),
  seats('each of 200 events that both claim at once is claimed by one', async (first, second) => {
    const outcomes = await Promise.all(
      [first, second].map(({ store }) =>
        Promise.all(EVENTS.map((eventId) => store.commit([{ claims: [claim(eventId)] }], NOW))),
      ),
    )
    const types = outcomes.map((list) => list.flat().map(({ type }) => type))
    EVENTS.forEach((_, i) => {
      expectSame([types[0]?.[i], types[1]?.[i]].sort(), ['claimed', 'done'], `event ${i}`)
    })
    const claims = await second.sharing.readClaims([...EVENTS, 'f'.repeat(64)])
    expectSame(claims.map(({ eventId }) => eventId).sort(), [...EVENTS].sort(), 'claims')
  }),
  seats('of a hundred uses of one token on two members, one is done', async (first, second) => {
    await first.store.commit([{ offers: [{ token: 'token', revision: 0, after: offer() }] }], NOW)
    const uses = Array.from({ length: 100 }, (_, i) => {
      const usedBy = `${i}`.padStart(64, '0') as Pubkey
      const change = { offers: [{ token: 'token', revision: 1, after: { ...offer(), usedBy } }] }
      return (i % 2 === 0 ? first : second).store.commit([{ ...change, session: born(usedBy) }], NOW)
    })
    const outcomes: readonly CommitOutcome[] = (await Promise.all(uses)).flat()
    expectSame(outcomes.filter(({ type }) => type === 'done').length, 1, 'uses that were done')
    expectSame((await second.store.load(NOW)).sessions.length, 1, 'sessions')
  }),
  seats('answers that were not published are seen by all', async (first, second) => {
    const entry = {
      id: 'answer',
      signerPubkey: SIGNER,
      to: ALICE,
      relays: [],
      scheme: 'nip44' as const,
      text: '{"id":"x","result":"y"}',
      at: NOW,
    }
    await first.store.commit([{ outbox: [entry] }], NOW)
    expectSame(await second.sharing.readOutbox(NOW), [entry], 'answers')
    await second.store.commit([{ published: ['answer'] }], NOW)
    expectSame(await first.sharing.readOutbox(NOW), [], 'answers that are left')
  }),
  seats('a member hears of host records that another one wrote', async (first, second) => {
    await first.store.writeHostRecords([{ name: 'a', revision: 0, after: 1 }])
    await until('the other one heard', () => second.told > 0)
    expectSame(first.told, 0, 'what the writer was told')
    const stored = [{ revision: 1, value: { name: 'a', value: 1 } }]
    expectSame(await second.store.readHostRecords(), stored, 'what the other one reads')
    expectSame(await second.store.commit([{ clients: [BOB] }], NOW), [{ type: 'done' }], 'its next commit')
  }),
  seats(
    'a member that is too late again and again is heard by the others, and not by itself',
    async (first, second) => {
      await first.sharing.requestTurn({ signerPubkey: SIGNER, clientPubkey: ALICE })
      await until('the other one heard', () => second.turns.length > 0)
      expectSame(second.turns, [{ signerPubkey: SIGNER, clientPubkey: ALICE }], 'what the other one was told')
      await second.sharing.requestTurn({ signerPubkey: SIGNER, clientPubkey: BOB })
      await until('the first one heard', () => first.turns.length > 0)
      expectSame(first.turns, [{ signerPubkey: SIGNER, clientPubkey: BOB }], 'what the first one was told')
    },
  ),
  seats('host records that fence others: nobody else commits anything after that', async (first, second) => {
    // Many at once, so that some are under way.
    const early = EVENTS.map((eventId) => second.store.commit([{ claims: [claim(eventId)] }], NOW))
    const stop = [{ name: 'stop', revision: 0, after: true }]
    expectSame(await first.store.writeHostRecords(stop, { fenceOthers: true }), 'done', 'the writing')
    const before = (await first.sharing.readClaims(EVENTS)).length
    expectSame(await second.store.commit([{ clients: [BOB] }], NOW), [{ type: 'fenced' }], 'a late commit')
    const outcomes = (await Promise.all(early)).flat()
    expectSame(outcomes.filter(({ type }) => type === 'done').length, before, 'commits that were done')
    expectSame((await first.sharing.readClaims(EVENTS)).length, before, 'claims later on')
    await until('the other one was told', () => second.fenced === 1)
    expectSame(
      await first.store.commit([{ clients: [ALICE] }], NOW),
      [{ type: 'done' }],
      'the writer goes on',
    )
    expectSame((await first.store.load(NOW)).clients, [ALICE], 'what was committed')
  }),
  seats('of two that fence each other, both can join again', async (first, second) => {
    await Promise.all(
      [first, second].map(({ store }, i) =>
        store.writeHostRecords([{ name: `stop ${i}`, revision: 0, after: true }], { fenceOthers: true }),
      ),
    )
    await until('one was told', () => first.fenced + second.fenced > 0)
    for (const seat of [first, second]) {
      const again = await seat.sharing.join(DEAF)
      expectSame(await seat.store.commit([{ clients: [BOB] }], NOW), [{ type: 'done' }], 'a commit')
      await again.leave()
    }
    expectSame((await first.store.readHostRecords()).length, 2, 'records')
  }),
  named('who joins under a name ends the lease of who had it, at once', async (sit) => {
    const first = await sit('one')
    const other = await sit('another')
    const second = await sit('one')
    const late = await first.store.commit([{ clients: [BOB] }], NOW)
    expectSame(late, [{ type: 'fenced' }], 'a commit of the first one')
    await until('the first one was told', () => first.fenced === 1)
    const both = [other.member.id, second.member.id].sort()
    await until('only those are left', () =>
      [other, second].every(({ members }) => `${members}` === `${both}`),
    )
    for (const { store } of [other, second])
      expectSame(
        await store.commit([{ clients: [ALICE] }], NOW),
        [{ type: 'done' }],
        'a commit of the others',
      )
    expectSame((await second.store.load(NOW)).clients, [ALICE], 'what was committed')
  }),
  named('who lost its name to another cannot take it back', async (sit) => {
    const first = await sit('one')
    const second = await sit('one')
    for (let tries = 0; tries < 2; tries++) {
      const code = await first.sharing.join(DEAF).then(
        () => 'joined',
        (cause: { readonly code?: unknown }) => cause.code,
      )
      expectSame(code, 'store/superseded', 'joining again')
    }
    expectSame(await first.store.commit([{}], NOW), [{ type: 'fenced' }], 'its commits')
    expectSame(await second.store.commit([{}], NOW), [{ type: 'done' }], 'those of the other one')
    expectSame(second.fenced, 0, 'how often the other one was fenced')
  }),
  named('a name that was given up, or whose lease was ended, can be joined under again', async (sit) => {
    const first = await sit('one')
    await first.member.leave()
    const second = await sit('one')
    expectSame(await second.store.commit([{}], NOW), [{ type: 'done' }], 'a commit of the second one')
    const other = await sit('another')
    await other.store.writeHostRecords([{ name: 'stop', revision: 0, after: true }], { fenceOthers: true })
    expectSame(await second.store.commit([{}], NOW), [{ type: 'fenced' }], 'a commit of who was fenced')
    await second.sharing.join(DEAF)
    expectSame(await second.store.commit([{}], NOW), [{ type: 'done' }], 'its commit after joining again')
    await first.sharing.join(DEAF)
    expectSame(await first.store.commit([{}], NOW), [{ type: 'done' }], 'a commit of who comes back')
    expectSame(await second.store.commit([{}], NOW), [{ type: 'fenced' }], 'one of who had the name')
  }),
]

const DEAF = {
  changed: () => undefined,
  turnRequested: () => undefined,
  members: () => undefined,
  fenced: () => undefined,
}

const NOW = 1_767_225_600_000
const [SIGNER, ALICE, BOB] = ['aa', 'bb', 'cc'].map((part) => part.repeat(32)) as [Pubkey, Pubkey, Pubkey]
const EVENTS: readonly string[] = Array.from({ length: 200 }, (_, i) => i.toString(16).padStart(64, '0'))
/** A busy machine may be slow; what does not come in this time does not come. */
const PATIENCE_MS = 30_000

function session(clientPubkey: Pubkey): SignerSession {
  const ledger = { chunks: [], chars: 0 }
  return { v: 1, signerPubkey: SIGNER, clientPubkey, phase: 'open', ledger } as unknown as SignerSession
}

function born(clientPubkey: Pubkey) {
  return { signerPubkey: SIGNER, clientPubkey, revision: 0, before: null, after: session(clientPubkey) }
}

function claim(eventId: string) {
  return { eventId, signerPubkey: SIGNER, clientPubkey: ALICE, requestId: 'r', at: NOW }
}

function offer(): Offer {
  return { signerPubkey: SIGNER, userPubkey: BOB, usedBy: null, revoked: false } as unknown as Offer
}

function seats(name: string, body: (first: Seat, second: Seat) => Promise<void>): SharingCase {
  return named(name, async (sit) => body(await sit(), await sit()))
}

function named(
  name: string,
  body: (sit: (instance?: string) => Promise<Seat>) => Promise<void>,
): SharingCase {
  return {
    name,
    async run({ createShared }) {
      const shared = await createShared()
      const stores: { close(): Promise<void> }[] = []
      try {
        await body(async (instance) => {
          const store = await shared.open(instance)
          stores.push(store)
          if (store.sharing === undefined) throw new Error('this store is not shared')
          const heard = { members: [] as readonly string[], fenced: 0, told: 0 }
          const changes: SharedChange[] = []
          const turns: SessionName[] = []
          const member = await store.sharing.join({
            changed: (change) => void changes.push(change),
            members: (ids) => {
              heard.members = ids
            },
            fenced: () => {
              heard.fenced += 1
            },
            hostRecords: () => {
              heard.told += 1
            },
            turnRequested: (session) => void turns.push(session),
          })
          return Object.assign(heard, { store, sharing: store.sharing, member, changes, turns })
        })
      } finally {
        for (const store of stores) await store.close()
        await shared.dispose()
      }
    },
  }
}

async function until(what: string, holds: () => boolean): Promise<void> {
  for (const end = Date.now() + PATIENCE_MS; !holds(); ) {
    if (Date.now() > end) throw new Error(`not within ${PATIENCE_MS} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

function expectSame(actual: unknown, expected: unknown, what: string): void {
  const [got, wanted] = [sorted(actual), sorted(expected)]
  if (got !== wanted) throw new Error(`${what}: got ${got}, expected ${wanted}`)
}

function sorted(value: unknown): string {
  return JSON.stringify(value, (_, member: unknown) =>
    typeof member === 'object' && member !== null && !Array.isArray(member)
      ? Object.fromEntries(Object.entries(member).sort(([a], [b]) => (a < b ? -1 : 1)))
      : member,
  )
}
