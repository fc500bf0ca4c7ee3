/**
 * What session stores fail with, and the text that they keep.
 * Never carries what was stored, nor the error of the storage, which may hold it.
 */

import { SAVED_SESSION_CHARS } from './limits.ts'
import { parseSavedSession, type SavedSession } from './saved-session.ts'

/**
 * - `store/unavailable`: there is no such storage here, or it refused
 * - `store/full`: no room: a quota or a disk
 * - `store/too-large`: the session's JSON has more than `SAVED_SESSION_CHARS` characters; nothing was written
 * - `store/damaged`: what is kept is no saved session; `clear` it and log in again
 * - `store/mode`: others may read the file
 * - `store/busy`: another tab holds the database, or it did not answer in time; a `save` may or may not have happened
 * - `store/newer`: a newer version of the app, in another tab, has changed it: reload this one
 */
export type SessionStoreProblem =
  | 'store/unavailable'
  | 'store/full'
  | 'store/too-large'
  | 'store/damaged'
  | 'store/mode'
  | 'store/busy'
  | 'store/newer'

/** What every promise of a session store rejects with. */
export class SessionStoreError extends Error {
  override readonly name = 'SessionStoreError'
  readonly code: SessionStoreProblem

  constructor(code: SessionStoreProblem) {
    super(MESSAGES[code])
    this.code = code
  }
}

const MESSAGES: Readonly<Record<SessionStoreProblem, string>> = {
  'store/unavailable': 'the storage for the session cannot be used',
  'store/full': 'the storage for the session is full',
  'store/too-large': 'the session is too large to be stored',
  'store/damaged': 'what is stored is no saved session',
  'store/mode': 'others may read the file of the session: chmod 600 it and log in again',
  'store/busy': 'the storage for the session did not answer in time',
  'store/newer': 'the storage for the session belongs to a newer version of this app: reload the page',
}

/** The JSON text of a session, within the bound. */
export function toStoredText(saved: SavedSession): string {
  const text = JSON.stringify(saved)
  if (text.length > SAVED_SESSION_CHARS) throw new SessionStoreError('store/too-large')
  return text
}

/** The session of a stored text. */
export function fromStoredText(text: unknown): SavedSession {
  try {
    return parseSavedSession(text)
  } catch {
    throw new SessionStoreError('store/damaged')
  }
}
