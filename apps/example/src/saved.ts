/**
 * The session between two visits, in localStorage: good enough for a note, and as secret as any cookie of this page.
 * Never believes what it reads, and never fails the page if there is no storage.
 */

import { parseSavedSession, type SavedSession } from '@nip46/client'

const NAME = 'nip46-session'

export function readSaved(): SavedSession | undefined {
  try {
    const text = localStorage.getItem(NAME)
    return text === null ? undefined : parseSavedSession(text)
  } catch {
    // Written by an older version, by something else, or not readable at all: logging in again is the way out.
    forget()
    return undefined
  }
}

export function write(saved: SavedSession): void {
  try {
    localStorage.setItem(NAME, JSON.stringify(saved))
  } catch {
    // Full or forbidden: the session lasts as long as the page.
  }
}

export function forget(): void {
  try {
    localStorage.removeItem(NAME)
  } catch {
    // Then there is nothing of it either.
  }
}
