/**
 * Every bound of the engine, by name. Each has a test at the limit and one over.
 * Never holds a limit of the protocol; those are core's.
 */

import { limits } from '@nip46/core'

// -- what relays send --------------------------------------------------------------------------
/** Events of one relay that wait to be opened; over it the oldest of that relay goes, strangers' first. */
export const INTAKE_PER_RELAY = 1_000
/** Characters of these events; likewise. */
export const INTAKE_CHARS_PER_RELAY = 4_194_304
/** Events opened in one turn of the event loop; the rest waits for the next one. */
export const INTAKE_BATCH = 64
/** Events that were verified and handled, remembered to tell a copy from news. The store remembers the executed ones longer. */
export const SEEN_IDS = 100_000
/** Relays with budgets of their own at a time. */
export const RELAY_BUDGETS = 1_000
/** Wrong signatures one relay may send at once before nothing of it is verified for a while. */
export const FAILED_SIGNATURES_BURST = 100
/** How fast that comes back. */
export const FAILED_SIGNATURES_PER_SECOND = 10
/** Events of strangers that are verified at once, for each relay. */
export const STRANGER_CHECKS_BURST = 200
/** How fast that comes back. */
export const STRANGER_CHECKS_PER_SECOND = 20

// -- strangers ---------------------------------------------------------------------------------
/** A stranger gets at most one answer in this time, in milliseconds. */
export const STRANGER_REPLY_EVERY_MS = 10_000
/** Strangers that get an answer within one minute. */
export const STRANGERS_PER_MINUTE = 50
/** Strangers remembered for {@link STRANGER_REPLY_EVERY_MS}; the one heard longest ago goes. */
export const STRANGERS_REMEMBERED = 1_000
/** Connections that wait for somebody's decision at a time. */
export const PAIRINGS = 100

// -- sessions ----------------------------------------------------------------------------------
/** Sessions, those that ended and are remembered included. */
export const SESSIONS = 10_000
/** Requests of one session in a burst, unless configured otherwise through `requestsPerSecond`: five seconds' worth. */
export const REQUEST_BURST_SECONDS = 5
/** Requests of one session in a second, unless configured. */
export const REQUESTS_PER_SECOND = 100
/** Inputs of one session that wait for its last commit; over it messages are dropped. */
export const LANE_QUEUE = 256
/** Client keys remembered after their sessions, so that none of them can be encrypted or decrypted for. */
export const CLIENT_KEYS = 100_000
/** A session that was revoked or expired is told so this long, in milliseconds; then it is forgotten. */
export const ENDED_MEMORY_MS = 86_400_000
/** A connection that was refused is remembered this long, in milliseconds, so that nobody is asked about it twice. */
export const REFUSED_MEMORY_MS: number = limits.ANSWER_MEMORY_MS
/** Questions that are open at a time, of all sessions; the next one is answered with no. */
export const QUESTIONS = 1_000
/** The user's key must answer within this time, in milliseconds, unless configured. */
export const OPERATION_TIMEOUT_MS = 60_000
/** Events that a key in this process signs in one call. */
export const SIGN_BATCH = 64

// -- the audit records -------------------------------------------------------------------------
/** Refusals of one session that are recorded one by one within {@link REFUSALS_WINDOW_MS}; the rest is counted in one record. */
export const REFUSALS_RECORDED = 20
export const REFUSALS_WINDOW_MS = 60_000

// -- offers ------------------------------------------------------------------------------------
/** How long a bunker:// token is good, in milliseconds, unless said otherwise. */
export const OFFER_MS = 900_000
/** A token that ran out keeps its key listening this long, in milliseconds, so that its client is told. */
export const OFFER_AFTERLIFE_MS = 3_600_000
/** How often what ran out is forgotten, in milliseconds. */
export const SWEEP_MS = 600_000

// -- answers -----------------------------------------------------------------------------------
/** Answers under way at a time; over it the one that waits longest for another try is given up. */
export const OUTBOX = 10_000
/** Answers sealed in one batch: their randomness is drawn at once, and hosts give at most 65,536 bytes. */
export const SEAL_BATCH = 256
/** Pauses before an answer that every relay refused is sealed and published again, in milliseconds. */
export const PUBLISH_PAUSES_MS: readonly number[] = [200, 400, 800, 1_600, 3_200]
/** An answer that was committed and not published when the process ended is published after a restart, if not older. */
export const OUTBOX_MEMORY_MS = 60_000
/** Refusals for a wrong `created_at`, within {@link CLOCK_SKEW_WINDOW_MS}, after which our clock is suspected. */
export const CLOCK_SKEW_REFUSALS = 3
export const CLOCK_SKEW_WINDOW_MS = 300_000

// -- subscriptions -----------------------------------------------------------------------------
/** Keys in one `#p` filter. */
export const KEYS_PER_FILTER = 200
/** Filters in one REQ. */
export const FILTERS_PER_SUBSCRIPTION = 5
/** How long something waits for a relay that delivers, in milliseconds; then it goes on without. */
export const LIVE_PATIENCE_MS = 3_000
/** A relay that ended a subscription for good is asked again after this long, in milliseconds. */
export const RESUBSCRIBE_MS = 60_000

// -- the store, time ---------------------------------------------------------------------------
/** Pauses before a commit that failed is tried again, in milliseconds; the last one repeats. */
export const COMMIT_PAUSES_MS: readonly number[] = [200, 400, 800, 1_600, 3_200, 5_000]
/** Times a commit is tried again at once because another process was faster. */
export const COMMIT_RACES = 10
/** `close()` waits this long for what is under way, in milliseconds. */
export const CLOSE_PATIENCE_MS = 2_000
/** A clock that goes back by more than this was set, and is followed; less is not believed. */
export const CLOCK_STEP_MS = 5_000
/** Longest timer that is asked for, in milliseconds: hosts run longer ones at once. */
export const TIMER_MS = 86_400_000

// -- shards ------------------------------------------------------------------------------------
/** Workers of one sharded signer. */
export const SHARDS = 256
/** Events handed to a worker that it has not taken yet; the next one is dropped, as if the relay had lost it. */
export const SHARD_EVENTS = 4_000
/** Answers of a worker that the main thread publishes at a time; the next one is refused, and tried again by its engine. */
export const SHARD_PUBLISHES = 10_000
/** Calls of one worker that are under way; the next one is refused. */
export const SHARD_CALLS = 1_000
/** A call of a worker is given up after this long, in milliseconds: longer than any decision lasts by default. */
export const SHARD_CALL_MS = 330_000
/** A worker that did not start within this time is ended, in milliseconds. */
export const SHARD_START_MS = 30_000
/** Pauses before a worker that died is started again, in milliseconds; the last one repeats. */
export const SHARD_PAUSES_MS: readonly number[] = [100, 400, 1_600, 5_000]
/** A worker that lived this long, in milliseconds, is started again after the first pause. */
export const SHARD_STABLE_MS = 60_000
/** How long `close()` waits for workers to finish, in milliseconds; then they are ended. */
export const SHARD_CLOSE_MS = 3_000
/** How long a worker may take to sign an AUTH event, in milliseconds. */
export const SHARD_AUTH_MS = 2_000
/** A subscription asks its worker for an AUTH event at most once in this time, in milliseconds. */
export const SHARD_AUTH_EVERY_MS = 1_000

// -- the memory store --------------------------------------------------------------------------
/** Executed event ids that the memory store keeps; the oldest goes. */
export const MEMORY_CLAIMS = 250_000
/** Audit records that the memory store keeps; the oldest goes. */
export const MEMORY_AUDIT = 10_000
