/**
 * What relays say of a request that was sent to them.
 * Never takes silence for a refusal.
 */

import { alertSkew } from './client-clock.ts'
import { close, fail } from './client-end.ts'
import { enterIdentifying } from './client-handshake.ts'
import { maySendAgain, sendAgain, settle } from './client-requests.ts'
import { LOGGED_OUT, type PendingRequest, pendingOf, type Work, withPending } from './client-state.ts'
import type { Failure } from './failure.ts'
import { isRepeatable } from './method.ts'
import type { RelayRefusal } from './port.ts'
import { err, type Millis, type RelayUrl, type RequestId, type Result } from './value.ts'

const OFFLINE_PAUSES: readonly Millis[] = [3_000, 10_000, 30_000]

export function hearRelays(
  work: Work,
  id: RequestId,
  outcome: Result<{ readonly relay: RelayUrl }, readonly RelayRefusal[]>,
  now: Millis,
): void {
  const pending = pendingOf(work.state, id)
  if (pending === undefined || pending.sentAt === null) return
  if (outcome.ok) {
    const accepted: PendingRequest = { ...pending, accepted: true }
    const resendAt = maySendAgain(accepted, work.state.profile) ? accepted.resendAt : null
    work.state = withPending(work.state, id, { ...accepted, resendAt })
    return
  }
  // A relay has an earlier copy: the answer may be on its way.
  if (pending.accepted) return
  const refusals = outcome.error
  const heard = (pattern: RegExp) => refusals.some(({ reason }) => pattern.test(reason))
  const muted = heard(/^mute:/)
  if (muted && refusals.every(({ reason }) => reason.startsWith('mute:'))) {
    work.outputs.push({ type: 'alert', code: 'signer/offline' })
  }
  // No word from a relay is not a no: it may have delivered the request.
  const silent = heard(/^timeout/)
  if (muted || silent || heard(/^(?:unreachable|closed|queue-full|rate-limited:)/)) {
    const pause = muted ? OFFLINE_PAUSES[pending.sends - 1] : 2_000 * pending.sends
    const harmless = !silent || isRepeatable(pending.method) || pending.method === 'connect'
    if (pause !== undefined && harmless) sendAgain(work, id, pending, now + pause)
    return
  }
  if (heard(/^invalid:.*(?:created_at|timestamp|future|too old)/i)) alertSkew(work, now)
  const words = refusals.map(({ relay, reason }) => `${relay}: ${reason}`).join('; ')
  refused(
    work,
    id,
    pending,
    {
      code: 'publish/rejected',
      message: `every relay refused the request: ${words}`,
      relays: refusals,
    },
    now,
  )
}

function refused(work: Work, id: RequestId, pending: PendingRequest, failure: Failure, now: Millis): void {
  settle(work, id, err(failure))
  if (pending.origin === 'caller') return
  if (pending.method === 'connect' || pending.method === 'get_public_key') return fail(work, failure)
  if (pending.method === 'switch_relays' && work.state.phase === 'switching')
    return enterIdentifying(work, now)
  if (work.state.phase === 'logging-out') close(work, 'logged-out', LOGGED_OUT)
}
