/**
 * Where a saved session is kept between runs: the port that stores implement, and what keeps one up to date.
 * Never lets a store that fails or hangs hold up a session.
 */

import { STORE_MS } from './limits.ts'
import type { SavedSession } from './saved-session.ts'
import type { Timers } from './timers.ts'

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
  timers: Timers,
  onFailure: () => void,
): SessionKeeper {
  let last: Promise<void> = Promise.resolve()
  const next = (run: (store: SessionStore) => Promise<void>): Promise<void> => {
    if (store !== undefined) last = last.then(() => run(store)).catch(onFailure)
    return last
  }
  return {
    save: (saved) => void next((to) => to.save(saved)),
    clear: () =>
      new Promise((resolve) => {
        timers.set('store', STORE_MS, resolve)
        void next((to) => to.clear()).then(() => {
          timers.clear('store')
          resolve()
        })
      }),
  }
}
