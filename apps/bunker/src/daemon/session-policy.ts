/**
 * The policy of a session as it is stored: the book's own, and whether the owner suspended the app.
 * Never lets anything through while an app is suspended or everything is stopped.
 */

import type { JsonValue, Judge, JudgedRequest } from '@nip46/core'
import type { PolicyView } from '../api/shapes.ts'
import type { OwnPolicy, PolicyBook } from './policy-book.ts'

export interface Suspension {
  /** Unix milliseconds; null for no end. */
  readonly until: number | null
  /** Ended by whoever began it: a panic does not end with the time of the owner's own suspension. */
  readonly by: 'owner' | 'panic'
}

export interface SessionPolicy {
  readonly suspensions: readonly Suspension[]
  readonly own: OwnPolicy
}

/** Null if this is no policy of ours: nothing is allowed by it. */
export function readSessionPolicy(json: JsonValue | null): SessionPolicy | null {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) return null
  const { v, suspensions, own } = json as { readonly [name: string]: JsonValue }
  if (v !== 1 || !Array.isArray(suspensions) || own === undefined) return null
  return suspensions.every(isSuspension)
    ? { suspensions: suspensions as unknown as readonly Suspension[], own }
    : null
}

export function writeSessionPolicy({ suspensions, own }: SessionPolicy): JsonValue {
  return { v: 1, suspensions: suspensions.map(({ until, by }) => ({ until, by })), own }
}

export function beginPolicy(own: OwnPolicy): JsonValue {
  return writeSessionPolicy({ suspensions: [], own })
}

/** In place of what the same one said before. */
export function suspend(policy: SessionPolicy, suspension: Suspension): SessionPolicy {
  return {
    ...policy,
    suspensions: [...policy.suspensions.filter(({ by }) => by !== suspension.by), suspension],
  }
}

export function unsuspend(policy: SessionPolicy, by: Suspension['by']): SessionPolicy {
  return { ...policy, suspensions: policy.suspensions.filter((each) => each.by !== by) }
}

/** Undefined if it is not suspended; otherwise until when, null for no end. */
export function suspendedUntil({ suspensions }: SessionPolicy, now: number): number | null | undefined {
  const running = suspensions.filter(({ until }) => until === null || until > now)
  if (running.length === 0) return undefined
  const ends = running.flatMap(({ until }) => until ?? [])
  return ends.length < running.length ? null : Math.max(...ends)
}

export function viewPolicy(book: PolicyBook, json: JsonValue | null, now: number): PolicyView {
  const policy = readSessionPolicy(json)
  if (policy === null) return { preset: null, grants: [], suspended: false, suspendedUntil: null, json: null }
  const until = suspendedUntil(policy, now)
  return { ...book.view(policy.own), suspended: until !== undefined, suspendedUntil: until ?? null }
}

/** The book as the engine's judge. `isStopped` is asked each time. */
export function createJudge(book: PolicyBook, isStopped: () => boolean): Judge {
  const within = (request: JudgedRequest, policy: SessionPolicy): JudgedRequest => ({
    ...request,
    policy: policy.own,
  })
  return {
    judge(request) {
      if (isStopped())
        return { effect: 'deny', rule: 'panic', error: 'unavailable: the owner stopped everything' }
      const policy = readSessionPolicy(request.policy)
      if (policy === null)
        return {
          effect: 'deny',
          rule: 'no policy',
          error: 'denied: this session has no policy that can be read',
        }
      const until = suspendedUntil(policy, request.now)
      if (until !== undefined) {
        const when = until === null ? '' : ` until ${new Date(until).toISOString()}`
        return { effect: 'deny', rule: 'suspended', error: `denied: the owner suspended this app${when}` }
      }
      const judgement = book.judge(within(request, policy))
      return judgement.effect === 'allow'
        ? { ...judgement, policy: writeSessionPolicy({ ...policy, own: judgement.policy }) }
        : judgement
    },
    approve(request, remember) {
      const policy = readSessionPolicy(request.policy)
      if (policy === null) return request.policy
      return writeSessionPolicy({ ...policy, own: book.approve(within(request, policy), remember) })
    },
    facts: (operation) => book.facts(operation),
  }
}

function isSuspension(value: JsonValue): boolean {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  const { until, by } = value as { readonly [name: string]: JsonValue }
  return (until === null || typeof until === 'number') && (by === 'owner' || by === 'panic')
}
