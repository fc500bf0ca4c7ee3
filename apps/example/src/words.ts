/**
 * What the page says while a note is signed and posted, and when that fails.
 * Never shows a code where a sentence helps.
 */

import { Nip46Error, type SessionEvent } from '@nip46/client'

export const NOT_KEPT = 'This browser does not keep your login: after a reload you log in again.'

/** Undefined: nothing new to say. */
export function progressOf(event: SessionEvent): string | undefined {
  if (event.type !== 'request' || event.method !== 'sign_event') return undefined
  switch (event.stage) {
    case 'queued':
      return 'Waiting for a relay…'
    case 'sent':
      return 'Asking your signer…'
    case 'waiting':
      return 'No answer yet. Open your signer, and approve the note if it asks.'
    case 'auth-url':
      return 'Your signer wants you to continue on its page.'
    default:
      return undefined
  }
}

export function failureOf(cause: unknown): string {
  if (!(cause instanceof Nip46Error)) return 'That did not work. Try again.'
  const { code, reason } = cause
  if (reason === 'rejected') return 'Your signer said no to this note.'
  if (code === 'session/unpaired' || reason === 'session-invalid') {
    return 'Your signer no longer knows this page. Log out, then log in again.'
  }
  if (code === 'timeout/not-sent' || code === 'transport/no-relay') {
    return 'No relay could be reached. Check your internet connection, then try again.'
  }
  if (code.startsWith('timeout/')) return 'Your signer did not answer. Open it, then try again.'
  return `That did not work (${cause.message}). Try again.`
}
