/**
 * What relays say of a request that was sent to them.
 * Never takes silence for a refusal.
 */

import { alertSkew } from './client-clock.ts'
import { conclude } from './client-outcomes.ts'
import { change, isHarmless, maySendAgain, sendAgain } from './client-requests.ts'
import { type ClientInput, pendingOf, type Work } from './client-state.ts'
import { err, type Millis } from './value.ts'

const OFFLINE_PAUSES: readonly Millis[] = [3_000, 10_000, 30_000]

export function hearRelays(work: Work, input: Extract<ClientInput, { type: 'published' }>): void {
  const { state, outputs, now } = work
  const { id, outcome } = input
  const pending = pendingOf(state, id)
  if (pending === undefined || pending.sentAt === null) return
  if (outcome.ok) {
    const accepted = change(work, id, pending, { accepted: true })
    if (!maySendAgain(accepted, state.profile)) change(work, id, accepted, { resendAt: null })
    return
  }
  // A relay has an earlier copy: the answer may be on its way.
  if (pending.accepted) return
  const refusals = outcome.error
  const heard = (pattern: RegExp) => refusals.some(({ reason }) => pattern.test(reason))
  const muted = heard(/^mute:/)
  if (muted && !heard(/^(?!mute:)/)) outputs.push({ type: 'alert', code: 'signer/offline' })
  // No word from a relay is not a no: it may have delivered the request.
  const silent = heard(/^timeout/)
  if (muted || silent || heard(/^(?:unreachable|closed|queue-full|rate-limited:)/)) {
    const pause = muted ? OFFLINE_PAUSES[pending.sends - 1] : 2_000 * pending.sends
    if (pause !== undefined && (!silent || isHarmless(pending))) sendAgain(work, id, pending, now + pause)
    return
  }
  if (heard(/^invalid:.*(?:created_at|timestamp|future|too old)/i)) alertSkew(work)
  const words = refusals.map(({ relay, reason }) => `${relay}: ${reason}`).join('; ')
  const message = `every relay refused the request: ${words}`
  conclude(work, id, pending, err({ code: 'publish/rejected', message, relays: refusals }))
}
