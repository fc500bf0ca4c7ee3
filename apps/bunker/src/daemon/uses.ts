/**
 * How often each app used the key since the daemon started, by method and kind.
 * Never grows past its bounds: what is used beyond them is counted as `other`.
 */

import type { Pubkey } from '@nip46/core'
import type { AuditSubject } from '@nip46/core/remote-signer'

/** Apps that are counted; the one counted first goes. */
export const COUNTED_APPS = 10_000
/** Names that are counted for one app. */
export const COUNTED_NAMES = 64

export interface Uses {
  count(client: Pubkey, subject: AuditSubject): void
  of(client: Pubkey): Readonly<Record<string, number>>
}

export function createUses(): Uses {
  const apps = new Map<Pubkey, Map<string, number>>()
  return {
    count(client, { method, kind }) {
      const counts = apps.get(client) ?? new Map<string, number>()
      const full = kind === undefined ? method : `${method}:${kind}`
      const name = counts.has(full) || counts.size < COUNTED_NAMES ? full : 'other'
      counts.set(name, (counts.get(name) ?? 0) + 1)
      apps.set(client, counts)
      const [first] = apps.keys()
      if (apps.size > COUNTED_APPS && first !== undefined) apps.delete(first)
    },
    of: (client) => Object.fromEntries(apps.get(client) ?? []),
  }
}
