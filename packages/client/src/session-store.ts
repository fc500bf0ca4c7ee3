/**
 * Where a saved session is kept between runs: the port that stores implement.
 * Only types.
 */

import type { SavedSession } from './saved-session.ts'

/** Holds one session. What `load` gives is validated by whoever asks; it may be anything. */
export interface SessionStore {
  /** What was saved last; undefined if nothing is there. */
  load(): Promise<unknown>
  save(saved: SavedSession): Promise<void>
  /** Removes it for good. */
  clear(): Promise<void>
}
