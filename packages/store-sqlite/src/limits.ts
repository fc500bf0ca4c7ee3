/**
 * Every bound of the store, by name.
 * Never holds a limit of the protocol.
 */

// -- writing -----------------------------------------------------------------------------------
/** Changes written in one transaction, unless one call has more; the rest waits for the next one. */
export const GROUP_CHANGES = 1_024
/** Sealed bytes written in one transaction, unless one call has more. */
export const GROUP_BYTES = 16_777_216
/** How far apart groups begin while several sessions commit at once, in milliseconds: a group costs an fsync, however small it is. */
export const GROUP_PACE_MS = 2
/** Changes that wait to be written; over it a commit is refused. */
export const WAITING_CHANGES = 10_000
/** Sealed bytes of these; likewise. */
export const WAITING_BYTES = 134_217_728
/** A commit that has not begun to be written after this time, in milliseconds, is refused: the disk hangs. */
export const COMMIT_PATIENCE_MS = 5_000
/** How long opening waits for a file that somebody else has locked, in milliseconds. */
export const LOCK_PATIENCE_MS = 5_000
/** How long opening waits between two tries, in milliseconds. */
export const LOCK_RETRY_MS = 50
/** How long `close()` waits for what is being written, in milliseconds; then the thread is ended. */
export const CLOSE_PATIENCE_MS = 5_000
/** Rows written after which the write-ahead log is moved into the file, between two groups. */
export const CHECKPOINT_ROWS = 4_000
/** Pages of the log after which it is moved at once, since there is nothing between two groups. */
export const CHECKPOINT_PAGES = 8_000
/** Bytes that the write-ahead log keeps on disk when it has been moved. */
export const LOG_BYTES = 67_108_864
/** Sessions whose row and revision the thread knows without looking. */
export const KNOWN_SESSIONS = 16_384
/** KiB of pages that SQLite keeps in memory. */
export const CACHE_KIB = 32_768

// -- what is kept ------------------------------------------------------------------------------
/** Claims; one more is refused (`store/full`), since dropping one early would let its event be executed again. */
export const CLAIMS = 20_000_000
/** Client keys; the oldest goes. */
export const CLIENT_KEYS = 100_000
/** Answers to publish; the oldest goes. */
export const OUTBOX = 10_000
/** Answers to publish are dropped after this time, in milliseconds. */
export const OUTBOX_MEMORY_MS = 60_000
/** Audit records, unless configured; the oldest go, and a sealed checkpoint stays in their place. */
export const AUDIT_RECORDS = 1_000_000
/** Rows of each kind that are dropped with one transaction. */
export const SWEEP = 4_096
/** Audit records over the bound before some are dropped: not one with each commit. */
export const AUDIT_SLACK = 256
/** How often old claims and answers are looked for, in milliseconds. */
export const SWEEP_MS = 1_000
/** How long the head of the audit chain may stay unsealed when nothing else is written, in milliseconds. */
export const ANCHOR_MS = 250
/** Characters of the token of an offer, and of the id of an answer. */
export const NAME_CHARS = 512
/** Characters of the name of a host record. */
export const HOST_RECORD_NAME_CHARS = 128
/** Characters of its value as JSON. */
export const HOST_RECORD_CHARS = 65_536

// -- reading -----------------------------------------------------------------------------------
/** Rows that the thread sends in one message. */
export const PAGE_ROWS = 2_000
/** Bytes of these, unless one row has more. */
export const PAGE_BYTES = 4_194_304
/** Records that one `read` may name. */
export const READ_RECORDS = 10_000
/** Entries of one page of the audit log. */
export const AUDIT_PAGE = 1_000
/** Audit records looked at for one page; a page of a rare kind may be empty and not the last. */
export const AUDIT_SCAN = 5_000
/** Audit records verified in one go; commits come in between. */
export const VERIFY_RECORDS = 2_000
/** Bytes up to which a whole file is checked when it is opened, some 50 ms of work; of a larger one the small tables are, so that no start waits for its history. */
export const CHECKED_BYTES = 33_554_432
