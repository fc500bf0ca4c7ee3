/**
 * Approvers for tests, demonstrations and hosts that grant everything in advance.
 * Never asks a person; a host with one writes its own `decide`.
 */

import type { Approver } from '@nip46/core'

/** Says no to every question: only what was granted in advance happens. */
export const denyAll: Approver = {
  decide: () => Promise.resolve({ allow: false }),
}

/**
 * DANGER: says yes to every question. Whoever holds a token, or finds a signer that takes connections without one, gets
 * signatures and decryptions of everything. For tests and demonstrations.
 */
export const dangerouslyAllowAll: Approver = {
  decide: () => Promise.resolve({ allow: true }),
}
