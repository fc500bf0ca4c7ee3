/**
 * The store as the engine gets it where several daemons share it: what the host itself has to hear of is heard on the way, and after
 * each join it is up to date before anything is committed.
 * Never changes what the engine is told.
 */

import type { Clock } from '@nip46/core'
import type { SignerStore } from '@nip46/core/remote-signer'
import { REFRESH_AGAIN_MS } from './limits.ts'

export interface SharingHost {
  readonly clock: Clock
  /** Others came or went. */
  readonly onMembers: () => void
  /** Reads again what other daemons may have changed. */
  readonly refresh: () => Promise<void>
  readonly onFault: (cause: unknown) => void
}

export interface HeardStore {
  readonly store: SignerStore
  close(): void
}

/** The same store where nobody shares it. */
export function hearOnTheWay(store: SignerStore, host: SharingHost): HeardStore {
  const { sharing } = store
  if (sharing === undefined) return { store, close: () => undefined }
  let closed = false
  let timer: unknown
  let isReading = false
  let isAsked = false

  const refreshSoon = async (): Promise<void> => {
    isAsked = true
    if (isReading || closed) return
    isReading = true
    host.clock.clearTimer(timer)
    try {
      while (isAsked && !closed) {
        isAsked = false
        await host.refresh()
      }
    } catch (cause) {
      if (!closed) {
        host.onFault(cause)
        timer = host.clock.setTimer(() => void refreshSoon(), REFRESH_AGAIN_MS)
      }
    } finally {
      isReading = false
    }
  }

  const heard: SignerStore = {
    load: (now) => store.load(now),
    commit: (changes, now) => store.commit(changes, now),
    read: (wanted) => store.read(wanted),
    sharing: {
      leaseMs: sharing.leaseMs,
      requestTurn: (session) => sharing.requestTurn(session),
      readClaims: (eventIds) => sharing.readClaims(eventIds),
      readOutbox: (now) => sharing.readOutbox(now),
      async join(listener) {
        const member = await sharing.join({
          changed(change) {
            if (change.all) void refreshSoon()
            listener.changed(change)
          },
          turnRequested: (session) => listener.turnRequested(session),
          fenced: () => listener.fenced(),
          members(ids) {
            listener.members(ids)
            host.onMembers()
          },
          hostRecords: () => void refreshSoon(),
        })
        try {
          // Whoever was fenced may have been so that it reads this first.
          await host.refresh()
          return member
        } catch (cause) {
          await member.leave().catch(host.onFault)
          throw cause
        }
      },
    },
  }
  return {
    store: heard,
    close() {
      closed = true
      host.clock.clearTimer(timer)
    },
  }
}
