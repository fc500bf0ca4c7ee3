/**
 * How much junk of each relay is worked on: a relay that floods us loses only its own share.
 * Never counts an authentic event of the remote signer.
 */

import type { Millis, RelayUrl } from '@nip46/core'
import { JUNK_EVENTS_BURST, JUNK_EVENTS_PER_SECOND, JUNK_RELAYS } from './limits.ts'

export interface JunkBudget {
  /** Whether the next event of this relay may cost anything. */
  allows(relay: RelayUrl, now: Millis): boolean
  /** An event of this relay was junk. */
  charge(relay: RelayUrl, now: Millis): void
}

interface Account {
  left: number
  since: Millis
}

export function createJunkBudget(): JunkBudget {
  const accounts = new Map<RelayUrl, Account>()

  const balance = (account: Account | undefined, now: Millis): number => {
    if (account === undefined) return JUNK_EVENTS_BURST
    const earned = ((now - account.since) / 1_000) * JUNK_EVENTS_PER_SECOND
    return Math.min(JUNK_EVENTS_BURST, account.left + earned)
  }

  return {
    allows: (relay, now) => balance(accounts.get(relay), now) >= 1,
    charge(relay, now) {
      accounts.set(relay, { left: balance(accounts.get(relay), now) - 1, since: now })
      if (accounts.size <= JUNK_RELAYS) return
      for (const oldest of accounts.keys()) {
        accounts.delete(oldest)
        break
      }
    },
  }
}
