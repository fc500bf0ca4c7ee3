/**
 * Every bound of the keys, by name. Each has a test at the limit and one over.
 */

// -- the vault ---------------------------------------------------------------------------------
/** Keys of one vault. */
export const KEYS = 1_000
/** Characters of a key's name. */
export const KEY_NAME_CHARS = 64
/** Bytes of a file of the vault; a longer one is not read. */
export const VAULT_FILE_BYTES = 16_384
/** A temporary file that is this old, in milliseconds, was left by a crash and is removed. */
export const STALE_TEMP_MS = 3_600_000

// -- passphrases -------------------------------------------------------------------------------
/** UTF-8 bytes of a passphrase. */
export const PASSPHRASE_BYTES = 1_024
/** A passphrase from a file descriptor has to be there within this time, in milliseconds. */
export const PASSPHRASE_WAIT_MS = 60_000
/** Wrong passphrases for one key in a row that cost nothing; after each further one the next try has to wait. */
export const FREE_TRIES = 3
/** The longest wait, in milliseconds; the first is a second, and each is twice the one before. */
export const TRY_PAUSE_MAX_MS = 60_000
/** Calls that wait for another's scrypt at a time, which runs one by one; the next one is refused. */
export const KDF_QUEUE = 32

// -- scrypt ------------------------------------------------------------------------------------
/** The least cost that is written, and read where we wrote it: 2^16, 64 MiB. */
export const LOG_N_MIN = 16
/** What is written unless asked otherwise: 128 MiB. */
export const LOG_N = 17
/** The highest cost that is read or written: 4 GiB. */
export const LOG_N_MAX = 22

// -- importing ---------------------------------------------------------------------------------
/** Bytes of a text that holds a key: twenty-four seed words are under 250. */
export const SECRET_TEXT_BYTES = 1_024
/** The highest account of seed words (NIP-06): BIP-32 has no higher hardened index. */
export const SEED_ACCOUNT_MAX = 2_147_483_647

// -- unlocking and use -------------------------------------------------------------------------
/** The longest time after which a key locks by itself, in milliseconds: a year. */
export const UNLOCK_MS_MAX = 31_536_000_000
/** The longest timer that is asked for, in milliseconds: hosts run longer ones at once. */
export const TIMER_MS = 86_400_000
/** Operations that are under way in the signing worker; the next one is answered `unavailable:`. */
export const OPERATIONS = 10_000
/** Characters of all of them, as JSON; likewise. */
export const OPERATION_CHARS = 134_217_728
/** Operations handed to the signing worker in one message. */
export const OPERATION_BATCH = 64
/** Messages with operations that the signing worker has at a time: one at work, one at hand. */
export const WORKER_BATCHES = 2
/** Operations that wait for a locked key at a time; the next one is answered at once. */
export const UNLOCK_WAITERS = 1_000
/** The longest that an operation may wait for a locked key, in milliseconds. */
export const UNLOCK_WAIT_MS_MAX = 600_000
/** The signing worker is ended, and another started, if it owes an answer this long, in milliseconds. */
export const WORKER_SILENCE_MS = 30_000
/** A call for scrypt may take this long, in milliseconds: the highest cost takes most of a minute on a slow machine. */
export const WORKER_KDF_MS = 300_000
/** Workers that may die within {@link WORKER_DEATHS_MS}; then none is started any more, and operations fail. */
export const WORKER_DEATHS = 5
export const WORKER_DEATHS_MS = 60_000
