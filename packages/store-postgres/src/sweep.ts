/**
 * Deletes what is no longer kept: old claims, answers that nobody waits for, client keys over the bound, writers that left no trace,
 * names that nobody joined under for a month.
 * Never deletes by a clock that was set forward: what is old is old by this machine's steady time as well.
 */

import { limits, type Millis } from '@nip46/core'
import type { Database } from './database.ts'
import { CLIENT_KEYS, OUTBOX_MEMORY_MS, READ_MS, SWEEP_ROWS } from './limits.ts'

/** Resolves with how many rows went. Rejects with what `pg` says. */
export async function sweep(
  database: Database,
  schema: string,
  now: Millis,
  bound: number = CLIENT_KEYS,
): Promise<number> {
  const drop = async (text: string, values: readonly unknown[]): Promise<number> => {
    let gone = 0
    for (;;) {
      const [row] = await database.query<{ gone: number }>(
        `WITH gone AS (${text} RETURNING 1) SELECT count(*)::int AS gone FROM gone`,
        values,
        READ_MS,
      )
      gone += row?.gone ?? 0
      if ((row?.gone ?? 0) < SWEEP_ROWS) return gone
    }
  }
  const rows = (table: string, condition: string): string =>
    `DELETE FROM ${schema}.${table} WHERE ctid = ANY (ARRAY(
       SELECT ctid FROM ${schema}.${table} WHERE ${condition} LIMIT ${SWEEP_ROWS} FOR UPDATE SKIP LOCKED))`
  const claims = await drop(rows('claim', 'at < $1'), [now - limits.EXECUTED_MEMORY_SECONDS * 1_000])
  const answers = await drop(rows('outbox', 'at < $1'), [now - OUTBOX_MEMORY_MS])
  const clients = await drop(
    rows(
      'client',
      `position <= (SELECT position FROM ${schema}.client ORDER BY position DESC OFFSET $1 LIMIT 1)`,
    ),
    [bound],
  )
  const writers = await drop(rows('writer', `seq = 0 AND used_at < now() - interval '1 day'`), [])
  const names = await drop(
    rows(
      'instance',
      `joined_at < now() - interval '30 days' AND name NOT IN (SELECT instance FROM ${schema}.member WHERE instance IS NOT NULL)`,
    ),
    [],
  )
  return claims + answers + clients + writers + names
}

/** The latest moment that may count as past: by what callers say, but never ahead of what has gone by here since the first of it. */
export interface SweepClock {
  note(now: Millis): void
  /** Undefined before the first `note`. */
  now(): Millis | undefined
}

export function createSweepClock(steady: () => Millis = () => performance.now()): SweepClock {
  let latest: Millis | undefined
  /** What `now` was at steady time 0, as first seen. */
  let offset: Millis | undefined
  return {
    note(now) {
      offset ??= now - steady()
      latest = Math.max(latest ?? now, now)
    },
    now: () =>
      latest === undefined || offset === undefined ? undefined : Math.min(latest, offset + steady()),
  }
}
