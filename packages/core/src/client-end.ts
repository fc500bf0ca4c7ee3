/**
 * How a client session ends: logout, failure, close.
 * Never leaves a request of the caller unsettled.
 */

import { settle, startOwn } from './client-requests.ts'
import { isOver, LOGGED_OUT, UNPAIRED, type Work } from './client-state.ts'
import type { Failure } from './failure.ts'
import { err, type Millis } from './value.ts'

const LOGOUT_MS = 3_000

export function logOut(work: Work, now: Millis): void {
  const { phase, profile, remoteSigner, live } = work.state
  if (phase === 'logging-out') return
  settleCallers(work, LOGGED_OUT)
  if (remoteSigner === null || profile.logout === 'none' || live.length === 0 || isOver(work.state)) {
    return close(work, 'logged-out', LOGGED_OUT)
  }
  work.state = { ...work.state, phase: 'logging-out', deadline: now + LOGOUT_MS }
  if (startOwn(work, profile.logout, now, LOGOUT_MS) === undefined) close(work, 'logged-out', LOGGED_OUT)
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
  settleCallers(work, failure)
  work.state = {
    ...work.state,
    phase,
    pending: {},
    secret: null,
    deadline: null,
    guardUntil: null,
    refusal: null,
    relaySwitch: null,
    live: [],
  }
}

function settleCallers(work: Work, failure: Failure): void {
  for (const id of Object.keys(work.state.pending)) settle(work, id, err(failure))
}
