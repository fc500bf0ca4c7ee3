/**
 * How long a client session waits for what, in milliseconds where not said. What a caller can choose is a default here.
 * Never a size; those are in limits.ts.
 */

/** For the answer to connect. */
export const CONNECT_MS = 65_000
/** For somebody to take an offer. */
export const OFFER_MS = 300_000
/** For the answer to a request of the caller. */
export const REQUEST_MS = 60_000
/** For a user to finish at an auth_url. */
export const AUTH_MS = 300_000
/** For the answer to get_public_key during login. */
export const IDENTIFY_MS = 30_000
/** For a live relay during login. */
export const NO_RELAY_MS = 15_000
/** For a live relay afterwards, until those of the token are tried too. */
export const FALLBACK_MS = 60_000
/** Login waits no longer than this for switch_relays; a later answer still counts. */
export const SWITCH_GATE_MS = 1_500
export const SWITCH_ANSWER_MS = 10_000
/** For a round trip over new relays. */
export const SWITCH_PROOF_MS = 10_000
/** Old relays stay this long after the new ones are proven. */
export const OVERLAP_MS = 5_000
/** And no longer than this for answers to what was asked before. */
export const OVERLAP_MAX_MS = 60_000
/** How often the relays are asked for again. */
export const SWITCH_EVERY_MS = 86_400_000
/** How long a second remote signer with the secret of an offer is watched for. */
export const GUARD_MS = 30_000
export const LOGOUT_MS = 3_000
/** After an outage the answer may wait at the relay: it is listened for before the request is sent again. */
export const CATCH_UP_MS = 3_000
/** Clocks may differ by so much, in seconds. */
export const SKEW_SECONDS = 120
export const SKEW_ALERT_EVERY_MS = 3_600_000
