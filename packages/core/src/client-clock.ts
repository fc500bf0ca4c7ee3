/**
 * Whether the clocks of client and remote signer agree, as far as messages tell.
 * Never refuses a message over its time.
 */

import type { Work } from './client-state.ts'
import type { Millis, Seconds } from './value.ts'

const SKEW_SECONDS = 120
const SKEW_ALERT_EVERY_MS = 3_600_000

/** A message from the future, or an answer older than its question: stored messages are old without any fault. */
export function noticeClock(work: Work, createdAt: Seconds, askedAt: Millis | undefined, now: Millis): void {
  const { state } = work
  const seconds = Math.floor(now / 1_000)
  const lastSeen = Math.max(state.lastSeen ?? 0, Math.min(createdAt, seconds))
  work.state = { ...state, lastSeen }
  const behind = askedAt !== undefined && Math.floor(askedAt / 1_000) - createdAt > SKEW_SECONDS
  if (behind || createdAt - seconds > SKEW_SECONDS) alertSkew(work, now)
}

export function alertSkew(work: Work, now: Millis): void {
  const { skewAlertAt } = work.state
  if (skewAlertAt !== null && now - skewAlertAt < SKEW_ALERT_EVERY_MS) return
  work.state = { ...work.state, skewAlertAt: now }
  work.outputs.push({ type: 'alert', code: 'clock/skew' })
}
