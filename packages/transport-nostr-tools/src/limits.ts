/**
 * Every bound and wait of the transport, by name.
 * Never holds a limit of the protocol; those are core's.
 */

/** How long a publish may take by default, in milliseconds. */
export const PUBLISH_MS = 10_000
/** Publishes at the same time; the next one is refused with `queue-full`. */
export const PUBLISHES = 1_024
/** Times one event is written to one relay for one publish. */
export const PUBLISH_SENDS = 4
/** How long an event waits for a subscription on the same relay to become live, in milliseconds. */
export const LIVE_WAIT_MS = 2_000
/** A REQ that got no EOSE for so long counts as live, in milliseconds. */
export const EOSE_WAIT_MS = 500
/** How long a relay may take to answer an AUTH, in milliseconds. */
export const AUTH_WAIT_MS = 5_000
/** The longest first wait before dialling again, and the longest of all, in milliseconds. */
export const BACKOFF_BASE_MS = 1_000
export const BACKOFF_CAP_MS = 30_000
/** How far before the newest event seen we ask again after a gap, in seconds. */
export const CATCH_UP_OVERLAP_SECONDS = 60
/** A subscription that lived so long has no failures behind it any more, in milliseconds. */
export const STEADY_MS = 60_000
export const TIMER_MAX_MS = 2_147_483_647
