/**
 * Every bound of the client shell, by name; those of the protocol are core's `limits`.
 * Never a policy of one application.
 */

/** Events from one relay that turn out to be junk (unsigned, undecryptable, or a stranger's) and are worked on each second. */
export const JUNK_EVENTS_PER_SECOND = 50
/** Junk events from one relay that are worked on at once after a quiet time. */
export const JUNK_EVENTS_BURST = 100
/** Relays whose junk is counted at the same time; the longest known is forgotten first. */
export const JUNK_RELAYS = 64
/** Ids of authentic events remembered, so that the same event from another relay is not worked on again. */
export const SEEN_EVENTS = 1_024
/** The longest time-out that can be asked for, in milliseconds (a day). */
export const TIMEOUT_MS_MAX = 86_400_000
/** Characters of a saved session's JSON. */
export const SAVED_SESSION_CHARS = 65_536
/** Characters of an error message, and of what a relay says. */
export const MESSAGE_CHARS = 1_024
/** A relay that the transport gave up on is subscribed to anew after so long, in milliseconds. */
export const RESUBSCRIBE_MS = 60_000
