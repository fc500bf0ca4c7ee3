/**
 * How much junk of each relay is worked on: a relay that floods us loses only its own share.
 * Never counts an authentic event of the remote signer.
 */

import type { Millis, RelayUrl } from '@nip46/core'
import { remember } from './bounded-map.ts'
import { JUNK_EVENTS_BURST, JUNK_EVENTS_PER_SECOND, JUNK_RELAYS } from './limits.ts'

export interface JunkBudget {
  /** Whether the next event of this relay may cost anything. */
  allows(relay: RelayUrl, now: Millis): boolean
  /** An event of this relay was junk. */
  charge(relay: RelayUrl, now: Millis): void
}

export function createJunkBudget(): JunkBudget {
  /** When the budget of a relay will be full again. */
  const fullAt = new Map<RelayUrl, Millis>()
  const perEvent = 1_000 / JUNK_EVENTS_PER_SECOND
  /** How long it takes from now on. */
  const debt = (relay: RelayUrl, now: Millis): Millis => Math.max(0, (fullAt.get(relay) ?? 0) - now)
  return {
    allows: (relay, now) => debt(relay, now) <= (JUNK_EVENTS_BURST - 1) * perEvent,
    charge: (relay, now) => remember(fullAt, relay, now + debt(relay, now) + perEvent, JUNK_RELAYS),
  }
}
