/**
 * How a client session ends: logout, failure, close.
 * Never leaves a request of the caller unsettled.
 */

import { settle, startOwn } from './client-requests.ts'
import { LOGGED_OUT, UNPAIRED, type Work } from './client-state.ts'
import type { Failure } from './failure.ts'
import { err } from './value.ts'

const LOGOUT_MS = 3_000

export function logOut(work: Work): void {
  const { state, now } = work
  const { logout } = state.profile
  if (state.phase === 'logging-out') return
  settleAll(work, LOGGED_OUT)
  const reachable = state.remoteSigner !== null && state.live.length > 0
  if (!reachable || logout === 'none' || startOwn(work, logout, LOGOUT_MS) === undefined) {
    return close(work, 'logged-out', LOGGED_OUT)
  }
  state.phase = 'logging-out'
  state.deadline = now + LOGOUT_MS
}

export function fail(work: Work, failure: Failure): void {
  work.outputs.push({ type: 'failed', failure })
  close(work, 'closed', failure)
}

/** The remote signer said that it does not know us. The session stays, for the host to read and to log out of. */
export function unpair(work: Work): void {
  stop(work, 'unpaired', UNPAIRED)
  work.outputs.push({ type: 'unpaired' })
}

export function close(work: Work, reason: 'logged-out' | 'closed', failure: Failure): void {
  stop(work, 'closed', failure)
  work.outputs.push({ type: 'ended', reason })
}

function stop(work: Work, phase: 'unpaired' | 'closed', failure: Failure): void {
  settleAll(work, failure)
  const nothing = {
    secret: null,
    deadline: null,
    guardUntil: null,
    refusal: null,
    relaySwitch: null,
    live: [],
  }
  Object.assign(work.state, nothing, { phase })
}

function settleAll(work: Work, failure: Failure): void {
  for (const id of Object.keys(work.state.pending)) settle(work, id, err(failure))
}
