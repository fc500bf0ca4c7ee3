/**
 * One process among others on the store: its lease, who else is alive, what they changed.
 * Never decides by the clock of this machine whether the lease holds: the row in `member` says so, in each commit.
 */

import { randomUUID } from 'node:crypto'
import type { Member, MemberListener, SessionName } from '@nip46/core/remote-signer'
import { type Database, type Listener, openListener, persist } from './database.ts'
import { failureOf, PostgresStoreError, storeError, unavailableError } from './error.ts'
import {
  BEAT_PATIENCE_MS,
  BEATS_PER_LEASE,
  JOIN_MS,
  NOTE_PROBE_MS,
  READ_MS,
  RECONNECT_PAUSES_MS,
} from './limits.ts'
import { EVERYTHING, readNote } from './note.ts'
import type { Settings } from './options.ts'

export interface MembershipOptions {
  readonly settings: Settings
  readonly database: Database
  readonly writer: string
  /** This store was a member before, and did not leave by itself. */
  readonly again: boolean
  readonly listener: MemberListener
  /** Commits count as this member's from now on. */
  readonly onJoined: (id: string) => void
}

export interface Membership extends Member {
  /** Someone found that this member may commit no more. */
  fence(): void
  /** As far as this process goes: the row stays until it is taken for dead. */
  drop(): void
  /** Something may have been missed. */
  lookAgain(): void
  /** Lets the others know that this one is too late for the session again and again. */
  requestTurn(session: SessionName): Promise<void>
}

/** Resolves when this member is in the table and hears the others. */
export async function joinMembers(options: MembershipOptions): Promise<Membership> {
  const { settings, database, writer, again, listener, onJoined } = options
  const { schema, leaseMs, instance } = settings
  const beatMs = Math.floor(leaseMs / BEATS_PER_LEASE)
  const probe = randomUUID()
  let id: string | undefined
  let over = false
  let heard = (): void => undefined
  let notes: Listener | undefined
  let beatTimer: NodeJS.Timeout | undefined
  let listenTimer: NodeJS.Timeout | undefined
  let beating = false
  let beatAgain = false
  let missed = false
  let alive = ''

  function onNote(payload: string): void {
    const note = readNote(payload)
    if (note.type === 'probe') {
      if (note.id === probe) heard()
    } else if (id === undefined || over) return
    else if (note.type === 'members') void beat()
    else if (note.writer === writer) return
    else if (note.type === 'host-records') listener.hostRecords?.()
    else if (note.type === 'turn') listener.turnRequested(note.session)
    else listener.changed(note.change)
  }

  async function listen(): Promise<Listener> {
    return await openListener(settings, schema, onNote, () => {
      notes = undefined
      void listenAgain(0)
    })
  }

  async function listenAgain(tries: number): Promise<void> {
    if (over) return
    try {
      const opened = await listen()
      if (over) return opened.close()
      notes = opened
      // Whatever was said while nobody listened.
      listener.changed(EVERYTHING)
      void beat()
    } catch {
      const pause = RECONNECT_PAUSES_MS[Math.min(tries, RECONNECT_PAUSES_MS.length - 1)]
      listenTimer = setTimeout(() => void listenAgain(tries + 1), pause)
    }
  }

  async function notify(note: object, leftMs: number): Promise<void> {
    await database.query('SELECT pg_notify($1, $2)', [schema.slice(1, -1), JSON.stringify(note)], leftMs)
  }

  /** Whether this member hears what is notified. */
  async function comesThrough(leftMs: number): Promise<boolean> {
    let isHeard = false
    const probed = new Promise<void>((resolve) => {
      heard = () => {
        isHeard = true
        resolve()
      }
    })
    await notify({ probe }, leftMs)
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, NOTE_PROBE_MS)
    })
    await Promise.race([probed, late])
    clearTimeout(timer)
    if (isHeard) return true
    // A server that is busy may not have come to it: it answers only once it has.
    if (notes === undefined) throw unavailableError('no connection', 'cannot be reached')
    await notes.catchUp()
    return isHeard
  }

  function fence(): void {
    if (over) return
    stop()
    listener.fenced()
  }

  function stop(): void {
    over = true
    clearTimeout(beatTimer)
    clearTimeout(listenTimer)
    notes?.close()
    notes = undefined
  }

  async function beat(): Promise<void> {
    if (over || id === undefined) return
    if (beating) {
      beatAgain = true
      return
    }
    beating = true
    beatAgain = false
    clearTimeout(beatTimer)
    let next = beatMs
    try {
      const rows = await database.query<{ alive: string; remaining: number }>(
        `SELECT alive, remaining FROM ${schema}.beat($1, $2)`,
        [id, leaseMs],
        missed ? leaseMs : Math.min(BEAT_PATIENCE_MS, beatMs * 2),
      )
      missed = false
      if (rows.length === 0) return fence()
      tell(rows.map((row) => row.alive))
      // Whoever does not give a sign of life is noticed as soon as that is certain.
      next = Math.min(beatMs, ...rows.map(({ remaining }) => remaining + 5))
    } catch (error) {
      missed = true
      // A slip of the network is not a reason to wait for the next turn.
      next = failureOf(error) === 'lost' ? Math.min(beatMs, 200) : beatMs
    } finally {
      beating = false
      if (!over) beatTimer = setTimeout(() => void beat(), beatAgain ? 0 : Math.max(next, 20))
    }
  }

  function tell(ids: readonly string[]): void {
    const sorted = [...ids].sort()
    const key = sorted.join(' ')
    if (over || key === alive) return
    alive = key
    listener.members(sorted)
  }

  try {
    notes = await persist(JOIN_MS, listen)
    if (!(await persist(JOIN_MS, comesThrough)))
      throw new PostgresStoreError(
        'store/no-notifications',
        'LISTEN does not work over this connection: give `notifications`, a connection to the server itself',
      )
    const [row] = await persist(JOIN_MS, (left) =>
      database.query<{ id: string | null }>(
        `SELECT ${schema}.join_members($1, $2, $3, $4) AS id`,
        [writer, leaseMs, instance, again],
        left,
      ),
    )
    if (row === undefined) throw new PostgresStoreError('store/failed', 'no member was made')
    if (row.id === null)
      throw new PostgresStoreError(
        'store/superseded',
        `another process has joined as ${instance}: end this one`,
      )
    id = row.id
    onJoined(id)
    await beat()
    // The first beat may not have come through; the next one tells.
    if (alive === '') tell([id])
  } catch (error) {
    stop()
    throw storeError(error)
  }

  return {
    id,
    fence,
    drop: stop,
    lookAgain() {
      if (!over) listener.changed(EVERYTHING)
    },
    async requestTurn({ signerPubkey, clientPubkey }) {
      if (!over) await notify({ writer, turn: [signerPubkey, clientPubkey] }, READ_MS)
    },
    async leave() {
      if (over) return
      stop()
      await persist(READ_MS, (left) => database.query(`SELECT ${schema}.leave_members($1)`, [id], left))
    },
  }
}
