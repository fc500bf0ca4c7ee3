/**
 * Writes groups of calls, each group in one transaction. Each change is looked at before anything of it is written, so it is
 * written as a whole or not at all.
 * Never writes a change that lost a race, and never says that one is written before it is on the disk.
 */

import { hash } from 'node:crypto'
import type { DatabaseSync } from 'node:sqlite'
import { toBlob, toHex } from './blob.ts'
import { AUDIT_SLACK, KNOWN_SESSIONS, OUTBOX_MEMORY_MS, SWEEP, SWEEP_MS } from './limits.ts'
import type {
  CallReply,
  ChainPoint,
  Group,
  Opening,
  PlainCall,
  PlainChange,
  PlainClaim,
  PlainOffer,
  PlainOutcome,
  PlainSession,
} from './message.ts'
import { bytesAt, type Packer } from './packer.ts'
import type { RowReader } from './row-reader.ts'

export interface WriterState {
  /** Transactions that wrote something. */
  readonly commits: number
  /** Milliseconds that the store was open, of all times. */
  readonly elapsed: number
  readonly head: ChainPoint
  readonly checkpoint: ChainPoint
}

export interface GroupWriter {
  /**
   * Begins the transaction, and writes. Throws what SQLite throws: then `state` is as before, and the transaction is to be rolled
   * back. Nothing was written if `isWritten` is false.
   */
  write(
    group: Group,
    bytes: ArrayBuffer,
    packer: Packer,
  ): { readonly calls: readonly CallReply[]; readonly isWritten: boolean }
  /** After the commit. */
  accept(): void
  /** After the transaction was rolled back. */
  reject(): void
  readonly state: WriterState
  /** Rows that the last transaction changed. */
  readonly written: number
  /** Audit records may be dropped up to here. */
  readonly drop: ChainPoint | null
}

export interface WriterOptions
  extends Pick<Opening, 'claims' | 'clientKeys' | 'outbox' | 'auditRecords' | 'claimMemoryMs'> {
  readonly id: string
  /** `Group.steady` when the store was opened. */
  readonly steady: number
}

interface SessionRow {
  /** Undefined: there is none. */
  readonly place: number | undefined
  readonly revision: number
}

const NO_SESSION: SessionRow = { place: undefined, revision: 0 }
const DONE: PlainOutcome = { type: 'done' }

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

export function createGroupWriter(
  database: DatabaseSync,
  reader: RowReader,
  stored: WriterState,
  options: WriterOptions,
): GroupWriter {
  /** Rows that this transaction changed. */
  let written = 0
  const run = (sql: string): ((...values: (string | number | Uint8Array | null)[]) => number) => {
    const statement = database.prepare(sql)
    return (...values) => {
      const changes = Number(statement.run(...values).changes)
      written += changes
      return changes
    }
  }
  const get = (sql: string): ((...values: (string | number | Uint8Array)[]) => unknown) => {
    const statement = database.prepare(sql)
    return (...values) => statement.get(...values)?.['value']
  }

  const begin = database.prepare('BEGIN IMMEDIATE')
  const oldestClaim = get('SELECT min(place) AS value FROM claims')
  const youngestClaim = get('SELECT max(place) AS value FROM claims')
  const addClaim = run(
    'INSERT INTO claims (event_id, signer, client, at, elapsed, body) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING',
  )
  const dropClaim = run('DELETE FROM claims WHERE event_id = ?')
  const claimsAfter = database.prepare('SELECT place, at, elapsed FROM claims ORDER BY place LIMIT ?')
  const dropClaims = run('DELETE FROM claims WHERE place <= ?')

  const sessionAt = database.prepare('SELECT place, revision FROM sessions WHERE signer = ? AND client = ?')
  const addSession = database.prepare(
    'INSERT INTO sessions (signer, client, revision, head) VALUES (?, ?, ?, ?) RETURNING place',
  )
  const setSession = run('UPDATE sessions SET revision = ?, head = ? WHERE place = ?')
  const dropSession = run('DELETE FROM sessions WHERE place = ?')
  const addPart = run('INSERT INTO parts (session, id, body) VALUES (?, ?, ?)')
  const dropSomeParts = run('DELETE FROM parts WHERE session = ? AND id IN (SELECT value FROM json_each(?))')
  const dropParts = run('DELETE FROM parts WHERE session = ?')

  const offerRevision = get('SELECT revision AS value FROM offers WHERE token = ?')
  const setOffer = run(
    `INSERT INTO offers (token, revision, body) VALUES (?, ?, ?)
     ON CONFLICT (token) DO UPDATE SET revision = excluded.revision, body = excluded.body`,
  )
  const dropOffer = run('DELETE FROM offers WHERE token = ?')

  const setKey = run(
    `INSERT INTO keys (pubkey, created_at, secret) VALUES (?, ?, ?)
     ON CONFLICT (pubkey) DO UPDATE SET created_at = excluded.created_at, secret = excluded.secret`,
  )
  // In place, so that the old bytes are overwritten.
  const blankKey = run('UPDATE keys SET secret = zeroblob(length(secret)) WHERE pubkey = ?')
  const dropKey = run('DELETE FROM keys WHERE pubkey = ?')

  const dropClient = run('DELETE FROM clients WHERE pubkey = ?')
  const addClient = run('INSERT INTO clients (pubkey, body) VALUES (?, ?)')
  const countClients = get('SELECT count(*) AS value FROM clients')
  const dropOldClients = run(
    'DELETE FROM clients WHERE place IN (SELECT place FROM clients ORDER BY place LIMIT ?)',
  )

  const setAnswer = run(
    `INSERT INTO outbox (id, at, body) VALUES (?, ?, ?)
     ON CONFLICT (id) DO UPDATE SET at = excluded.at, body = excluded.body`,
  )
  const dropAnswers = run('DELETE FROM outbox WHERE id IN (SELECT value FROM json_each(?))')
  const countAnswers = get('SELECT count(*) AS value FROM outbox')
  const dropOldAnswers = run(
    `DELETE FROM outbox WHERE place IN (SELECT place FROM outbox WHERE at < ? ORDER BY place LIMIT ${SWEEP})`,
  )
  const dropFirstAnswers = run(
    'DELETE FROM outbox WHERE place IN (SELECT place FROM outbox ORDER BY place LIMIT ?)',
  )

  const addRecord = run('INSERT INTO audit (seq, prev, hash, record) VALUES (?, ?, ?, ?)')
  const hashAt = get('SELECT hash AS value FROM audit WHERE seq = ?')
  const dropRecords = run('DELETE FROM audit WHERE seq <= ?')

  const setState = run('UPDATE state SET commits = ?, elapsed = ?, audit_seq = ?, audit_hash = ?')
  const setAnchor = run('UPDATE state SET anchor = ?')
  const setCheckpoint = run('UPDATE state SET checkpoint_seq = ?, checkpoint_hash = ?, checkpoint_seal = ?')

  let state = stored
  let next: Mutable<WriterState> = { ...stored }
  let drop: ChainPoint | null = null
  /** Nobody else writes, so what was looked up or written stays so until a transaction is taken back. */
  const sessions = new Map<string, SessionRow>()
  const findClaimSpan = (): { oldest: number; next: number } => ({
    oldest: Number(oldestClaim() ?? 1),
    next: Number(youngestClaim() ?? 0) + 1,
  })
  let claimSpan = findClaimSpan()
  let clients = Number(countClients())
  let answers = Number(countAnswers())
  let sweptAt = Number.NEGATIVE_INFINITY
  let sweepingAt = sweptAt

  // -- one change ------------------------------------------------------------------------------

  const isStale = ({ session, offers }: PlainChange): boolean =>
    (session !== undefined && sessionRow(session).revision !== session.revision) ||
    offers?.some(isOfferStale) === true

  const isOfferStale = ({ token, revision }: PlainOffer): boolean =>
    ((offerRevision(token) as number | undefined) ?? 0) !== revision

  /** Of a change that lost: what was there. */
  const conflictOf = ({ claims = [], session, offers = [] }: PlainChange, packer: Packer): PlainOutcome => {
    const claimed = claims.flatMap(({ eventId }) => reader.claim(toBlob(eventId), packer) ?? [])
    const storedSession =
      session === undefined
        ? undefined
        : { session: reader.session(session.signer, session.client, packer) ?? null }
    if (claimed.length > 0) return { type: 'claimed', claims: claimed, ...storedSession }
    const isLate = session !== undefined && sessionRow(session).revision !== session.revision
    return {
      type: 'stale',
      ...(isLate && storedSession),
      offers: offers
        .filter(isOfferStale)
        .map(({ token }) => ({ token, stored: reader.offer(token, packer) ?? null })),
    }
  }

  const sessionRow = ({ signer, client }: PlainSession): SessionRow => {
    const name = signer + client
    const known = sessions.get(name)
    if (known !== undefined) return known
    const found = sessionAt.get(toBlob(signer), toBlob(client))
    const row: SessionRow =
      found === undefined
        ? NO_SESSION
        : { place: Number(found['place']), revision: Number(found['revision']) }
    note(name, row)
    return row
  }

  const note = (name: string, row: SessionRow): void => {
    if (sessions.size >= KNOWN_SESSIONS) sessions.clear()
    sessions.set(name, row)
  }

  const writeSession = (
    session: PlainSession,
    bytes: (place: readonly [number, number]) => Uint8Array,
  ): void => {
    const { signer, client, revision, head, parts, dropped } = session
    const name = signer + client
    const known = sessionRow(session).place
    if (head === null) {
      note(name, NO_SESSION)
      if (known === undefined) return
      dropParts(known)
      dropSession(known)
      return
    }
    const next = revision + 1
    let place = known
    if (place === undefined) {
      place = Number(addSession.get(toBlob(signer), toBlob(client), next, bytes(head))?.['place'])
      written += 1
    } else setSession(next, bytes(head), place)
    note(name, { place, revision: next })
    if (dropped === 'all') {
      if (known !== undefined) dropParts(place)
    } else if (dropped.length > 0) dropSomeParts(place, JSON.stringify(dropped))
    for (const [id, body] of parts) addPart(place, id, bytes(body))
  }

  const writeChange = (
    change: PlainChange,
    bytes: (place: readonly [number, number]) => Uint8Array,
  ): void => {
    if (change.session !== undefined) writeSession(change.session, bytes)
    for (const { token, revision, body } of change.offers ?? []) {
      if (body === null) dropOffer(token)
      else setOffer(token, revision + 1, bytes(body))
    }
    for (const { pubkey, createdAt, secret } of change.keys ?? [])
      setKey(toBlob(pubkey), createdAt, bytes(secret))
    for (const pubkey of change.forgetKeys ?? []) {
      blankKey(toBlob(pubkey))
      dropKey(toBlob(pubkey))
    }
    for (const { pubkey, body } of change.clients ?? []) {
      clients -= dropClient(toBlob(pubkey))
      clients += addClient(toBlob(pubkey), bytes(body))
    }
    for (const { id, at, body } of change.outbox ?? []) {
      // One that is there already is counted twice, until the next sweep counts again.
      answers += setAnswer(id, at, bytes(body))
    }
    if (change.published !== undefined) answers -= dropAnswers(JSON.stringify(change.published))
    for (const record of change.audit ?? []) append(record)
  }

  const append = (record: string): void => {
    const seq = next.head.seq + 1
    const prev = next.head.hash
    const hash = hashEntry(options.id, prev, record, seq)
    addRecord(seq, toBlob(prev), toBlob(hash), record)
    next.head = { seq, hash }
  }

  /** False, and nothing is written, if one of the events was claimed before. */
  const writeClaims = (
    claims: readonly PlainClaim[],
    bytes: (place: readonly [number, number]) => Uint8Array,
  ): boolean => {
    const isMine = new Set<string>()
    for (const { eventId, signer, client, at, body } of claims) {
      const isNew =
        addClaim(toBlob(eventId), toBlob(signer), toBlob(client), at, next.elapsed, bytes(body)) > 0
      if (isNew) isMine.add(eventId)
      else if (!isMine.has(eventId)) {
        for (const own of isMine) dropClaim(toBlob(own))
        return false
      }
    }
    claimSpan.next += isMine.size
    return true
  }

  const writeCall = (call: PlainCall, buffer: ArrayBuffer, packer: Packer): CallReply => {
    const fresh = call.changes.reduce((sum, { claims = [] }) => sum + claims.length, 0)
    if (fresh > 0 && claimSpan.next - claimSpan.oldest + fresh > options.claims)
      return {
        type: 'failed',
        code: 'store/full',
        message: `more than ${options.claims} events within the window`,
      }
    const bytes = (place: readonly [number, number]): Uint8Array => bytesAt(buffer, place, call.base)
    return {
      type: 'outcomes',
      outcomes: call.changes.map((change) => {
        const { claims = [] } = change
        if (isStale(change)) return conflictOf(change, packer)
        if (claims.length > 0 && !writeClaims(claims, bytes)) return conflictOf(change, packer)
        writeChange(change, bytes)
        return DONE
      }),
    }
  }

  // -- what is old -----------------------------------------------------------------------------

  const sweep = (now: number): void => {
    let last = 0
    for (const { place, at, elapsed } of claimsAfter.all(SWEEP)) {
      // Kept while either clock says so: one may have been set, the other stands still while nobody has the store open.
      const isOld =
        now - Number(at) > options.claimMemoryMs && next.elapsed - Number(elapsed) > options.claimMemoryMs
      if (!isOld) break
      last = Number(place)
    }
    if (last > 0) dropClaims(last)
    claimSpan = findClaimSpan()
    dropOldAnswers(now - OUTBOX_MEMORY_MS)
    answers = Number(countAnswers())
  }

  const isSweepDue = (now: number): boolean => Math.abs(now - sweptAt) >= SWEEP_MS

  const trim = (): void => {
    if (clients > options.clientKeys) clients -= dropOldClients(clients - options.clientKeys)
    if (answers > options.outbox) {
      answers = Number(countAnswers())
      if (answers > options.outbox) answers -= dropFirstAnswers(answers - options.outbox)
    }
  }

  const dropUpTo = ({ seq, hash, sealed }: NonNullable<Group['checkpoint']>): void => {
    if (seq <= next.checkpoint.seq || toHexOrNull(hashAt(seq)) !== hash) return
    dropRecords(seq)
    setCheckpoint(seq, toBlob(hash), sealed)
    next.checkpoint = { seq, hash }
  }

  const findDrop = (): ChainPoint | null => {
    const excess = next.head.seq - next.checkpoint.seq - options.auditRecords
    if (excess < Math.min(AUDIT_SLACK, Math.max(1, options.auditRecords))) return null
    const seq = next.checkpoint.seq + Math.min(excess, SWEEP)
    const hash = toHexOrNull(hashAt(seq))
    return hash === null ? null : { seq, hash }
  }

  return {
    write(group, bytes, packer) {
      next = { ...state, elapsed: stored.elapsed + Math.max(0, Math.round(group.steady - options.steady)) }
      next.elapsed = Math.max(next.elapsed, state.elapsed)
      begin.run()
      written = 0
      const replies = group.calls.map((call) => writeCall(call, bytes, packer))
      const now = group.calls.reduce((latest, call) => Math.max(latest, call.now), Number.NEGATIVE_INFINITY)
      sweepingAt = sweptAt
      if (Number.isFinite(now) && isSweepDue(now)) {
        sweep(now)
        sweepingAt = now
      }
      trim()
      if (group.checkpoint !== null) dropUpTo(group.checkpoint)
      if (group.anchor !== null) setAnchor(group.anchor)
      const isWritten = written > 0
      if (isWritten) {
        next.commits = state.commits + 1
        setState(next.commits, next.elapsed, next.head.seq, toBlob(next.head.hash))
      }
      drop = findDrop()
      return { calls: replies, isWritten }
    },
    accept() {
      state = next
      sweptAt = sweepingAt
    },
    reject() {
      sessions.clear()
      claimSpan = findClaimSpan()
      clients = Number(countClients())
      answers = Number(countAnswers())
    },
    get state() {
      return state
    },
    get written() {
      return written
    },
    get drop() {
      return drop
    },
  }
}

function toHexOrNull(blob: unknown): string | null {
  return blob === undefined || blob === null ? null : toHex(blob)
}

/** See `AuditEntry.hash`. `record` is canonical JSON already, and the names are in their order. */
export function hashEntry(chain: string, prev: string, record: string, seq: number): string {
  return hash('sha256', `{"chain":"${chain}","prev":"${prev}","record":${record},"seq":${seq}}`)
}
