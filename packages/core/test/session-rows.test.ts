import { limits, type Pubkey, type RelayUrl, UsageError } from '@nip46/core'
import type { SessionChange, SignerSession } from '@nip46/core/remote-signer'
import { expect, test } from 'vitest'
import { type Answer, EMPTY_LEDGER, recordAnswer } from '../src/ledger.ts'
import { createJsonSeal } from '../src/sealed-json.ts'
import { createSessionRows, type SessionPlaces, type SessionRows } from '../src/session-rows.ts'
import { createPlainSeal, utf8 } from './plain-seal.ts'

const NAME = { signerPubkey: 'a'.repeat(64) as Pubkey, clientPubkey: 'b'.repeat(64) as Pubkey }
const NOW = 1_700_000_000_000

const PLACES: SessionPlaces = {
  head: (_, revision) => `session ${revision}`,
  part: (_, id) => `part ${id}`,
}

/** One session as a store has it. */
interface Stored {
  revision: number
  head: Uint8Array
  readonly parts: Map<number, Uint8Array>
}

function createWorld() {
  const { seal, opened } = createPlainSeal()
  const json = createJsonSeal(seal, utf8)
  const stored: Stored = { revision: 0, head: new Uint8Array(), parts: new Map() }
  const open = (): SessionRows => createSessionRows(json, PLACES)
  /** Writes it as a store does, and tells which parts were written. */
  const write = (
    rows: SessionRows,
    before: SignerSession | null,
    after: SignerSession,
  ): readonly number[] => {
    const change: SessionChange = { ...NAME, revision: stored.revision, before, after }
    const { head, parts, dropped } = rows.write(change)
    if (dropped === 'all') stored.parts.clear()
    else for (const id of dropped) expect(stored.parts.delete(id)).toBe(true)
    for (const { id, body } of parts) stored.parts.set(id, body)
    stored.head = head ?? new Uint8Array()
    stored.revision += 1
    rows.remember(change)
    return parts.map(({ id }) => id)
  }
  const read = (rows: SessionRows, whole?: boolean) => rows.read({ ...NAME, ...stored }, whole)
  return { json, opened, stored, open, write, read }
}

function sessionOf(ledger: SignerSession['ledger']): SignerSession {
  return { v: 1, ...NAME, ledger } as unknown as SignerSession
}

function answerOf(n: number): Answer {
  const relays = ['wss://relay.example/' as RelayUrl]
  return { digest: `digest ${n}`, text: `answer ${n}`, at: NOW, relays, resends: 0 }
}

function grown(session: SignerSession, n: number): SignerSession {
  return sessionOf(recordAnswer(session.ledger, `request ${n}`, answerOf(n), NOW))
}

test('each answer is written alone when it is given, and once more with its full chunk; what is there is read back', () => {
  const world = createWorld()
  const rows = world.open()
  let session = sessionOf(EMPTY_LEDGER)
  world.write(rows, null, session)
  let joined = 0
  for (let n = 0; n < 300; n++) {
    const next = grown(session, n)
    const fresh = world.write(rows, session, next)
    if (fresh.length > 1) joined += 1
    expect(fresh.length).toBeLessThanOrEqual(2)
    session = next
  }
  expect(joined).toBe(4)
  expect(world.stored.parts.size).toBe(4 + 300 - 4 * 64)
  for (const whole of [false, true]) expect(world.read(world.open(), whole)).toEqual(session)
  expect(world.opened.filter((context) => context.endsWith(' texts'))).toHaveLength(8)
})

test('what was read is known: the next answer is one row. What is not known is written whole, once', () => {
  const world = createWorld()
  let session = sessionOf(EMPTY_LEDGER)
  for (let n = 0; n < 70; n++) session = grown(session, n)
  expect(world.write(world.open(), null, session)).toHaveLength(1 + 6)

  const rows = world.open()
  const read = world.read(rows)
  if (read === undefined) throw new Error('it does not open')
  const next = grown(read, 70)
  expect(world.write(rows, read, next)).toHaveLength(1)
  const copy = sessionOf({ ...next.ledger, chunks: [...next.ledger.chunks] })
  expect(world.write(rows, copy, grown(copy, 71))).toHaveLength(1 + 8)
  expect(world.read(world.open())).toEqual(grown(copy, 71))
})

test('a change that was not stored is as if it had never been written', () => {
  const world = createWorld()
  const rows = world.open()
  const session = grown(sessionOf(EMPTY_LEDGER), 0)
  world.write(rows, null, session)
  rows.write({ ...NAME, revision: world.stored.revision, before: session, after: grown(session, 1) })
  const other = grown(session, 2)
  expect(world.write(rows, session, other)).toHaveLength(1)
  expect(world.read(world.open())).toEqual(other)
})

test('a part that is missing, damaged, or of another place keeps the whole session from opening', () => {
  const world = createWorld()
  let session = sessionOf(EMPTY_LEDGER)
  for (let n = 0; n < 66; n++) session = grown(session, n)
  world.write(world.open(), null, session)
  const whole = new Map(world.stored.parts)
  expect([...whole.keys()]).toHaveLength(3)
  for (const id of whole.keys()) {
    world.stored.parts.delete(id)
    expect(world.read(world.open())).toBeUndefined()
    world.stored.parts.set(id, whole.get(id === 1_024 ? 1_025 : 1_024) as Uint8Array)
    expect(world.read(world.open())).toBeUndefined()
    world.stored.parts.set(id, whole.get(id) as Uint8Array)
  }
  expect(world.read(world.open())).toEqual(session)
  world.stored.revision += 1
  expect(world.read(world.open())).toBeUndefined()
})

test('a session that is forgotten takes all its rows along', () => {
  const world = createWorld()
  const before = sessionOf(EMPTY_LEDGER)
  expect(world.open().write({ ...NAME, revision: 4, before, after: null })).toEqual({
    head: null,
    parts: [],
    dropped: 'all',
  })
})

test(`a session remembers in ${limits.SESSION_ROWS} rows, and not in one more`, () => {
  const world = createWorld()
  const sessionWith = (chunks: number): SignerSession =>
    sessionOf({
      chunks: Array.from({ length: chunks }, (_, n) => ({ [`request ${n}`]: answerOf(n) })),
      chars: 0,
    })
  const most = sessionWith(limits.SESSION_ROWS)
  world.write(world.open(), null, most)
  expect(world.read(world.open())).toEqual(most)
  expect(() => world.write(world.open(), null, sessionWith(limits.SESSION_ROWS + 1))).toThrow(UsageError)
})

test('what earlier stores wrote is read: the chunk that was being filled in the head, a full chunk in one piece', () => {
  const world = createWorld()
  const session = grown(sessionOf(EMPTY_LEDGER), 0)
  const [last] = session.ledger.chunks
  const full = Object.fromEntries(Array.from({ length: 64 }, (_, n) => [`old ${n}`, answerOf(n)]))
  const ledger = { chars: 7, parts: [3], last }
  world.stored.revision = 5
  world.stored.head = world.json.seal({ ...session, ledger }, 'session 5')
  world.stored.parts.set(3, world.json.seal(full, 'part 3'))
  const rows = world.open()
  const read = world.read(rows)
  if (read === undefined) throw new Error('it does not open')
  expect(read.ledger).toEqual({ chunks: [full, last], chars: 7 })
  // Where its parts are is not known: all of them are written anew.
  const next = grown(read, 1)
  expect(world.write(rows, read, next)).toHaveLength(1 + 2)
  expect(world.read(world.open())).toEqual(next)
})
