/**
 * Writes changes: those that wait while a transaction is under way go into the next one, in their order.
 * Never has two transactions under way, and never leaves one whose outcome got lost: it is settled before the next begins.
 */

import { randomInt } from 'node:crypto'
import { limits, type Millis } from '@nip46/core'
import type {
  Claim,
  CommitOutcome,
  Offer,
  SessionName,
  SignerSession,
  StoreChange,
  StoreSeal,
  Versioned,
} from '@nip46/core/remote-signer'
import { sealAnchor } from './anchor.ts'
import { ChangeBatch, encodeCall } from './change-batch.ts'
import type { Database } from './database.ts'
import { closedError, failureOf, PostgresStoreError, storeError } from './error.ts'
import {
  ANCHOR_MS,
  COMMIT_MS,
  COMMIT_RACES,
  GROUP_BYTES,
  GROUP_CHANGES,
  READ_MS,
  RECONNECT_PAUSES_MS,
  WAITING_CHANGES,
} from './limits.ts'
import { runningNow } from './patience.ts'
import type { RecordCodec } from './record.ts'
import type { Records } from './records.ts'

export interface CommitLane {
  commit(changes: readonly StoreChange[], now: Millis): Promise<readonly CommitOutcome[]>
  /** Commits count as this member's from now on. */
  setMember(id: string | null): void
  /** Waits for what waits, at most so long; what comes later is refused. */
  close(patienceMs: Millis): Promise<void>
}

export interface CommitLaneOptions {
  readonly database: Database
  readonly records: Records
  readonly schema: string
  readonly seal: StoreSeal
  readonly codec: RecordCodec
  /** Id of this store's row in `writer`. */
  readonly writer: string
  /** The member may commit no more. */
  readonly onFenced: (member: string) => void
  /** A commit that was given up turned out to be made: whoever was told that it failed has to look again. */
  readonly onSurprise: () => void
}

interface Call {
  readonly changes: readonly StoreChange[]
  readonly now: Millis
  readonly end: number
  resolve(outcomes: readonly CommitOutcome[]): void
  reject(error: unknown): void
}

interface Result {
  readonly fenced?: true
  readonly groups?: readonly { readonly claimed: readonly number[]; readonly stale: readonly number[] }[]
  readonly seq?: number
  readonly hash?: string
}

interface Head {
  readonly seq: number
  readonly hash: string
}

const KEEP_MS: Millis = limits.EXECUTED_MEMORY_SECONDS * 1_000

export function createCommitLane(options: CommitLaneOptions): CommitLane {
  const { database, records, schema, seal, codec, writer, onFenced, onSurprise } = options
  const queue: Call[] = []
  let waiting = 0
  let running: Promise<void> | undefined
  let closed = false
  let member: string | null = null
  /** Of the next commit. */
  let serial = 1
  /** What was sent with this serial and may have been made. */
  let unsettled: ChangeBatch | undefined
  /** Where the audit chain ends, as far as known. */
  let head: Head = { seq: 0, hash: '0'.repeat(64) }
  let sealedSeq = -1
  let sealTimer: NodeJS.Timeout | undefined

  async function drain(): Promise<void> {
    // What is committed in this turn of the event loop goes together.
    await new Promise((resolve) => setImmediate(resolve))
    while (queue.length > 0) {
      const { calls, batch } = nextBatch()
      if (calls.length > 0) await writeCalls(calls, batch)
    }
    running = undefined
    clearTimeout(sealTimer)
    if (head.seq > sealedSeq) sealTimer = setTimeout(sealHead, ANCHOR_MS).unref()
  }

  function nextBatch(): { readonly calls: readonly Call[]; readonly batch: ChangeBatch } {
    const calls: Call[] = []
    const batch = new ChangeBatch(writer)
    for (let call = queue[0]; call !== undefined; call = queue[0]) {
      const size = batch.places.length
      if (size > 0 && (size + call.changes.length > GROUP_CHANGES || batch.bytes >= GROUP_BYTES)) break
      queue.shift()
      waiting -= call.changes.length
      if (addTo(batch, call)) calls.push(call)
    }
    return { calls, batch }
  }

  function addTo(batch: ChangeBatch, call: Call): boolean {
    try {
      batch.add(encodeCall(call.changes, call.now, codec))
      return true
    } catch (error) {
      // The seal takes no record of this size.
      call.reject(error)
      return false
    }
  }

  async function writeCalls(calls: readonly Call[], batch: ChangeBatch): Promise<void> {
    try {
      const result = await write(batch, Math.min(...calls.map(({ end }) => end)))
      // Looking up what stands in the way of some does not hold up the others.
      void tellOutcomes(calls, batch, result)
    } catch (error) {
      if (failureOf(error) !== 'refused' || calls.length === 1) {
        for (const call of calls) call.reject(storeError(error))
        return
      }
      // One of them cannot be written: the others need not suffer.
      for (const call of calls) {
        const alone = new ChangeBatch(writer)
        if (addTo(alone, call)) await writeCalls([call], alone)
      }
    }
  }

  /** Tries until it is known to be made, or the time is up. */
  async function write(batch: ChangeBatch, end: number): Promise<Result> {
    const groups = batch.groups()
    const bodies = batch.bodies()
    let races = 0
    let losses = 0
    for (;;) {
      const left = Math.max(1, end - runningNow())
      let isSettled = false
      try {
        const made = unsettled === undefined ? undefined : await settle(left)
        if (made?.batch === batch) return made.result
        if (made !== undefined) onSurprise()
        isSettled = true
        const anchor = head.seq > sealedSeq ? sealed(head) : null
        const anchored = head.seq
        unsettled = batch
        const [row] = await database.query<{ result: Result }>(
          `SELECT ${schema}.commit_changes($1, $2, $3, $4, $5, $6, $7) AS result`,
          [writer, serial, member, KEEP_MS, anchor, groups, bodies],
          left,
        )
        unsettled = undefined
        const result = row?.result ?? {}
        if (result.fenced !== true) {
          serial += 1
          sealedSeq = Math.max(sealedSeq, anchored)
          noteHead(result)
        }
        return result
      } catch (error) {
        const failure = failureOf(error)
        // What could not even be asked for may still be made: another batch under its number would be told its outcome.
        if (failure !== 'lost' && isSettled) unsettled = undefined
        if (failure === 'refused') throw error
        if (failure === 'race' && ++races > COMMIT_RACES) throw error
        if (failure === 'lost') losses += 1
        const pause =
          failure === 'race'
            ? randomInt(1, 2 + 2 ** races)
            : (RECONNECT_PAUSES_MS[Math.min(losses, RECONNECT_PAUSES_MS.length) - 1] ?? 0)
        if (runningNow() + pause >= end) throw error
        await new Promise((resolve) => setTimeout(resolve, pause))
      }
    }
  }

  /** What became of the commit whose outcome got lost; undefined if it was not made, and then it never will be. */
  async function settle(
    left: number,
  ): Promise<{ readonly batch: ChangeBatch | undefined; readonly result: Result } | undefined> {
    const [row] = await database.query<{ result: Result | null }>(
      `SELECT ${schema}.settle_commit($1, $2) AS result`,
      [writer, serial],
      left,
    )
    const batch = unsettled
    unsettled = undefined
    serial += 1
    const result = row?.result ?? null
    if (result === null) return undefined
    noteHead(result)
    return { batch, result }
  }

  function noteHead({ seq, hash }: Result): void {
    if (seq !== undefined && hash !== undefined) head = { seq, hash }
  }

  function sealed(end: Head): Uint8Array {
    return sealAnchor(end, writer, seal)
  }

  async function sealHead(): Promise<void> {
    const end = head
    if (end.seq <= sealedSeq) return
    try {
      await database.query(
        `UPDATE ${schema}.writer SET anchor = $2 WHERE id = $1`,
        [writer, sealed(end)],
        READ_MS,
      )
      sealedSeq = Math.max(sealedSeq, end.seq)
    } catch {
      // The next commit does it.
    }
  }

  async function tellOutcomes(calls: readonly Call[], batch: ChangeBatch, result: Result): Promise<void> {
    if (result.fenced === true) {
      if (member !== null) onFenced(member)
      for (const call of calls) call.resolve(call.changes.map(() => FENCED))
      return
    }
    let index = 0
    const fates = calls.map(({ changes }) =>
      changes.map((): Fate => {
        const place = batch.places[index]
        const { claimed = [], stale = [] } = result.groups?.[place?.group ?? -1] ?? {}
        const fate = claimed.includes(place?.n ?? -1)
          ? 'claimed'
          : stale.includes(place?.n ?? -1)
            ? 'stale'
            : 'done'
        if (fate === 'done') batch.remember(index, codec)
        index += 1
        return fate
      }),
    )
    await Promise.all(
      calls.map(async (call, i) => {
        const own = fates[i] ?? []
        if (own.every((fate) => fate === 'done')) return call.resolve(own.map(() => DONE))
        try {
          call.resolve(await explain(call, own))
        } catch (error) {
          call.reject(storeError(error))
        }
      }),
    )
  }

  /** What stands in the way of the changes that were not made, as stored now. */
  async function explain(call: Call, fates: readonly Fate[]): Promise<readonly CommitOutcome[]> {
    const undone = call.changes.filter((_, i) => fates[i] !== 'done')
    const [claims, found] = await Promise.all([
      records.claims(undone.flatMap((change) => change.claims?.map(({ eventId }) => eventId) ?? [])),
      records.read({
        sessions: undone.flatMap(({ session }) => session ?? []),
        offers: undone.flatMap(({ offers }) => offers?.map(({ token }) => token) ?? []),
      }),
    ])
    const claimOf = new Map(
      claims.filter(({ at }) => at >= call.now - KEEP_MS).map((claim) => [claim.eventId, claim]),
    )
    const sessionOf = new Map(found.sessions.map((stored) => [nameOf(stored.value), stored]))
    const offerOf = new Map(
      found.offers.map(({ revision, value }) => [value.token, { revision, value: value.offer }]),
    )
    return call.changes.map((change, i): CommitOutcome => {
      if (fates[i] === 'claimed') return claimedOutcome(change, claimOf, sessionOf)
      return fates[i] === 'stale' ? staleOutcome(change, sessionOf, offerOf) : DONE
    })
  }

  return {
    commit(changes, now) {
      if (closed) return Promise.reject(closedError())
      if (changes.length === 0) return Promise.resolve([])
      if (waiting + changes.length > WAITING_CHANGES) {
        const message = `${WAITING_CHANGES} changes wait to be written already`
        return Promise.reject(new PostgresStoreError('store/busy', message))
      }
      waiting += changes.length
      return new Promise((resolve, reject) => {
        queue.push({ changes, now, end: runningNow() + COMMIT_MS, resolve, reject })
        running ??= drain()
      })
    },
    setMember(id) {
      member = id
    },
    async close(patienceMs) {
      closed = true
      clearTimeout(sealTimer)
      let timer: NodeJS.Timeout | undefined
      const late = new Promise((resolve) => {
        timer = setTimeout(resolve, patienceMs)
      })
      await Promise.race([running, late])
      clearTimeout(timer)
      for (const call of queue.splice(0)) call.reject(closedError())
      clearTimeout(sealTimer)
      if (running === undefined) await sealHead()
    },
  }
}

type Fate = 'done' | 'claimed' | 'stale'

const DONE: CommitOutcome = { type: 'done' }
const FENCED: CommitOutcome = { type: 'fenced' }

function claimedOutcome(
  { claims, session }: StoreChange,
  claimOf: ReadonlyMap<string, Claim>,
  sessionOf: ReadonlyMap<string, Versioned<SignerSession>>,
): CommitOutcome {
  const names = new Set(claims?.map(({ eventId }) => eventId))
  return {
    type: 'claimed',
    claims: [...names].flatMap((name) => claimOf.get(name) ?? []),
    ...(session !== undefined && { session: sessionOf.get(nameOf(session)) ?? null }),
  }
}

function staleOutcome(
  { session, offers }: StoreChange,
  sessionOf: ReadonlyMap<string, Versioned<SignerSession>>,
  offerOf: ReadonlyMap<string, Versioned<Offer>>,
): CommitOutcome {
  const stored = session === undefined ? undefined : (sessionOf.get(nameOf(session)) ?? null)
  const sessionMoved = session !== undefined && (stored?.revision ?? 0) !== session.revision
  const moved = (offers ?? []).filter(
    ({ token, revision }) => (offerOf.get(token)?.revision ?? 0) !== revision,
  )
  // What moved may have moved back in the meantime: then all of it is told.
  const all = !sessionMoved && moved.length === 0
  return {
    type: 'stale',
    ...(stored !== undefined && (sessionMoved || all) && { session: stored }),
    offers: (all ? (offers ?? []) : moved).map(({ token }) => ({
      token,
      stored: offerOf.get(token) ?? null,
    })),
  }
}

function nameOf({ signerPubkey, clientPubkey }: SessionName): string {
  return signerPubkey + clientPubkey
}
