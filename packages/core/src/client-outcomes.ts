/**
 * What follows from the end of a request: from its answer, a refusal or silence.
 * Never tells these apart where the session does not depend on it.
 */

import { close } from './client-end.ts'
import { connected, identified, identify } from './client-handshake.ts'
import { endProof, takeRelays } from './client-relays.ts'
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
  const { method, own, proves } = pending
  settle(work, id, outcome)
  if (method === 'switch_relays') takeRelays(work, outcome)
  if (!own) return
  if (method === 'connect') connected(work, outcome, pending)
  else if (method === 'get_public_key') identified(work, outcome)
  else if (proves !== null) endProof(work, proves, outcome)
  else if (work.phase === 'switching') identify(work)
  else if (work.phase === 'logging-out') close(work, LOGGED_OUT)
}
