/**
 * Whether the clocks of client and remote signer agree, as far as messages tell.
 * Never refuses a message over its time.
 */

import type { Work } from './client-state.ts'
import type { Millis, Seconds } from './value.ts'

const SKEW_SECONDS = 120
const SKEW_ALERT_EVERY_MS = 3_600_000

/** A message from the future, or an answer older than its question: stored messages are old without any fault. */
export function noticeClock(work: Work, createdAt: Seconds, askedAt: Millis | undefined): void {
  const { state, now } = work
  const seconds = Math.floor(now / 1_000)
  state.lastSeen = Math.max(state.lastSeen ?? 0, Math.min(createdAt, seconds))
  const behind = askedAt !== undefined && Math.floor(askedAt / 1_000) - createdAt > SKEW_SECONDS
  if (behind || createdAt - seconds > SKEW_SECONDS) alertSkew(work)
}

export function alertSkew({ state, outputs, now }: Work): void {
  if (state.skewAlertAt !== null && now - state.skewAlertAt < SKEW_ALERT_EVERY_MS) return
  state.skewAlertAt = now
  outputs.push({ type: 'alert', code: 'clock/skew' })
}
