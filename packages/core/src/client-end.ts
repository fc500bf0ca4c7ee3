/**
 * How a client session ends: logout, failure, close.
 * Never leaves a request of the caller unsettled.
 */

import { settle, startOwn } from './client-requests.ts'
import { LOGGED_OUT, type Work } from './client-state.ts'
import { LOGOUT_MS } from './client-waits.ts'
import type { Failure } from './failure.ts'
import { err } from './value.ts'

export function logOut(work: Work): void {
  const { phase, remoteSigner, live, profile } = work
  if (phase === 'logging-out') return
  if (remoteSigner === null || live.length === 0 || profile.logout === 'none') return close(work, LOGGED_OUT)
  refuse(work, LOGGED_OUT)
  startOwn(work, profile.logout, LOGOUT_MS)
  work.phase = 'logging-out'
  work.deadline = null
}

export function close(work: Work, reason: Failure): void {
  // Whoever logged out is, also if the host has no time to wait for the remote signer.
  const failure = work.phase === 'logging-out' ? LOGGED_OUT : reason
  stop(work, 'closed', failure)
  work.outputs.push({ type: 'ended', failure })
}

/** The remote signer said that it does not know us. The session stays, for the host to read and to log out of. */
export function unpair(work: Work, failure: Failure): void {
  stop(work, 'unpaired', failure)
  work.outputs.push({ type: 'unpaired' })
}

function stop(work: Work, phase: 'unpaired' | 'closed', failure: Failure): void {
  refuse(work, failure)
  Object.assign(work, { phase, secret: null, deadline: null, live: [] })
}

/** All requests, and those to come. */
function refuse(work: Work, failure: Failure): void {
  work.end = failure
  for (const id of Object.keys(work.pending)) settle(work, id, err(failure))
}
