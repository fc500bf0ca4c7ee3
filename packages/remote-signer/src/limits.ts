/**
 * Every bound of the engine, by name. Each has a test at the limit and one over.
 * Never holds a limit of the protocol; those are core's.
 */

import { limits } from '@nip46/core'

// -- what relays send --------------------------------------------------------------------------
/** Events of one relay that wait to be opened; over it strangers' are dropped, and for those of clients the oldest, strangers' first; those of clients are asked for again. */
export const INTAKE_PER_RELAY = 1_000
/** Characters of these events; likewise. */
export const INTAKE_CHARS_PER_RELAY = 4_194_304
/** So long after there was no room for events of clients, and the rest is dealt with, their relay is asked for them again, in milliseconds. */
export const CATCH_UP_MS = 1_000
/** As long as asking brings nothing new, the next time comes after twice the time, up to this, in milliseconds. */
export const CATCH_UP_LONGEST_MS = 60_000
/** Events of clients that a relay kept and that are looked for among the claims at a time; the next one is opened without. Of those that are claimed as many wait for their turn; the next one is dropped. */
export const RECALL_EVENTS = 1_000
/** Of these, so many are looked for in one call of the store. */
export const RECALL_READ = 256
/** What a relay kept and was claimed before gets its answer again so many at a time, one while anything else waits, and so far apart, in milliseconds. */
export const RECALL_BATCH = 16
export const RECALL_MS = 250
/** Events opened in one turn of the event loop; the rest waits for the next one. */
export const INTAKE_BATCH = 64
/** Of these, those that do not claim to be of a client, while there are some that do. */
export const INTAKE_STRANGERS = 8
/** Events that were verified and handled, remembered to tell a copy from news. The store remembers the executed ones longer. */
export const SEEN_IDS = 100_000
/** Copies of one of these that are looked at at once, and how fast that comes back: a client that asks again gets its answer again, a flood of copies nothing. */
export const COPIES_BURST = 16
export const COPIES_PER_SECOND = 1
/** Relays with budgets of their own at a time. */
export const RELAY_BUDGETS = 1_000
/** Events of strangers that are looked at at once, for each relay: most of a flood is dropped before it costs a parse and a hash. */
export const STRANGER_LOOKS_BURST = 1_000
/** How fast that comes back. */
export const STRANGER_LOOKS_PER_SECOND = 200
/** Events under the pubkey of a client that are not its own, as only a relay sends them that checks nothing, before the rest of that relay is dropped for a while. Each costs a parse and a hash; far more than may wait, so that a good relay never comes to it. */
export const FORGED_CLAIMS_BURST = 4_000
/** How fast that comes back. */
export const FORGED_CLAIMS_PER_SECOND = 2_000
/** Events that made the code throw, remembered whole so that none is opened twice; the oldest goes. */
export const FAULTY_EVENTS = 32
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
/** What one session may ask for, unless configured otherwise through `rates`. What is over it is answered, with when to retry. */
export const SESSION_RATES = {
  sign: { perSecond: 5, burst: 50 },
  cipher: { perSecond: 50, burst: 500 },
  other: { perSecond: 20, burst: 100 },
} as const
/** For hosts that limit their clients by other means, and for measuring: a million a second. */
export const UNLIMITED_RATES = {
  sign: { perSecond: 1_000_000, burst: 1_000_000 },
  cipher: { perSecond: 1_000_000, burst: 1_000_000 },
  other: { perSecond: 1_000_000, burst: 1_000_000 },
} as const
/** How many of these answers one session gets; the rest of what is over the limit is dropped. */
export const RATE_REFUSALS = { perSecond: 10, burst: 200 } as const
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
/** Pauses before an answer that every relay refused is sealed and published again, in milliseconds; the last one repeats. */
export const PUBLISH_PAUSES_MS: readonly number[] = [200, 400, 800, 1_600, 3_200, 6_400, 12_800]
/** How long an answer is tried, in milliseconds from its commit, also after a restart; then it is given up, and that is told. */
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
/** Lost in a row, after which the other processes are asked to let this one go first. */
export const TURN_RACES = 2
/** So long, in milliseconds, they do, unless it is done before; then they commit at least once before they do so again. */
export const TURN_MS = 2_000
/** `close()` waits this long for what is under way, in milliseconds. */
export const CLOSE_PATIENCE_MS = 2_000
/** A clock that goes back by more than this was set, and is followed; less is not believed. */
export const CLOCK_STEP_MS = 5_000
/** Longest timer that is asked for, in milliseconds: hosts run longer ones at once. */
export const TIMER_MS = 86_400_000

// -- several processes on one store ------------------------------------------------------------
/** How long an event of a session that another process serves is left to it, in milliseconds, before it is taken over. */
export const TAKE_OVER_MS = 750
/** As long as that process is at work on the session, or the store cannot be read, it is left for longer, up to this, in milliseconds. */
export const TAKE_OVER_PATIENCE_MS = 15_000
/** Events that are left to others at a time; over it the oldest is forgotten. */
export const STANDBY_EVENTS = 20_000
/** Characters of these events; likewise. */
export const STANDBY_CHARS = 16_777_216
/** Events looked for among the claims in one call of the store. */
export const STANDBY_READ = 256
/** A claim of another process that is younger than this, in milliseconds, is being answered by it. */
export const CLAIM_FRESH_MS = 15_000
/** Changes of others are read together, so long after the first, in milliseconds. */
export const FOLLOW_MS = 20
/** A session of others that changes all the time is read once in this time, in milliseconds. */
export const FOLLOW_EVERY_MS = 1_000
/** Records read in one call of the store. */
export const FOLLOW_READ = 200

// -- shards ------------------------------------------------------------------------------------
/** Workers of one sharded signer. */
export const SHARDS = 256
/** Places for events handed to a worker that it has not taken yet. One relay may have as many as are left, so one alone has half; its next one is dropped, as if it had lost it. */
export const SHARD_EVENTS = 8_000
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
/** Characters of the name of a host record in the memory store, and of its value as JSON. */
export const HOST_RECORD_NAME_CHARS = 128
export const HOST_RECORD_CHARS = 65_536
