/**
 * How much junk of each relay is worked on: a relay that floods us loses only its own share.
 * Never counts an authentic event of the remote signer.
 */

import type { Millis } from '@nip46/core'
import { JUNK_EVENTS_BURST, JUNK_EVENTS_PER_SECOND } from './limits.ts'

/** One relay's. */
export interface JunkBudget {
  /** When it will be full again. */
  fullAt: Millis
}

const PER_EVENT_MS = 1_000 / JUNK_EVENTS_PER_SECOND

/** Whether the next event of this relay may cost anything. */
export function allowsJunk({ fullAt }: JunkBudget, now: Millis): boolean {
  return fullAt - now <= (JUNK_EVENTS_BURST - 1) * PER_EVENT_MS
}

/** An event of this relay was junk. */
export function chargeJunk(budget: JunkBudget, now: Millis): void {
  budget.fullAt = Math.max(budget.fullAt, now) + PER_EVENT_MS
}
