/**
 * Opens the store: checks the server, brings the schema up to date, and puts the parts together.
 * Never resolves before a commit could be made.
 */

import type { Millis } from '@nip46/core'
import type {
  AuditLog,
  HostRecords,
  Member,
  MemberListener,
  SessionName,
  SignerStore,
  StoreSharing,
} from '@nip46/core/remote-signer'
import { createAuditLog } from './audit-log.ts'
import { dropOldAudit } from './audit-retention.ts'
import { createCommitLane } from './commit-lane.ts'
import { type Database, openDatabase, persist } from './database.ts'
import { describeDatabase, type PostgresDescription } from './description.ts'
import { closedError, failureOf, PostgresStoreError, storeError } from './error.ts'
import { createHostRecords } from './host-records.ts'
import { CLOSE_MS, OPEN_MS, READ_MS, SWEEP_MS } from './limits.ts'
import { joinMembers, type Membership } from './membership.ts'
import { migrate } from './migration.ts'
import { type Durability, type PostgresStoreOptions, type Settings, settingsOf } from './options.ts'
import { findRestore } from './origin.ts'
import { createRecordCodec } from './record.ts'
import { createRecords } from './records.ts'
import { createSweepClock, sweep } from './sweep.ts'

/** The store of remote signers that share one PostgreSQL, with its audit log and the records of their hosts. Methods reject with `PostgresStoreError`. */
export interface PostgresStore extends SignerStore, AuditLog, HostRecords {
  readonly sharing: StoreSharing
  /** As the server is set up now: looked at when opening, and once a minute. */
  readonly durability: Durability
  /**
   * When the tables were found to be a restored dump: events from before may have been executed since that dump. Null if they never
   * were. A copy of the server's files, or a rewound server, is not noticed.
   */
  readonly restoredAt: Millis | null
  /** As of now. Rejects with `PostgresStoreError`. */
  describe(): Promise<PostgresDescription>
  /** Leaves, writes what waits for at most `limits.CLOSE_MS`, and closes all connections. Twice is harmless. */
  close(): Promise<void>
}

/**
 * Opens the store, and makes or updates its tables if the role may.
 *
 * Rejects with `PostgresStoreError`, after at most `limits.OPEN_MS` if the server cannot be reached; throws `UsageError` for options
 * that cannot be right. Neither repeats an address or a password.
 *
 * ```ts
 * const store = await openPostgresStore({ connection: process.env.DATABASE_URL, seal: createSeal(key) })
 * const signer = createRemoteSigner({ store, … })
 * ```
 */
export async function openPostgresStore(options: PostgresStoreOptions): Promise<PostgresStore> {
  const settings = settingsOf(options)
  const reach = watchReach(settings)
  const database = openDatabase(settings, reach)
  try {
    return await assemble(settings, database)
  } catch (error) {
    await database.close()
    throw storeError(error)
  }
}

async function assemble(settings: Settings, database: Database): Promise<PostgresStore> {
  const { schema, seal } = settings
  let durability = await persist(OPEN_MS, (left) => durabilityOf(database, settings, left))
  settings.onEvent({ type: 'durability', durability })
  await migrate(database, schema)
  await checkSeal(database, settings)
  const restoredAt = await findRestore(database, schema)
  const [row] = await persist(READ_MS, (left) =>
    database.query<{ id: string }>(
      `INSERT INTO ${schema}.writer (name) VALUES ($1) RETURNING id`,
      [settings.name],
      left,
    ),
  )
  if (row === undefined) throw new PostgresStoreError('store/failed', 'no writer was made')
  const writer = row.id
  const codec = createRecordCodec(seal)
  const records = createRecords(database, { schema, codec, restoredAt })
  const clock = createSweepClock()
  let membership: Membership | undefined
  let joining = false
  /** It is a member, or was one until others ended that: then it is no new start to join. */
  let wasMember = false
  let closing: Promise<void> | undefined

  const lane = createCommitLane({
    database,
    records,
    schema,
    seal,
    codec,
    writer,
    onFenced: (id) => {
      if (membership?.id === id) membership.fence()
    },
    onSurprise: () => membership?.lookAgain(),
  })

  async function tidy(): Promise<void> {
    try {
      const now = clock.now()
      await database.query(`UPDATE ${schema}.writer SET used_at = now() WHERE id = $1`, [writer], READ_MS)
      if (now !== undefined) await sweep(database, schema, now)
      await dropOldAudit(database, settings)
      const found = await durabilityOf(database, { ...settings, acceptDataLoss: true }, READ_MS)
      if (found !== durability) settings.onEvent({ type: 'durability', durability: found })
      durability = found
    } catch {
      // There is another minute.
    }
  }
  let tidying: Promise<void> | undefined
  const sweepTimer = setInterval(() => {
    tidying ??= tidy().finally(() => {
      tidying = undefined
    })
  }, SWEEP_MS).unref()

  async function join(listener: MemberListener): Promise<Member> {
    if (closing !== undefined) throw closedError()
    if (joining) throw new PostgresStoreError('store/failed', 'this store is joining already')
    joining = true
    try {
      await membership?.leave()
      const joined = await joinMembers({
        settings,
        database,
        writer,
        again: wasMember,
        listener,
        onJoined: (id) => lane.setMember(id),
      })
      membership = joined
      wasMember = true
      const leave = async (): Promise<void> => {
        wasMember = false
        await joined.leave()
      }
      return { id: joined.id, leave }
    } catch (error) {
      throw storeError(error)
    } finally {
      joining = false
    }
  }

  async function close(): Promise<void> {
    clearInterval(sweepTimer)
    await lane.close(CLOSE_MS)
    await Promise.race([
      membership?.leave().catch(() => undefined),
      new Promise((resolve) => setTimeout(resolve, CLOSE_MS).unref()),
    ])
    membership?.drop()
    await tidying
    await database.close()
  }

  const open = <A extends readonly unknown[], R>(body: (...args: A) => Promise<R>) => {
    return async (...args: A): Promise<R> => {
      if (closing !== undefined) throw closedError()
      return await body(...args)
    }
  }
  const { readAudit, verifyAudit } = createAuditLog(database, schema, seal)
  const member = (): string | undefined => membership?.id
  const hostRecords = createHostRecords(database, { schema, codec, writer, member })
  return {
    load: open((now: Millis) => {
      clock.note(now)
      return records.load(now)
    }),
    commit(changes, now) {
      clock.note(now)
      return lane.commit(changes, now)
    },
    read: open(records.read),
    readAudit: open(readAudit),
    verifyAudit: open(verifyAudit),
    readHostRecords: open(hostRecords.readHostRecords),
    writeHostRecords: open(hostRecords.writeHostRecords),
    sharing: {
      leaseMs: settings.leaseMs,
      join,
      requestTurn: open(async (session: SessionName) => await membership?.requestTurn(session)),
      readClaims: open(records.claims),
      readOutbox: open(records.outbox),
    },
    get durability() {
      return durability
    },
    restoredAt,
    describe: open(() => describeDatabase(database, schema)),
    close: () => (closing ??= close()),
  }
}

/** Rejects with `store/not-durable` or `store/read-only` where nothing should be kept. */
async function durabilityOf(
  database: Database,
  { acceptDataLoss }: Settings,
  patienceMs: number,
): Promise<Durability> {
  const [row] = await database.query<{
    readonly version: number
    readonly standby: boolean
    readonly safe: boolean
    readonly replicas: number
    readonly sync: boolean
  }>(
    `SELECT current_setting('server_version_num')::int AS version,
       pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on' AS standby,
       current_setting('fsync') = 'on' AND current_setting('full_page_writes') = 'on' AS safe,
       (SELECT count(*)::int FROM pg_stat_replication) AS replicas,
       current_setting('synchronous_standby_names') <> ''
         AND current_setting('synchronous_commit') IN ('on', 'off', 'remote_apply', 'remote_write') AS sync`,
    [],
    patienceMs,
  )
  if (row === undefined) throw new PostgresStoreError('store/failed', 'the server says nothing of itself')
  if (row.version < 150_000) throw new PostgresStoreError('store/refused', 'PostgreSQL 15 or newer is needed')
  if (row.standby)
    throw new PostgresStoreError('store/read-only', 'PostgreSQL takes no writes: is it a standby?')
  if (!row.safe && !acceptDataLoss)
    throw new PostgresStoreError(
      'store/not-durable',
      'fsync or full_page_writes is off: a crash of the server would lose what it acknowledged',
    )
  return row.safe && (row.replicas === 0 || row.sync) ? 'sync' : 'async'
}

/** The first to open writes what only its key opens. */
async function checkSeal(database: Database, { schema, seal }: Settings): Promise<void> {
  const context = 'seal check'
  const body = seal.seal(new TextEncoder().encode(context), context)
  await persist(READ_MS, (left) =>
    database.query(
      `INSERT INTO ${schema}.seal_check (body) VALUES ($1) ON CONFLICT DO NOTHING`,
      [body],
      left,
    ),
  )
  const [row] = await persist(READ_MS, (left) =>
    database.query<{ body: Buffer }>(`SELECT body FROM ${schema}.seal_check`, [], left),
  )
  if (row !== undefined && seal.open(row.body, context).ok) return
  throw new PostgresStoreError('store/wrong-key', 'what is stored there was sealed with another key')
}

function watchReach(settings: Settings): (failure: unknown) => void {
  let reachable = true
  return (failure) => {
    const now = failure === undefined || failureOf(failure) !== 'lost'
    if (now === reachable) return
    reachable = now
    settings.onEvent({ type: 'reachable', reachable, reason: now ? null : storeError(failure).message })
  }
}
