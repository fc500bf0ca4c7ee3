/**
 * Every bound of a policy, by name. Each has a test at the limit and one over.
 * Never holds a rate or budget of one app; those are in its policy.
 */

// -- a policy as it is written -----------------------------------------------------------------
/** Characters of a grants text. */
export const GRANTS_CHARS = 16_384
/** Rules of a policy. */
export const RULES = 128
/** Ceilings of a policy, a host or a key. */
export const CEILINGS = 32
/** Terms that one rule names as kinds or as peers. */
export const TERMS = 64
/** Values of one set inside a caveat. */
export const VALUES = 32
/** Characters of one value inside a caveat. */
export const VALUE_CHARS = 512
/** Tag caveats of one rule. */
export const TAG_CAVEATS = 8
/** Characters of a policy's name, and of the id of a list. */
export const NAME_CHARS = 64
/** Largest count of a limit, and largest size. */
export const COUNT_MAX = 1_000_000_000
/** Largest amount, in millisatoshis: all there will ever be. */
export const MSAT_MAX = 2_100_000_000_000_000
/** Longest duration, in seconds: ten years. */
export const SECONDS_MAX = 315_360_000
/** Latest point in time, in Unix seconds: the end of the year 9999. */
export const TIME_MAX = 253_402_300_799
/** Largest distance of a time zone from UTC, in minutes. */
export const OFFSET_MAX = 840
/** Peers that a breadth caveat can allow. */
export const BREADTH_MAX = 256
/** Rules that count peer by peer (`each`, `breadth`). */
export const PEER_COUNTING_RULES = 8

// -- what a session remembers ------------------------------------------------------------------
/** Rules and preset entries of one session that have counted something. */
export const COUNTED_RULES: number = 2 * RULES
/** Decisions of a person that a session remembers. */
export const REMEMBERED = 64
/** Peers that are counted one by one for a per-peer limit; all others share one count. */
export const PEERS_COUNTED = 128
/** Lists whose last state is remembered; the one signed longest ago goes first, and is then asked about. */
export const LISTS = 16
/** Entries of a list that are remembered; of longer lists a sample of at most as many. */
export const LIST_SAMPLE = 256
/** Parts into which a counting window is divided: a use is forgotten late by at most one part. */
export const WINDOW_PARTS = 12

// -- facts and reports -------------------------------------------------------------------------
/** Different tag names that the facts of an audit record count. */
export const FACT_TAGS = 32
/** Characters of a rule's name in an audit record. */
export const RULE_NAME_CHARS = 160
/** Records that a replay lists in full; more are counted only. */
export const REPLAY_LISTED = 1_000

// -- time --------------------------------------------------------------------------------------
/** An event dated further ahead than this is asked about, in seconds. */
export const FUTURE_ASK_SECONDS = 3_600
/** An event dated further ahead than this is refused, in seconds. */
export const FUTURE_DENY_SECONDS: number = 366 * 86_400
/** An HTTP login (kind 27235) is remembered at most this long, in seconds: the authority is in its URL. */
export const HTTP_LOGIN_SECONDS = 300
