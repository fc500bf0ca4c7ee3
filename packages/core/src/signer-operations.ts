/**
 * What the user’s key is asked to do: judged by the grants, decided by somebody, performed, answered.
 * Never performs or decides: it asks and waits.
 */

import { recordAnswer } from './ledger.ts'
import { encodeResponse, type Response } from './message.ts'
import type { Operation } from './method.ts'
import { covers, isCriticalKind, mergePermissions, neverSignedReason } from './permission.ts'
import type { Verdict } from './port.ts'
import { encodeWithinLimit, send } from './signer-replies.ts'
import {
  ignored,
  type PendingOperation,
  pendingOf,
  type SignerContext,
  type SignerOutput,
  type SignerSession,
  type SignerStep,
  withPending,
} from './signer-state.ts'
import type { Millis, RequestId, Result } from './value.ts'

export const DECISION_MS = 60_000
export const CHALLENGED_DECISION_MS = 300_000
const FUTURE_ASK_SECONDS = 3_600
const FUTURE_DENY_SECONDS = 366 * 86_400
type Judgement =
  | { readonly type: 'allow' }
  | { readonly type: 'ask'; readonly denial: string | null }
  | { readonly type: 'deny'; readonly error: string }

/** What needs no person: nothing outside the grants is allowed, and some things never are. */
export function judge(
  session: SignerSession,
  operation: Operation,
  now: Millis,
  context: SignerContext,
): Judgement {
  if (operation.method !== 'sign_event') {
    // The user key may equal a signer key: with a client's key it would open that client's session.
    if (context.isClientPubkey(operation.peer)) {
      return { type: 'deny', error: 'denied: pubkey belongs to a NIP-46 session' }
    }
    const ask = operation.method === 'nip44_get_key' || covers(session.granted, operation.method) === 'none'
    return ask ? { type: 'ask', denial: null } : { type: 'allow' }
  }
  const { kind, created_at } = operation.template
  const cover = covers(session.granted, 'sign_event', kind)
  const never = neverSignedReason(kind)
  const ungranted =
    cover === 'bare' && isCriticalKind(kind) ? `denied: kind ${kind} needs its own grant` : null
  if (never !== undefined) return { type: 'deny', error: ungranted ?? `denied: ${never}` }
  const ahead = created_at - Math.floor(now / 1_000)
  if (ahead > FUTURE_DENY_SECONDS)
    return { type: 'deny', error: 'denied: created_at is too far in the future' }
  // Kinds that carry authority never fall under a grant that names no kind; a person may still say yes to this one.
  if (ungranted !== null) return { type: 'ask', denial: ungranted }
  // Scheduled posts are legitimate; silent future-dating is not.
  if (cover === 'none' || ahead > FUTURE_ASK_SECONDS) return { type: 'ask', denial: null }
  return { type: 'allow' }
}

export function question(session: SignerSession, id: RequestId, pending: PendingOperation): SignerOutput {
  const { operation } = pending
  if (pending.waitingFor === 'key') return { type: 'perform', id, operation }
  return { type: 'ask', id, question: { type: 'operation', clientPubkey: session.clientPubkey, operation } }
}

export function decide(session: SignerSession, id: RequestId, verdict: Verdict, now: Millis): SignerStep {
  const pending = pendingOf(session, id)
  if (pending === undefined || pending.waitingFor !== 'decision') return ignored(session, 'decision/unknown')
  if (!verdict.allow) {
    const words = verdict.reason === undefined ? pending.denial : `denied: ${verdict.reason}`
    return finish(
      session,
      id,
      pending,
      { type: 'error', id, error: words ?? 'denied: the user said no' },
      now,
    )
  }
  const remember = pending.operation.method === 'nip44_get_key' ? [] : (verdict.grant ?? [])
  const allowed: PendingOperation = { ...pending, waitingFor: 'key' }
  return {
    session: {
      ...session,
      granted: mergePermissions(session.granted, remember),
      pending: withPending(session.pending, id, allowed),
    },
    outputs: [question(session, id, allowed)],
  }
}

export function challenge(session: SignerSession, id: RequestId, url: string, now: Millis): SignerStep {
  const pending = pendingOf(session, id)
  if (pending === undefined || pending.challenged) return ignored(session, 'decision/unknown')
  const expiresAt = Math.max(pending.expiresAt, now + CHALLENGED_DECISION_MS)
  return {
    session: {
      ...session,
      pending: withPending(session.pending, id, { ...pending, challenged: true, expiresAt }),
    },
    outputs: [send(session, id, pending.relays, encodeResponse({ type: 'auth-url', id, url }))],
  }
}

export function complete(
  session: SignerSession,
  id: RequestId,
  outcome: Result<string, string>,
  now: Millis,
): SignerStep {
  const pending = pendingOf(session, id)
  if (pending === undefined || pending.waitingFor !== 'key') return ignored(session, 'operation/unknown')
  const response: Response = !outcome.ok
    ? // An empty error text would read as success.
      { type: 'error', id, error: outcome.error === '' ? 'internal: the operation failed' : outcome.error }
    : // Two deployed clients never settle on an empty result.
      outcome.value === ''
      ? { type: 'error', id, error: 'invalid: the plaintext is empty' }
      : { type: 'result', id, result: outcome.value }
  return finish(session, id, pending, response, now)
}

export function finish(
  session: SignerSession,
  id: RequestId,
  pending: PendingOperation,
  response: Response,
  now: Millis,
): SignerStep {
  const { [id]: _, ...rest } = session.pending
  const text = encodeWithinLimit(response, { native: pending.native, method: pending.operation.method })
  const answer = { digest: pending.digest, text, at: now, relays: pending.relays, resends: 0 }
  const state = { ...session, pending: rest, ledger: recordAnswer(session.ledger, id, answer, now) }
  return { session: state, outputs: [send(state, id, pending.relays, text)] }
}

/** Answers what waits for a decision or a key. What the key does nevertheless leaves no more. */
export function closePending(session: SignerSession, error: string, now: Millis): SignerStep {
  let state = session
  const outputs: SignerOutput[] = []
  for (const [id, pending] of Object.entries(session.pending)) {
    const done = finish(state, id, pending, { type: 'error', id, error }, now)
    state = done.session
    outputs.push(...done.outputs)
  }
  return { session: state, outputs }
}
