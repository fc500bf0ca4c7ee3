/**
 * Keeps a session in the page's localStorage, as plain JSON.
 * Never hides it: every script of the page's origin can read the client key from there, and so can browser extensions
 * and whoever has the disk.
 */

import type { SessionStore } from './session-store.ts'
import { fromStoredText, SessionStoreError, toStoredText } from './session-store-error.ts'

export { SessionStoreError, type SessionStoreProblem } from './session-store-error.ts'

/** What is used of `Storage`. */
export interface TextStorage {
  getItem(name: string): string | null
  setItem(name: string, text: string): void
  removeItem(name: string): void
}

/** Which storage, and under which name. All may be left out. */
export interface LocalStoreOptions {
  /** The item's name; `nip46-session` if left out. Each session needs its own. */
  readonly name?: string
  /** Another storage of the same shape, such as `sessionStorage`; the page's `localStorage` if left out. */
  readonly storage?: TextStorage
}

/**
 * A session in localStorage. Any script of the page can read it. Its promises reject with a `SessionStoreError`.
 *
 * ```ts
 * const store = localSessionStore({ name: 'my-app-bunker' })
 * ```
 */
export function localSessionStore(options: LocalStoreOptions = {}): SessionStore {
  const { name = 'nip46-session' } = options
  // Looked up each time: a page may be denied its storage, and reading the property throws then.
  const storage = (): TextStorage => {
    const found = options.storage ?? (globalThis as { readonly localStorage?: TextStorage }).localStorage
    if (found === undefined || found === null) throw new SessionStoreError('store/unavailable')
    return found
  }
  return {
    load: async () => {
      const text = attempt(() => storage().getItem(name))
      return text === null ? undefined : fromStoredText(text)
    },
    save: async (saved) => {
      const text = toStoredText(saved)
      attempt(() => storage().setItem(name, text))
    },
    clear: async () => attempt(() => storage().removeItem(name)),
  }
}

function attempt<T>(run: () => T): T {
  try {
    return run()
  } catch (error) {
    const { name } = error as { readonly name?: unknown }
    const isFull = name === 'QuotaExceededError' || name === 'NS_ERROR_DOM_QUOTA_REACHED'
    throw new SessionStoreError(isFull ? 'store/full' : 'store/unavailable')
  }
}
