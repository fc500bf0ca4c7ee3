/**
 * Where the parts of a NIP-44 payload lie: a version byte, the nonce, the body (length, text and padding, encrypted), the MAC.
 * Only numbers of bytes.
 */

export const NONCE_AT = 1
export const NONCE_BYTES = 32
export const BODY_AT = 33
export const MAC_BYTES = 32
/** Everything but the body. */
export const FRAME_BYTES = 65
/** The length before a text of up to 65,535 bytes: 16 bits. */
export const SHORT_PREFIX = 2
/** The length before a longer one: as many zeros, and 32 bits. */
export const LONG_PREFIX = 6
/** Texts are padded at least to so many. */
export const MIN_PADDED = 32
