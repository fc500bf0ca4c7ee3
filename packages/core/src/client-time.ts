/**
 * What passes with time: deadlines, overlaps, waits for a relay.
 * Never keeps a timer: it says when it wants to be woken, and does what is due then.
 */

import { close, fail } from './client-end.ts'
import { enterIdentifying } from './client-handshake.ts'
import { conclude } from './client-outcomes.ts'
import { askRelays, endOverlap, fallsBackAt, nextSwitchAt, overlapEndsAt } from './client-relays.ts'
import {
  type ClientState,
  gatesLogin,
  LOGGED_OUT,
  type PendingRequest,
  pendingOf,
  type Work,
} from './client-state.ts'
import type { Failure } from './failure.ts'
import { err, type Millis } from './value.ts'

const NO_RELAY_MS = 15_000

/** When something is due, and what; in the order in which it is done. */
const ALARMS: readonly (readonly [at: (state: ClientState) => Millis | null, ring: (work: Work) => void])[] =
  [
    [overlapEndsAt, endOverlap],
    [
      ({ guardUntil }) => guardUntil,
      ({ state }) => {
        state.guardUntil = state.secret = null
      },
    ],
    [
      fallsBackAt,
      ({ state }) => {
        state.fellBack = true
      },
    ],
    [noRelayAt, giveUp],
    [nextSwitchAt, askRelaysAgain],
    [({ deadline }) => deadline, passDeadline],
  ]

/** Does whatever is due. */
export function wake(work: Work): void {
  const { state, now } = work
  for (const [at, ring] of ALARMS) if ((at(state) ?? Infinity) <= now) ring(work)
  for (const id of Object.keys(state.pending)) {
    // An expiry may end the session, and with it all others.
    const pending = pendingOf(state, id)
    if (pending !== undefined && pending.expiresAt <= now)
      conclude(work, id, pending, err(lateFailure(pending)))
  }
}

/** When there is something to do; `Infinity` if never. */
export function nextAlarm(state: ClientState): Millis {
  let next = Infinity
  const note = (time: Millis | null): void => {
    if (time !== null && time < next) next = time
  }
  for (const [at] of ALARMS) note(at(state))
  const isDark = state.live.length === 0
  for (const { expiresAt, resendAt } of Object.values(state.pending)) {
    note(expiresAt)
    if (!isDark) note(resendAt)
  }
  // A restarted session takes note of the time once, to count from.
  if (isDark && state.downSince === null) note(state.startedAt)
  return next
}

/** When a handshake without any relay gives up. */
function noRelayAt({ phase, live, downSince }: ClientState): Millis | null {
  const waits = ['connecting', 'switching', 'identifying'].includes(phase) && live.length === 0
  return waits && downSince !== null ? downSince + NO_RELAY_MS : null
}

function giveUp(work: Work): void {
  const message = `none of the relays could be reached: ${work.state.relays.join(', ')}`
  fail(work, { code: 'transport/no-relay', message })
}

function askRelaysAgain(work: Work): void {
  work.state.lastSwitchAt = work.now
  askRelays(work)
}

function passDeadline(work: Work): void {
  const { state } = work
  const { phase } = state
  state.deadline = null
  if (phase === 'switching') enterIdentifying(work)
  else if (phase === 'logging-out') close(work, 'logged-out', LOGGED_OUT)
  else if (phase === 'awaiting-signer')
    fail(work, { code: 'timeout/connect', message: 'no remote signer took the offer in time' })
  else if (phase === 'connecting' || phase === 'identifying')
    fail(work, state.refusal ?? lateFailure(Object.values(state.pending).find(gatesLogin)))
}

function lateFailure(pending: PendingRequest | undefined): Failure {
  if (pending === undefined || pending.sentAt === null) {
    return {
      code: 'timeout/not-sent',
      message: 'no relay could be reached in time: the request was not sent',
    }
  }
  if (pending.authUrls.length > 0)
    return { code: 'timeout/auth', message: 'the page of the remote signer was not finished in time' }
  const stage = pending.accepted ? 'a relay took the request' : 'no relay confirmed the request'
  return { code: 'timeout/no-answer', message: `no answer in time; ${stage}` }
}
