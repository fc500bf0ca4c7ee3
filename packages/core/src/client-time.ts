/**
 * What passes with time: deadlines, overlaps, waits for a relay.
 * Never keeps a timer: it does what is due when it is woken.
 */

import { close, fail } from './client-end.ts'
import { enterIdentifying } from './client-handshake.ts'
import { askRelays, canFallBack, endOverlap, FALLBACK_MS, nextSwitchAt } from './client-relays.ts'
import { settle } from './client-requests.ts'
import {
  type ClientState,
  inHandshake,
  LOGGED_OUT,
  type PendingRequest,
  pendingOf,
  type Work,
} from './client-state.ts'
import type { Failure } from './failure.ts'
import { err, type Millis, type RequestId } from './value.ts'

const NO_RELAY_MS = 15_000

/** Does whatever is due. */
export function wake(work: Work, now: Millis): void {
  endOverlap(work, now)
  if (work.state.guardUntil !== null && work.state.guardUntil <= now) {
    work.state = { ...work.state, guardUntil: null, secret: null }
  }
  const { state } = work
  if (canFallBack(state) && state.downSince !== null && now >= state.downSince + FALLBACK_MS) {
    work.state = { ...work.state, fellBack: true }
  }
  const darkTill = noRelayAt(work.state)
  if (darkTill !== null && darkTill <= now) {
    const message = `none of the relays could be reached: ${state.relays.join(', ')}`
    return fail(work, { code: 'transport/no-relay', message })
  }
  const switchAt = nextSwitchAt(work.state)
  if (switchAt !== null && switchAt <= now) {
    work.state = { ...work.state, lastSwitchAt: now }
    askRelays(work, now)
  }
  if (state.deadline !== null && state.deadline <= now) passDeadline(work, now)
  for (const id of Object.keys(work.state.pending)) {
    // An expiry may end the session, and with it all others.
    const pending = pendingOf(work.state, id)
    if (pending !== undefined && pending.expiresAt <= now) expire(work, id, pending)
  }
}

/** When a handshake without any relay gives up. */
export function noRelayAt(state: ClientState): Millis | null {
  if (!inHandshake(state) || state.phase === 'awaiting-signer') return null
  return state.live.length > 0 || state.downSince === null ? null : state.downSince + NO_RELAY_MS
}

function passDeadline(work: Work, now: Millis): void {
  switch (work.state.phase) {
    case 'switching':
      return enterIdentifying(work, now)
    case 'awaiting-signer':
      return fail(work, { code: 'timeout/connect', message: 'no remote signer took the offer in time' })
    case 'logging-out':
      return close(work, 'logged-out', LOGGED_OUT)
    case 'connecting':
    case 'identifying': {
      const pending = Object.values(work.state.pending).find(({ method, origin }) => {
        return origin === 'machine' && (method === 'connect' || method === 'get_public_key')
      })
      return fail(work, work.state.refusal ?? lateFailure(pending))
    }
    default:
      work.state = { ...work.state, deadline: null }
  }
}

function expire(work: Work, id: RequestId, pending: PendingRequest): void {
  const failure = lateFailure(pending)
  settle(work, id, err(failure))
  if (pending.origin !== 'machine') return
  if (pending.method === 'connect' || pending.method === 'get_public_key')
    fail(work, work.state.refusal ?? failure)
}

function lateFailure(pending: PendingRequest | undefined): Failure {
  if (pending === undefined || pending.sentAt === null) {
    return {
      code: 'timeout/not-sent',
      message: 'no relay could be reached in time: the request was not sent',
    }
  }
  if (pending.authUrls.length > 0) {
    return { code: 'timeout/auth', message: 'the page of the remote signer was not finished in time' }
  }
  const stage = pending.accepted ? 'a relay took the request' : 'no relay confirmed the request'
  return { code: 'timeout/no-answer', message: `no answer in time; ${stage}` }
}
