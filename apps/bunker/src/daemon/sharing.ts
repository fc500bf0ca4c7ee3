/**
 * The store as the engine gets it where several daemons share it: what the host itself has to hear of is heard on the way.
 * Never changes what the engine is told.
 */

import type { SignerStore } from '@nip46/core/remote-signer'

export interface SharingHost {
  /** Others came or went. */
  readonly onMembers: () => void
}

/** The same store where nobody shares it. */
export function hearOnTheWay(store: SignerStore, host: SharingHost): SignerStore {
  const { sharing } = store
  if (sharing === undefined) return store
  return {
    load: (now) => store.load(now),
    commit: (changes, now) => store.commit(changes, now),
    read: (wanted) => store.read(wanted),
    sharing: {
      leaseMs: sharing.leaseMs,
      readClaims: (eventIds) => sharing.readClaims(eventIds),
      readOutbox: (now) => sharing.readOutbox(now),
      join: (listener) =>
        sharing.join({
          changed: (change) => listener.changed(change),
          fenced: () => listener.fenced(),
          members(ids) {
            listener.members(ids)
            host.onMembers()
          },
        }),
    },
  }
}
