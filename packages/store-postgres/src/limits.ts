/**
 * Every bound of this store, by name.
 * Never holds a limit of the engine or the protocol.
 */

// -- commits -----------------------------------------------------------------------------------
/** Changes written in one transaction, unless one call alone has more; the calls of a transaction are whole. */
export const GROUP_CHANGES = 256
/** Bytes of sealed bodies after which no further call joins a transaction. */
export const GROUP_BYTES = 8_388_608
/** Changes that wait for their transaction; a call that would make them more is refused. */
export const WAITING_CHANGES = 20_000
/** A commit that was not made within this time rejects, in milliseconds. */
export const COMMIT_MS = 10_000
/** Times a transaction is tried again because another process was faster, or the database chose it as a victim. */
export const COMMIT_RACES = 10
/** Pauses before the database is asked again after it could not be reached, in milliseconds; the last one repeats. */
export const RECONNECT_PAUSES_MS: readonly number[] = [50, 100, 200, 400, 800]

// -- the connection ----------------------------------------------------------------------------
/** Connections of the pool, unless configured. One more listens. */
export const CONNECTIONS = 4
/** How long a connection may take to be made, in milliseconds. */
export const CONNECT_MS = 5_000
/** Between two looks at the clock no more than this counts against any of these times, in milliseconds: longer, this process stood still. */
export const STANDSTILL_MS = 1_000
/** A connection of the pool that nobody used for this long is closed, in milliseconds. */
export const IDLE_MS = 30_000
/** How long any statement may wait for another transaction's lock, in milliseconds. */
export const LOCK_MS = 3_000
/** How long one read may take, in milliseconds; loading everything may take {@link LOAD_MS}. */
export const READ_MS = 10_000
/** How long loading everything, or a migration, may take, in milliseconds. */
export const LOAD_MS = 300_000
/** How long opening asks a server that cannot be reached, in milliseconds. */
export const OPEN_MS = 10_000
/** `close()` waits this long for what is under way, in milliseconds. */
export const CLOSE_MS = 2_000

// -- reading -----------------------------------------------------------------------------------
/** Sessions read by one statement. */
export const READ_SESSIONS = 1_000
/** Audit records read at once. */
export const READ_AUDIT = 1_000

// -- members -----------------------------------------------------------------------------------
/** A member without a sign of life for this long is taken for dead, in milliseconds. */
export const LEASE_MS = 3_000
/** Signs of life that a member gives in the time of one lease. */
export const BEATS_PER_LEASE = 4
/** A sign of life that takes longer is given up, and the connection with it, in milliseconds; the next one may take the time of a lease. */
export const BEAT_PATIENCE_MS = 1_500
/** How long each step of joining asks a server that was reached before, in milliseconds. */
export const JOIN_MS = 30_000
/** Bytes of one notification; PostgreSQL takes 7,999. */
export const NOTE_BYTES = 7_800
/** Notifications of one transaction; a larger change is told as `all`. */
export const NOTES = 8
/** How long joining waits for its own notification before it asks whether there is one, in milliseconds: a pooler has dropped it by then. */
export const NOTE_PROBE_MS = 3_000

// -- what is kept ------------------------------------------------------------------------------
/** How often old records are deleted, in milliseconds. */
export const SWEEP_MS = 60_000
/** Rows deleted by one statement. */
export const SWEEP_ROWS = 10_000
/** Characters of the name of a host record. */
export const HOST_RECORD_NAME_CHARS = 128
/** Characters of its value as JSON. */
export const HOST_RECORD_CHARS = 65_536
/** Client keys remembered after their sessions; the one that was heard longest ago goes. */
export const CLIENT_KEYS = 100_000
/** An answer that was not published is kept this long, in milliseconds. */
export const OUTBOX_MEMORY_MS = 60_000
/** Audit records of all chains together, unless configured; the oldest go, and a sealed checkpoint stays in their place. */
export const AUDIT_RECORDS = 1_000_000
/** How long the head of the audit chain may stay unsealed when nothing else is written, in milliseconds. */
export const ANCHOR_MS = 250
