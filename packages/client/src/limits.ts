/**
 * Every bound of the client shell, by name; those of the protocol are core's `limits`.
 * Never a policy of one application.
 */

/** Events from one relay that turn out to be junk (unsigned, undecryptable, or a stranger's) and are worked on each second. */
export const JUNK_EVENTS_PER_SECOND = 50
/** Junk events from one relay that are worked on at once after a quiet time. */
export const JUNK_EVENTS_BURST = 100
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
/** Requests under way at the same time; the others wait for their turn. Deployed remote signers refuse more than 32. */
export const CONCURRENT_REQUESTS = 24
/** The most that can be asked for: the machine's `limits.CLIENT_PENDING`, less what it needs for itself. */
export const CONCURRENT_REQUESTS_MAX = 240
/** Of these places, one of so many is never taken by requests of low priority. */
export const RESERVED_SHARE = 4
/** Random bytes drawn from the host at once; a longer piece is drawn by itself. */
export const RANDOM_DRAWN_BYTES = 256
/** Requests that wait for their turn; the next one is refused with `request/busy`. */
export const QUEUED_REQUESTS = 4_096
/** A request without a time-out of its own waits so long for its turn, in milliseconds; its time-out begins then. */
export const QUEUE_WAIT_MS = 600_000
/** A request that a relay took and nobody answered is said to wait for a person after so long, in milliseconds. */
export const WAITING_AFTER_MS = 2_500
/** Events kept for a reader who is slow; the oldest is lost first. */
export const EVENTS_BUFFERED = 1_024
/** Listeners to one session's events, beside its `onEvent`. */
export const EVENT_LISTENERS = 64
/** Relays whose health is kept, and requests whose round trip is measured; the one heard of longest ago is forgotten first. */
export const HEALTH_RELAYS = 64
/** The largest cache of plaintexts that can be asked for, in bytes. */
export const PLAINTEXT_CACHE_BYTES_MAX = 67_108_864
/** How long `logout` waits for a store to clear, in milliseconds. */
export const STORE_MS = 3_000
/** How long a store in IndexedDB waits for the browser to open, read or write its database, in milliseconds. */
export const INDEXEDDB_MS = 10_000

// -- discovery ---------------------------------------------------------------------------------
/** Announcements of remote signers read from one relay, in the order it sends them. */
export const ANNOUNCEMENTS_PER_RELAY = 100
/** Relays that are asked for announcements. */
export const DISCOVERY_RELAYS = 6
/** How long relays are given for it, in milliseconds. */
export const DISCOVERY_RELAY_MS = 5_000
/** Domains whose nostr.json is read for one list. */
export const DISCOVERY_DOMAINS = 48
/** Of these, at the same time. */
export const DISCOVERY_FETCHES = 6
/** How long all domains together are given, in milliseconds; those not read by then count as silent. */
export const DISCOVERY_DOMAINS_MS = 15_000
/** How long a domain is given, in milliseconds. */
export const DOMAIN_MS = 5_000
/** Bytes of a nostr.json. */
export const DOMAIN_BYTES = 65_536
/** Characters of an announcement's content that are read. */
export const ANNOUNCEMENT_CHARS = 16_384
/** Characters of a `nostrconnect_url` template. */
export const TEMPLATE_CHARS = 1_024
/** Characters of the line on itself that a remote signer may have. */
export const ABOUT_CHARS = 280
/** Remote signers in a list; fewer can be asked for. */
export const FOUND_SIGNERS = 24
