/**
 * Every bound of the protocol layer, by name. Each has a test at the limit and one over.
 * Never holds a policy of one application: rates and budgets of a host live with the host.
 */

// -- carriers and frames -----------------------------------------------------------------------
/** Bytes of one WebSocket message from a relay; a larger one closes the connection (1009). */
export const FRAME_BYTES = 2_097_152
/** Characters of one kind 24133 event's JSON that we accept (the common relay's WebSocket payload). */
export const EVENT_CHARS_IN = 131_072
/**
 * UTF-8 bytes of a message that we send: the most whose carrier stays within 65,536 characters of JSON (the common relay's
 * `maxEventSize`), since NIP-44 pads in steps.
 */
export const MESSAGE_BYTES_OUT = 40_960
/** UTF-8 bytes of a decrypted message that we parse. */
export const MESSAGE_BYTES_IN = 98_304
/** Tags of a carrier that we accept. */
export const CARRIER_TAGS = 100
/** Characters of an AUTH challenge. */
export const AUTH_CHALLENGE_CHARS = 1_024
/** Carriers further from now than this are dropped before their signature is looked at, in seconds. */
export const CARRIER_HORIZON_SECONDS = 86_400
/** Requests further from now than this are answered with `expired:` (decision: +/-600 s). */
export const FRESHNESS_SECONDS = 600
/** Executed event ids are remembered this long: the window, and 30 minutes more. */
export const EXECUTED_MEMORY_SECONDS: number = FRESHNESS_SECONDS + 1_800

// -- messages ----------------------------------------------------------------------------------
/** Characters of a request id that we accept. */
export const REQUEST_ID_CHARS = 128
/** Elements of `params` that we accept. */
export const PARAMS = 32
/** Levels of nesting of a param, result or error that is not a string (2023 dialect). */
export const JSON_DEPTH = 16
/** Characters of an error text that we emit or keep. */
export const ERROR_CHARS = 512
/** Characters of an auth_url. */
export const AUTH_URL_CHARS = 2_048
/** auth_url answers heeded for one request. */
export const AUTH_URLS_PER_REQUEST = 3
/** Tags of an event template that we sign. */
export const TEMPLATE_TAGS = 10_000
/** Highest event kind. */
export const KIND_MAX = 65_535

// -- connection URIs ---------------------------------------------------------------------------
/** Characters of a relay URL. */
export const RELAY_URL_CHARS = 1_024
/** Characters of a Bech32 text (NIP-19 proposes 5,000). */
export const BECH32_CHARS = 5_000
/** Characters of a bunker:// or nostrconnect:// URI. */
export const URI_CHARS = 8_192
/** Relays of one URI. */
export const URI_RELAYS = 16
/** Relays of a URI that we emit (the least that a deployed remote signer keeps). */
export const URI_RELAYS_OUT = 10
/** Characters of a secret. */
export const SECRET_CHARS = 256
/** Entries of a perms list. */
export const PERMS = 128
/** Characters of a perms list. */
export const PERMS_CHARS = 4_096
/** Characters of a client's metadata JSON. */
export const METADATA_CHARS = 8_192
/** Characters of a perms list in a URI that we emit (a deployed remote signer reads no more). */
export const PERMS_CHARS_OUT = 512
/** Code points of a client name that we emit (likewise). */
export const NAME_CHARS_OUT = 50
/** Displayed characters (code points) of a client name. */
export const NAME_CHARS = 64
/** Characters of a metadata url or image. */
export const METADATA_URL_CHARS = 512
/** Relays that a switch_relays answer may list. */
export const SWITCH_RELAYS = 20
/** Relays one session uses at the same time; while it moves to others, as many again. */
export const SESSION_RELAYS = 16

// -- client ------------------------------------------------------------------------------------
/** Requests of one client session that await an answer; the next one is refused. */
export const CLIENT_PENDING = 256
/** Ids of settled requests remembered, to tell a late answer from an unknown one. */
export const CLIENT_SETTLED = 256
/** Times one request is published. */
export const REQUEST_SENDS = 4

// -- remote signer -----------------------------------------------------------------------------
/** Requests of one session that await a decision or a key, as many as {@link CLIENT_PENDING}; the next one is refused. */
export const SESSION_PENDING = 256
/** Those of them that await a decision, and so may wait for minutes; the next one is refused. */
export const SESSION_UNDECIDED = 32
/** Requests whose answer one session remembers. */
export const SESSION_ANSWERED = 4_096
/** Rows that a store may need for them. */
export const SESSION_ROWS = 1_024
/** Characters of answers one session keeps for repeats; older answers lose their text first. */
export const SESSION_ANSWER_CHARS = 1_048_576
/** A repeated request gets its stored answer this long after the first, in milliseconds. */
export const ANSWER_MEMORY_MS = 600_000
/** Times a stored answer is sent again within {@link ANSWER_MEMORY_MS}. */
export const ANSWER_RESENDS = 3
/** Connects with one token that may fail within a minute; then silence. */
export const CONNECT_TRIES_PER_MINUTE = 5
/** Outstanding offers (bunker tokens and nostrconnect acceptances) of one remote signer. */
export const OFFERS = 1_000
