/**
 * Answers of a remote signer: sent, remembered, and sent again when a request comes again.
 * Never executes anything: a repeat gets what was answered before.
 */

import { findAnswer, recordAnswer } from './ledger.ts'
import { ANSWER_RESENDS, MESSAGE_BYTES_OUT } from './limits.ts'
import {
  type EncodeResponseOptions,
  encodeResponse,
  parseResponse,
  type Request,
  type Response,
} from './message.ts'
import {
  type Arrival,
  addRelay,
  ignored,
  pendingOf,
  type SignerOutput,
  type SignerSession,
  type SignerStep,
  union,
  withPending,
} from './signer-state.ts'
import { utf8Length } from './utf8.ts'
import type { Millis, RelayUrl, RequestId } from './value.ts'

/** An answer that is remembered, so that a repeat gets it again. */
export function reply(
  session: SignerSession,
  arrival: Arrival,
  digest: string,
  response: Response,
  {
    now,
    native,
    method,
  }: { readonly now: Millis; readonly native: boolean | undefined; readonly method: string },
): SignerStep {
  const { id } = response
  const text = encodeWithinLimit(response, { native: native === true, method })
  const answer = { digest, text, at: now, relays: [arrival.relay], resends: 0 }
  const ledger = recordAnswer(session.ledger, id, answer, now)
  return { session: { ...session, ledger }, outputs: [send(session, id, [arrival.relay], text)] }
}

/** An answer that is not remembered: to what could not be read, or does not count. */
export function answerOnce(session: SignerSession, arrival: Arrival, response: Response): SignerStep {
  return { session, outputs: [send(session, response.id, [arrival.relay], encodeResponse(response))] }
}

/** The answer as text, or a typed error if it would not fit into one event. */
export function encodeWithinLimit(response: Response, options: EncodeResponseOptions): string {
  const text = encodeResponse(response, options)
  if (utf8Length(text) <= MESSAGE_BYTES_OUT) return text
  const error = 'too-large: the answer does not fit into one event'
  return encodeResponse({ type: 'error', id: response.id, error }, options)
}

export function send(
  session: SignerSession,
  id: RequestId,
  arrivedOn: readonly RelayUrl[],
  text: string,
): SignerOutput {
  const relays = union(arrivedOn, union(session.relays, session.previousRelays))
  return { type: 'send', id, to: session.clientPubkey, relays, scheme: session.scheme, text }
}

/** The same request once more: still open, answered, or another one under an id in use. */
export function repeatOf(
  session: SignerSession,
  request: Request,
  digest: string,
  arrival: Arrival,
  now: Millis,
): SignerStep | undefined {
  const { id } = request
  const pending = pendingOf(session, id)
  if (pending !== undefined) {
    if (pending.digest !== digest) {
      return answerOnce(session, arrival, { type: 'error', id, error: 'duplicate: request id in use' })
    }
    const relays = addRelay(pending.relays, arrival.relay)
    const changed = { ...session, pending: withPending(session.pending, id, { ...pending, relays }) }
    return ignored(changed, 'request/repeated')
  }
  const answer = findAnswer(session.ledger, id, now)
  // Deployed clients make short ids: the same id with another body, after the first was answered, is a new request.
  if (answer === undefined || answer.digest !== digest) return undefined
  if (answer.text === null) {
    const error = 'duplicate: answered before, and the answer is no longer kept'
    return answerOnce(session, arrival, { type: 'error', id, error })
  }
  return resend(session, id, arrival.relay, now)
}

/** A handled event came again. From one more relay that is how relays work; from the same relay it asks for the answer. */
export function repeat(session: SignerSession, id: RequestId, relay: RelayUrl, now: Millis): SignerStep {
  if (session.phase === 'revoked') return ignored(session, 'session/ended')
  const pending = pendingOf(session, id)
  if (pending !== undefined) {
    const relays = addRelay(pending.relays, relay)
    return ignored(
      { ...session, pending: withPending(session.pending, id, { ...pending, relays }) },
      'request/repeated',
    )
  }
  const answer = findAnswer(session.ledger, id, now)
  if (answer === undefined || answer.text === null) return ignored(session, 'request/repeated')
  if (!answer.relays.includes(relay)) {
    const relays = addRelay(answer.relays, relay)
    return ignored(
      { ...session, ledger: recordAnswer(session.ledger, id, { ...answer, relays }, now) },
      'request/repeated',
    )
  }
  return resend(session, id, relay, now)
}

export function resend(session: SignerSession, id: RequestId, relay: RelayUrl, now: Millis): SignerStep {
  const answer = findAnswer(session.ledger, id, now)
  if (answer === undefined || answer.text === null) return ignored(session, 'request/repeated')
  if (answer.resends >= ANSWER_RESENDS) return ignored(session, 'request/resends')
  const relays = addRelay(answer.relays, relay)
  const ledger = recordAnswer(session.ledger, id, { ...answer, relays, resends: answer.resends + 1 }, now)
  return {
    session: { ...session, ledger },
    outputs: [send(session, id, relays, answer.text)],
  }
}

export function isError(text: string | null): boolean {
  const parsed = text === null ? undefined : parseResponse(text)
  return parsed?.ok === true && parsed.value.type === 'error'
}
