/**
 * Where a saved session is kept between runs: the port that stores implement, and what keeps one up to date.
 * Never lets a store that fails or hangs hold up a session.
 */

import type { Clock } from '@nip46/core'
import { callHost } from './host.ts'
import { STORE_MS } from './limits.ts'
import type { SavedSession } from './saved-session.ts'

/** Holds one session. What `load` gives is validated by whoever asks; it may be anything. */
export interface SessionStore {
  /** What was saved last; undefined if nothing is there. */
  load(): Promise<unknown>
  save(saved: SavedSession): Promise<void>
  /** Removes it for good. */
  clear(): Promise<void>
}

export interface SessionKeeper {
  save(saved: SavedSession): void
  /** Resolves when the store has cleared, at the latest after {@link STORE_MS}. */
  clear(): Promise<void>
}

/** One after the other, so that the last word wins. */
export function createSessionKeeper(
  store: SessionStore | undefined,
  clock: Clock,
  onFailure: () => void,
): SessionKeeper {
  let last: Promise<void> = Promise.resolve()
  const next = (run: (store: SessionStore) => Promise<void>): Promise<void> => {
    if (store !== undefined) last = last.then(() => run(store)).catch(() => void callHost(onFailure))
    return last
  }
  return {
    save: (saved) => void next((to) => to.save(saved)),
    clear() {
      if (store === undefined) return Promise.resolve()
      const cleared = next((to) => to.clear())
      return new Promise((resolve) => {
        const timer = clock.setTimer(resolve, STORE_MS)
        void cleared.then(() => {
          clock.clearTimer(timer)
          resolve()
        })
      })
    },
  }
}
