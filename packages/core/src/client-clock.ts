/**
 * Whether the clocks of client and remote signer agree, as far as messages tell.
 * Never refuses a message over its time.
 */

import { alert, type Work } from './client-state.ts'
import { SKEW_ALERT_EVERY_MS, SKEW_SECONDS } from './client-waits.ts'
import type { Millis, Seconds } from './value.ts'

/** A message from the future, or an answer older than its question: stored messages are old without any fault. */
export function noticeClock(work: Work, createdAt: Seconds, askedAt: Millis = 0): void {
  const seconds = Math.floor(work.now / 1_000)
  work.since = Math.max(work.since, Math.min(createdAt, seconds) - 60)
  if (Math.max(createdAt - seconds, Math.floor(askedAt / 1_000) - createdAt) > SKEW_SECONDS) alertSkew(work)
}

export function alertSkew(work: Work): void {
  if (work.now - work.skewAlertAt < SKEW_ALERT_EVERY_MS) return
  work.skewAlertAt = work.now
  alert(work, 'clock/skew')
}
