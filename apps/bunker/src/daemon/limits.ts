/**
 * Every bound of the daemon, by name.
 * Never holds a bound of the engine, of the keys or of HTTP: those have lists of their own.
 */

// -- questions ---------------------------------------------------------------------------------
/** Different questions that wait at a time; the next one is denied. */
export const QUESTIONS = 500
/** Of these, questions of one app, so that none keeps the others from being asked about. */
export const QUESTIONS_PER_APP = 20
/** How questions ended is remembered for so many of them, so that deciding again is told from deciding what never was. */
export const DECIDED_REMEMBERED = 2_000
/** An app is sent to the page after this long, in milliseconds, if nobody decided. */
export const CHALLENGE_AFTER_MS = 300
/** What the engine gives an app that was sent to a page, at least, in milliseconds. */
export const PAGE_PATIENCE_MS = 300_000

// -- starting and stopping ---------------------------------------------------------------------
/** What is under way when the daemon is told to stop may take so long, in milliseconds. */
export const DRAIN_MS = 8_000
/** And the answers of the API that are under way, in milliseconds. */
export const DRAIN_API_MS = 1_000
/** How often draining looks whether it is done, in milliseconds. */
export const DRAIN_LOOK_MS = 20

// -- looking around ----------------------------------------------------------------------------
/** Ids of events of ours that are remembered, to tell them from those of another daemon with our keys. */
export const OWN_EVENTS = 20_000
/** How often the alert about another daemon is repeated at most, in milliseconds. */
export const DUPLICATE_EVERY_MS = 60_000

/** Our clock is wrong once it is further than this from what others say, in milliseconds: half of the age at which requests expire. */
export const CLOCK_OFF_MS = 300_000
/** So many have to say so, and more than half of those who say anything; one is enough if it is the only relay of ours there is. */
export const CLOCK_WITNESSES = 2
/** Relays, and apps, whose word is remembered. */
export const CLOCK_REMEMBERED = 64
/** How long the word of an app counts, in milliseconds. */
export const CLOCK_WINDOW_MS = 600_000
/** A clock that moves by more than this beside the machine's steady one was set, or slept, in milliseconds: what was said before is void. */
export const CLOCK_STEP_MS = 5_000
/** After that what apps say counts for nothing for so long, in milliseconds: it may have waited while the machine slept. */
export const CLOCK_SETTLE_MS = 60_000

/** How often a store that did not work is tried, in milliseconds. */
export const STORE_TRY_MS = 5_000

// -- answers of the API ------------------------------------------------------------------------
/** Links that one answer lists, the youngest first. */
export const LINK_LISTED = 1_000
/** Entries of the log that a proposal or a replay looks at, the youngest ones. */
export const TRIM_ENTRIES = 50_000
/** Files of a backup. */
export const BACKUP_FILES = 10_000

// -- another daemon with our keys --------------------------------------------------------------
/** Sessions whose answers are watched for those of another daemon. */
export const WATCHED_SESSIONS = 1_000
/** Of these, in one filter. */
export const WATCHED_PER_FILTER = 200
/** Sessions that come and go within this time, in milliseconds, are one change of what is listened for. */
export const WATCH_EVERY_MS = 250

// -- the log, for those who read along -----------------------------------------------------------
/** Entries that are told together: those of this time, in milliseconds. */
export const AUDIT_TAIL_MS = 50
/** Entries read at once. */
export const AUDIT_TAIL_PAGE = 200

/** Records of the audit log that are kept unless said otherwise, and the least and the most that can be. */
export const AUDIT_RECORDS = 1_000_000
export const AUDIT_RECORDS_MIN = 1_000
export const AUDIT_RECORDS_MAX = 100_000_000

// -- requests --------------------------------------------------------------------------------------
/** What an app may ask for at once, in seconds of what it may ask for in the long run. */
export const BURST_SECONDS = 10

// -- what is known of the users' lists -----------------------------------------------------------
/** Relays of the user that are asked for lists. */
export const USER_RELAYS = 8
/** Users whose lists are kept. */
export const LIST_USERS = 200
/** Events of one user, and their characters together; the profile, the follow list and the relay list are never pushed out. */
export const LISTS_PER_USER = 64
export const LIST_USER_CHARS = 2_097_152
/** Characters of one of them; a longer one is not known. */
export const LIST_CHARS = 524_288
/** A list of a relay may be so far ahead of our clock, in seconds. */
export const LIST_AHEAD_SECONDS = 3_600
/** Signatures of lists that are verified in a minute; what comes beyond them is left to the next time that a relay sends it. */
export const LIST_CHECKS_PER_MINUTE = 600
/** Lists that were signed and are not stored yet. */
export const LISTS_SIGNED = 200
/** Changes within this time, in milliseconds, are written together. */
export const LIST_WRITE_MS = 500

// -- several daemons on one store --------------------------------------------------------------------
/** Times a setting is changed again because another daemon was faster. */
export const SETTINGS_RACES = 20
/** After a failure settings are read again after so long, in milliseconds. */
export const REFRESH_AGAIN_MS = 1_000
/** How long a decision may take to be stored before its caller is told so, in milliseconds. */
export const SETTLE_MS = 10_000

// -- after a crash -----------------------------------------------------------------------------------
/** A request that was in work in so many crashes is refused. */
export const CRASHES = 2
/** Requests that are marked at a time; the oldest mark goes. And those of one crash. */
export const CRASH_MARKS = 1_000
export const CRASH_MARKS_AT_ONCE = 250
/** How long a mark stays at least, in milliseconds: seven days. */
export const CRASH_MARK_FOR_MS = 604_800_000
/** How long the store may take for the marks of a crash before the process ends without them, in milliseconds. */
export const CRASH_MARK_MS = 10_000
/** After a start that follows no orderly end, what is begun is stored first: for so long, in milliseconds, and so many requests. */
export const CAREFUL_MS = 60_000
export const CAREFUL_OPERATIONS = 1_000
