/**
 * Every bound of the HTTP side, by name. Each has a test at the limit and one over.
 */

/** Bytes of a request's body; a longer one is answered 413. */
export const BODY_BYTES = 524_288
/** Bytes of a request's headers. */
export const HEADER_BYTES = 8_192
/** A request whose headers take longer than this is ended, in milliseconds. */
export const HEADERS_MS = 5_000
/** A request that takes longer than this to arrive is ended, in milliseconds. */
export const REQUEST_MS = 10_000
/** A connection without a request is closed after this long, in milliseconds. */
export const KEEP_ALIVE_MS = 5_000
/** Connections of one listener at a time; the next one is closed. */
export const CONNECTIONS = 128
/** Event streams at a time; the next one is answered 503. */
export const STREAMS = 16
/** Bytes that a slow reader of a stream may leave waiting; then its stream is ended. */
export const STREAM_BACKLOG_BYTES = 1_048_576
/** A stream that says nothing sends a comment this often, in milliseconds. */
export const STREAM_BEAT_MS = 15_000
/** Wrong tokens and codes over the network within a minute, from everybody together; then 429. */
export const WRONG_TOKENS_PER_MINUTE = 20
/** Browsers that are signed in at a time; the one unused longest goes. */
export const BROWSERS = 20
/** A browser stays signed in this long, in milliseconds. */
export const BROWSER_MS = 43_200_000
/** An invitation for a browser is good this long, in milliseconds. */
export const INVITE_MS = 300_000
/** Invitations that are out at a time; the oldest goes. */
export const INVITES = 10
/** Forms that are open in browsers at a time; the oldest can no longer be sent. */
export const FORM_TOKENS = 1_000
/** A form can be sent this long after it was shown, in milliseconds. */
export const FORM_TOKEN_MS = 3_600_000

/** Web addresses of one app. */
export const ORIGINS_PER_APP = 16

/** Characters of a label. */
export const LABEL_CHARS = 64
/** Characters of a passphrase. */
export const PASSPHRASE_CHARS = 1_024
/** Links made by one call. */
export const LINKS_PER_CALL = 20
/** Entries of one page of the audit log. */
export const AUDIT_PAGE = 1_000
/** The longest time that can be asked for, in milliseconds: ten years. */
export const LONGEST_MS = 315_360_000_000
/** Characters of a policy in the grammar. */
export const GRANTS_CHARS = 16_384
/** Characters of a content or a text in a draft of a request. */
export const DRAFT_CHARS = 131_072
