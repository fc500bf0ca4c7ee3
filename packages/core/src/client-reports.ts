/**
 * What relays say of a request that was sent to them.
 * Never takes silence for a refusal.
 */

import { alertSkew } from './client-clock.ts'
import { conclude } from './client-outcomes.ts'
import { change, isHarmless, sendAgain } from './client-requests.ts'
import { alert, type ClientInput, pendingOf, type Work } from './client-state.ts'
import { err, type Millis } from './value.ts'

const OFFLINE_PAUSES: readonly Millis[] = [3_000, 10_000, 30_000]

export function hearRelays(work: Work, input: Extract<ClientInput, { type: 'published' }>): void {
  const { id, outcome } = input
  const pending = pendingOf(work, id)
  // A relay has an earlier copy: the answer may be on its way.
  if (pending === undefined || pending.sends === 0 || pending.accepted) return
  if (outcome.ok) return change(work, id, { accepted: true })
  const refusals = outcome.error
  const heard = (pattern: RegExp) => refusals.some(({ reason }) => pattern.test(reason))
  const muted = heard(/^mute:/)
  if (muted && !heard(/^(?!mute:)/)) alert(work, 'signer/offline')
  // No word from a relay is not a no: it may have delivered the request.
  const silent = heard(/^timeout/)
  if (muted || silent || heard(/^(?:unreachable|closed|queue-full|rate-limited:)/)) {
    const pause = muted ? OFFLINE_PAUSES[pending.sends - 1] : 2_000 * pending.sends
    if (pause !== undefined && (!silent || isHarmless(pending))) sendAgain(work, id, work.now + pause)
    return
  }
  if (heard(/^invalid:.*(?:created_at|timestamp|future|too old)/i)) alertSkew(work)
  // Another one of the new relays may take it.
  if (pending.proves !== null) return
  const words = refusals.map(({ relay, reason }) => `${relay}: ${reason}`).join('; ')
  const message = `every relay refused the request: ${words}`
  conclude(work, id, pending, err({ code: 'publish/rejected', message, relays: refusals }))
}
