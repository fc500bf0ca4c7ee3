/**
 * How a client session ends: logout, failure, close.
 * Never leaves a request of the caller unsettled.
 */

import { settle, startOwn } from './client-requests.ts'
import { LOGGED_OUT, type Work } from './client-state.ts'
import type { Failure } from './failure.ts'
import { err, type Millis } from './value.ts'

const LOGOUT_MS = 3_000

export function logOut(work: Work, now: Millis): void {
  const { phase, profile, remoteSigner } = work.state
  if (phase === 'logging-out') return
  settleCallers(work, LOGGED_OUT)
  if (remoteSigner === null || profile.logout === 'none' || work.state.live.length === 0) {
    return close(work, 'logged-out', LOGGED_OUT)
  }
  work.state = { ...work.state, phase: 'logging-out', deadline: now + LOGOUT_MS }
  if (startOwn(work, profile.logout, now, LOGOUT_MS) === undefined) close(work, 'logged-out', LOGGED_OUT)
}

export function fail(work: Work, failure: Failure): void {
  work.outputs.push({ type: 'failed', failure })
  close(work, 'closed', failure)
}

export function close(work: Work, reason: 'logged-out' | 'closed', failure: Failure): void {
  settleCallers(work, failure)
  work.state = {
    ...work.state,
    phase: 'closed',
    pending: {},
    secret: null,
    deadline: null,
    guardUntil: null,
    refusal: null,
    relaySwitch: null,
    live: [],
  }
  work.outputs.push({ type: 'ended', reason })
}

function settleCallers(work: Work, failure: Failure): void {
  for (const id of Object.keys(work.state.pending)) settle(work, id, err(failure))
}
