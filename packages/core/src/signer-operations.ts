/**
 * What the user’s key is asked to do: judged by the grants, decided by somebody, performed, answered.
 * Never performs or decides: it asks and waits.
 */

import { recordAnswer } from './ledger.ts'
import { encodeResponse, type Response } from './message.ts'
import type { Operation } from './method.ts'
import { covers, isCriticalKind, mergePermissions, neverSignedReason } from './permission.ts'
import type { JsonValue, JudgedRequest, Judgement, Verdict } from './port.ts'
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
import type { Millis, RelayUrl, RequestId, Result, Seconds } from './value.ts'

export const DECISION_MS = 60_000
export const CHALLENGED_DECISION_MS = 300_000
const FUTURE_ASK_SECONDS = 3_600
const FUTURE_DENY_SECONDS = 366 * 86_400

/** A judgement, of the judge or (with `rule` null) of the grants and of what is never allowed. */
export type Ruling =
  | { readonly effect: 'allow'; readonly rule: string | null; readonly policy: JsonValue | null }
  | { readonly effect: 'ask'; readonly denial: string | null }
  | Extract<Judgement, { effect: 'deny' }>
  | { readonly effect: 'deny'; readonly rule: null; readonly error: string }

/** What needs no person: nothing outside the policy or the grants is allowed, and some things never are. */
export function judge(
  session: SignerSession,
  operation: Operation,
  relay: RelayUrl,
  now: Millis,
  context: SignerContext,
): Ruling {
  const error = neverAllowed(session, operation, now, context)
  if (error !== undefined) return { effect: 'deny', rule: null, error }
  if (context.judge === undefined) return judgeByGrants(session, operation, now)
  const ruling = context.judge.judge(judgedRequest(session, operation, relay, now))
  // It gives a permanent power away: no rule can allow that in advance.
  if (ruling.effect === 'allow' && operation.method === 'nip44_get_key')
    return { effect: 'ask', denial: null }
  return ruling
}

function neverAllowed(
  session: SignerSession,
  operation: Operation,
  now: Millis,
  context: SignerContext,
): string | undefined {
  if (operation.method !== 'sign_event') {
    // The user key may equal a signer key: with a client's key it would open that client's session.
    return context.isClientPubkey(operation.peer) ? 'denied: pubkey belongs to a NIP-46 session' : undefined
  }
  const { kind, created_at } = operation.template
  const never = neverSignedReason(kind)
  if (never !== undefined) {
    const ungranted = context.judge === undefined ? ungrantedReason(session, kind) : null
    return ungranted ?? `denied: ${never}`
  }
  return isAhead(created_at, FUTURE_DENY_SECONDS, now)
    ? 'denied: created_at is too far in the future'
    : undefined
}

function judgeByGrants(session: SignerSession, operation: Operation, now: Millis): Ruling {
  const { granted, policy } = session
  const allow: Ruling = { effect: 'allow', rule: null, policy }
  if (operation.method !== 'sign_event') {
    const ask = operation.method === 'nip44_get_key' || covers(granted, operation.method) === 'none'
    return ask ? { effect: 'ask', denial: null } : allow
  }
  const { kind, created_at } = operation.template
  const denial = ungrantedReason(session, kind)
  // Scheduled posts are legitimate; silent future-dating is not.
  const ask = covers(granted, 'sign_event', kind) === 'none' || isAhead(created_at, FUTURE_ASK_SECONDS, now)
  return ask || denial !== null ? { effect: 'ask', denial } : allow
}

/** Kinds that carry authority never fall under a grant that names no kind; a person may still say yes to one. */
function ungrantedReason({ granted }: SignerSession, kind: number): string | null {
  const ungranted = isCriticalKind(kind) && covers(granted, 'sign_event', kind) === 'bare'
  return ungranted ? `denied: kind ${kind} needs its own grant` : null
}

function isAhead(createdAt: number, seconds: number, now: Millis): boolean {
  return createdAt - Math.floor(now / 1_000) > seconds
}

function judgedRequest(
  { clientPubkey, userPubkey, granted, policy }: SignerSession,
  operation: Operation,
  relay: RelayUrl,
  now: Millis,
): JudgedRequest {
  return { clientPubkey, userPubkey, operation, granted, policy, relay, now }
}

export function question(session: SignerSession, id: RequestId, pending: PendingOperation): SignerOutput {
  const { operation } = pending
  if (pending.waitingFor === 'key') return { type: 'perform', id, operation }
  return { type: 'ask', id, question: { type: 'operation', clientPubkey: session.clientPubkey, operation } }
}

export function decide(
  session: SignerSession,
  id: RequestId,
  verdict: Verdict,
  now: Millis,
  context: SignerContext,
): SignerStep {
  const pending = pendingOf(session, id)
  if (pending === undefined || pending.waitingFor !== 'decision') return ignored(session, 'decision/unknown')
  const policy = policyAfter(session, pending, verdict, now, context)
  if (!verdict.allow) {
    const words = verdict.reason === undefined ? pending.denial : `denied: ${verdict.reason}`
    return finish(
      { ...session, policy },
      id,
      pending,
      { type: 'error', id, error: words ?? 'denied: the user said no' },
      now,
    )
  }
  const remember = pending.operation.method === 'nip44_get_key' ? [] : (verdict.grant ?? [])
  const allowed: PendingOperation = { ...pending, waitingFor: 'key', ...performedBy(context) }
  return {
    session: {
      ...session,
      granted: mergePermissions(session.granted, remember),
      policy,
      pending: withPending(session.pending, id, allowed),
    },
    outputs: [question(session, id, allowed)],
  }
}

/** What the judge makes of a person's decision. */
function policyAfter(
  session: SignerSession,
  { operation, relays }: PendingOperation,
  { allow, remember }: Verdict,
  now: Millis,
  { judge }: SignerContext,
): JsonValue | null {
  if (judge === undefined || (!allow && remember === undefined)) return session.policy
  const [relay] = relays
  if (relay === undefined) return session.policy
  const kept = operation.method === 'nip44_get_key' ? null : (remember ?? null)
  return judge.approve(judgedRequest(session, operation, relay, now), kept)
}

/** Whether it was asked before the state was restored: what became of it is not known here. */
export function isBeforeRestore(at: Millis, { restoredAt }: Pick<SignerContext, 'restoredAt'>): boolean {
  return at < (restoredAt?.() ?? Number.NEGATIVE_INFINITY)
}

/** An event's time is in whole seconds: the last moment at which it may have been made. */
export function endOfSecond(createdAt: Seconds): Millis {
  return createdAt * 1_000 + 999
}

/** The mark of whoever performs what is handed out now. */
export function performedBy({ performer }: SignerContext): Pick<PendingOperation, 'by'> {
  const by = performer?.()
  return by === undefined ? {} : { by }
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
