/**
 * Every bound of this package, by name. Each has a test at the limit and one over.
 * Never holds a limit of the protocol; those are core's.
 */

/** Conversations one key remembers, least recently used out first. One takes about 150 bytes. */
export const CONVERSATIONS_PER_KEY = 10_000
/** The highest value {@link CONVERSATIONS_PER_KEY} may be configured to: their bytes still fit one array. */
export const CONVERSATIONS_MAX = 16_777_216
/** Conversations one key of `smallCrypto()` remembers: those of a page with its remote signer, and of strangers that answer its offer. */
export const SMALL_CONVERSATIONS = 128
/** Conversation objects that one key keeps at hand, at about 500 bytes each; others are made again when asked for. */
export const HANDLES_PER_KEY = 1_024
/** Public keys of others that stay parsed, least recently used out first. */
export const PARSED_PEERS = 4_096
/** Signatures handed to the backend in one batch; more are cut into several. Below {@link PARSED_PEERS}. */
export const VERIFY_CHUNK = 256
/** UTF-8 bytes of a plaintext that a payload may hold, unless configured: what fits a carrier of 131,072 characters. */
export const PLAINTEXT_BYTES = 98_304
/** The highest value {@link PLAINTEXT_BYTES} may be configured to: its payload still fits a JavaScript string. */
export const PLAINTEXT_BYTES_MAX = 268_435_456
/** Largest NIP-44 plaintext with the 2-byte length prefix; peers older than June 2026 know no other. */
export const SHORT_PREFIX_BYTES = 65_535
/** Draws from the random source before it is called broken. A good one fails the first with odds of 2^-127. */
export const RANDOM_TRIES = 8
/** Random bytes that a pool draws at once. */
export const RANDOM_POOL_BYTES = 4_096
/** The longest request that a pool serves; a longer one goes to its source. */
export const RANDOM_DIRECT_BYTES = 1_024
/** Bytes of one record that a seal takes. */
export const SEAL_PLAIN_BYTES = 67_108_864
/** Characters of the context bound into a sealed record. */
export const SEAL_CONTEXT_CHARS = 1_024
