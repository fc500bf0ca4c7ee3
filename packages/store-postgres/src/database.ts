/**
 * Connections to PostgreSQL: a bounded pool, each statement with a deadline of its own.
 * Never leaves a transaction open between two statements but in `transaction`, and never logs.
 */

import { Client, type ClientConfig, Pool, type PoolClient, type QueryResultRow } from 'pg'
import { closedError, failureOf, storeError } from './error.ts'
import { CONNECT_MS, IDLE_MS, LOAD_MS, LOCK_MS, READ_MS } from './limits.ts'
import type { Settings } from './options.ts'
import { inTime, runningNow } from './patience.ts'

export interface Database {
  /** One statement, one round trip. Rejects with what `pg` says: see `failureOf`, `storeError`. */
  query<R extends QueryResultRow>(
    text: string,
    values: readonly unknown[],
    patienceMs: number,
  ): Promise<readonly R[]>
  /** Several statements, for migrations. */
  transaction<T>(body: (run: Run) => Promise<T>): Promise<T>
  close(): Promise<void>
}

export type Run = <R extends QueryResultRow>(
  text: string,
  values?: readonly unknown[],
) => Promise<readonly R[]>

/** `onReach` is told of every statement that was answered, or was not for want of a connection. */
export function openDatabase(settings: Settings, onReach: (failure: unknown) => void): Database {
  const pool = new Pool({
    ...settings.connection,
    max: settings.connections,
    connectionTimeoutMillis: CONNECT_MS,
    idleTimeoutMillis: IDLE_MS,
    keepAlive: true,
    application_name: settings.name,
    // A pooler in transaction mode would refuse these, or hand them to others.
    ...(!settings.pooler && { statement_timeout: READ_MS, idle_in_transaction_session_timeout: LOAD_MS }),
  })
  // An idle connection that breaks is replaced when the next one is needed.
  pool.on('error', () => undefined)
  let closed = false

  async function acquire(end: number): Promise<PoolClient> {
    if (closed) throw closedError()
    const pending = pool.connect()
    const client = await inTime(pending, end, 'no connection').catch((error: unknown) => {
      // It may come later than anybody waits for it.
      pending.then(
        (late) => late.release(),
        () => undefined,
      )
      throw error
    })
    // A connection that breaks while it is in use fails the statement; this is only so that nothing is thrown.
    client.on('error', ignore)
    return client
  }

  function release(client: PoolClient, failure?: unknown): void {
    client.off('error', ignore)
    client.release(failure !== undefined && failureOf(failure) === 'lost')
  }

  return {
    async query<R extends QueryResultRow>(text: string, values: readonly unknown[], patienceMs: number) {
      const end = runningNow() + patienceMs
      let client: PoolClient | undefined
      try {
        client = await acquire(end)
        const { rows } = await inTime(client.query<R>(text, [...values]), end, 'no answer')
        release(client)
        onReach(undefined)
        return rows
      } catch (error) {
        if (client !== undefined) release(client, error)
        onReach(error)
        throw error
      }
    },
    async transaction(body) {
      const client = await acquire(runningNow() + CONNECT_MS)
      const run: Run = async <R extends QueryResultRow>(text: string, values: readonly unknown[] = []) => {
        const { rows } = await inTime(client.query<R>(text, [...values]), runningNow() + LOAD_MS, 'no answer')
        return rows
      }
      try {
        await run('BEGIN')
        await run(`SET LOCAL lock_timeout = ${LOAD_MS}; SET LOCAL statement_timeout = ${LOAD_MS}`)
        const result = await body(run)
        await run('COMMIT')
        release(client)
        return result
      } catch (error) {
        // Ending the connection undoes it, whatever state that is in.
        client.off('error', ignore)
        client.on('error', ignore)
        client.release(true)
        throw error
      }
    },
    async close() {
      if (closed) return
      closed = true
      await pool.end()
    },
  }
}

/** A connection that listens. `onEnd` is called once, when it broke; not after `close`. */
export interface Listener {
  /** Resolves when what was notified before is told: PostgreSQL says that before it answers. */
  catchUp(): Promise<void>
  close(): void
}

export async function openListener(
  settings: Settings,
  channel: string,
  onNote: (payload: string) => void,
  onEnd: () => void,
): Promise<Listener> {
  const config: ClientConfig = {
    ...settings.notifications,
    connectionTimeoutMillis: CONNECT_MS,
    keepAlive: true,
    application_name: `${settings.name} notifications`.slice(0, 63),
  }
  const client = new Client(config)
  let over = false
  const end = (): void => {
    if (over) return
    over = true
    onEnd()
  }
  client.on('error', end)
  client.on('end', end)
  client.on('notification', ({ payload }) => {
    if (!over) onNote(payload ?? '')
  })
  const close = (): void => {
    over = true
    // Waits for nobody: a connection that hangs is dropped.
    const stream = (client as unknown as { readonly connection: { readonly stream: { destroy(): void } } })
      .connection.stream
    client.end().catch(() => undefined)
    setTimeout(() => stream.destroy(), LOCK_MS).unref()
  }
  try {
    await client.connect()
    await inTime(client.query(`LISTEN ${channel}`), runningNow() + CONNECT_MS, 'no answer')
  } catch (error) {
    close()
    throw error
  }
  return {
    async catchUp() {
      await inTime(client.query('SELECT'), runningNow() + READ_MS, 'no answer')
    },
    close,
  }
}

/** Tries again what lost its connection, until the time is up; then rejects with an error of ours. */
export async function persist<T>(patienceMs: number, attempt: (leftMs: number) => Promise<T>): Promise<T> {
  const end = runningNow() + patienceMs
  for (let pause = 50; ; pause = Math.min(pause * 2, 800)) {
    try {
      return await attempt(Math.max(1, end - runningNow()))
    } catch (error) {
      const failure = failureOf(error)
      if (failure === 'refused' || runningNow() + pause >= end) throw storeError(error)
    }
    await new Promise((resolve) => setTimeout(resolve, pause))
  }
}

function ignore(): void {
  // Nothing to do.
}
