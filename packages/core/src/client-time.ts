/**
 * What passes with time: deadlines, overlaps, waits for a relay, requests that are due or over.
 * Never keeps a timer: it says when it wants to be woken, and does what is due in any step.
 */

import { close } from './client-end.ts'
import { endGuard, identify } from './client-handshake.ts'
import { conclude } from './client-outcomes.ts'
import { askRelays, endOverlap, listenTo, nextSwitchAt, overlapEndsAt, union } from './client-relays.ts'
import { isHeld, sendNow } from './client-requests.ts'
import { type ClientState, type PendingRequest, pendingOf, type Work } from './client-state.ts'
import { FALLBACK_MS, NO_RELAY_MS } from './client-waits.ts'
import type { Failure } from './failure.ts'
import { err, type Millis } from './value.ts'

/** When something is due, and what; in the order in which it is done. */
const ALARMS: readonly (readonly [at: (state: ClientState) => Millis | null, ring: (work: Work) => void])[] =
  [
    [overlapEndsAt, endOverlap],
    [({ guardUntil }) => guardUntil, endGuard],
    [darkUntil, leaveDark],
    [nextSwitchAt, askRelays],
    [({ deadline }) => deadline, passDeadline],
  ]

/** Does whatever is due. */
export function keepTime(work: Work): void {
  const { now } = work
  if (nextAlarm(work) > now) return
  for (const [at, ring] of ALARMS) if ((at(work) ?? Infinity) <= now) ring(work)
  for (const id of Object.keys(work.pending)) {
    const request = pendingOf(work, id)
    // An expiry may end the session, and with it all others.
    if (request === undefined) continue
    if (request.expiresAt <= now) conclude(work, id, request, err(lateFailure(request)))
    else if ((request.sendAt ?? Infinity) <= now && !isHeld(work, request)) sendNow(work, id, request)
  }
}

/** When there is something to do; `Infinity` if never. */
export function nextAlarm(state: ClientState): Millis {
  let next = Infinity
  for (const [at] of ALARMS) next = Math.min(next, at(state) ?? Infinity)
  // Faster than `Object.values`, and this is asked twice in each step.
  for (const id of Object.keys(state.pending)) {
    const request = state.pending[id] as PendingRequest
    const { expiresAt, sendAt } = request
    next = Math.min(next, expiresAt, sendAt === null || isHeld(state, request) ? Infinity : sendAt)
  }
  return next
}

/** When a session without a live relay has waited long enough for one. */
function darkUntil({ phase, live, downSince, originRelays, listen }: ClientState): Millis | null {
  if (downSince === null || live.length > 0) return null
  if (isLogin(phase)) return downSince + NO_RELAY_MS
  return originRelays.every((relay) => listen.includes(relay)) ? null : downSince + FALLBACK_MS
}

function isLogin(phase: ClientState['phase']): boolean {
  return phase === 'connecting' || phase === 'switching' || phase === 'identifying'
}

/** A login gives up; a session tries the token's relays too. */
function leaveDark(work: Work): void {
  const { phase, relays, originRelays } = work
  if (!isLogin(phase)) return listenTo(work, union(relays, originRelays))
  const message = `none of the relays could be reached: ${relays.join(', ')}`
  close(work, { code: 'transport/no-relay', message })
}

function passDeadline(work: Work): void {
  if (work.phase === 'switching') identify(work)
  else close(work, { code: 'timeout/connect', message: 'no remote signer took the offer in time' })
}

function lateFailure({ sends, authUrls, accepted }: PendingRequest): Failure {
  if (sends === 0) {
    return {
      code: 'timeout/not-sent',
      message: 'no relay could be reached in time: the request was not sent',
    }
  }
  if (authUrls.length > 0)
    return { code: 'timeout/auth', message: 'the page of the remote signer was not finished in time' }
  const stage = accepted ? 'a relay took the request' : 'no relay confirmed the request'
  return { code: 'timeout/no-answer', message: `no answer in time; ${stage}` }
}
