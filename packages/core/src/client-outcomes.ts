/**
 * What follows from the end of a request: from its answer, a refusal or silence.
 * Never tells these apart where the session does not depend on it.
 */

import { close } from './client-end.ts'
import { connected, enterIdentifying, identified } from './client-handshake.ts'
import { provenRelays, takeRelays } from './client-relays.ts'
import { settle } from './client-requests.ts'
import { LOGGED_OUT, type PendingRequest, type Work } from './client-state.ts'
import type { Failure } from './failure.ts'
import type { Json } from './message.ts'
import type { RequestId, Result } from './value.ts'

/** Ends a request. The machine's own are connect, get_public_key, switch_relays, ping and logout. */
export function conclude(
  work: Work,
  id: RequestId,
  pending: PendingRequest,
  outcome: Result<Json, Failure>,
): void {
  const { method, origin } = pending
  settle(work, id, outcome)
  if (method === 'switch_relays') takeRelays(work, outcome)
  if (origin === 'caller') return
  if (method === 'connect') connected(work, outcome, pending)
  else if (method === 'get_public_key') identified(work, outcome)
  else if (method === 'ping') provenRelays(work, id, outcome)
  else if (work.state.phase === 'switching') enterIdentifying(work)
  else if (work.state.phase === 'logging-out') close(work, 'logged-out', LOGGED_OUT)
}
