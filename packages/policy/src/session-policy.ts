/**
 * What one session carries: its policy, what was remembered of a person's decisions, and everything that is counted. Plain JSON,
 * part of the session's own state, so that a use is counted in the commit of what it allowed or not at all.
 * Never decides. Bounded: rules, decisions, peers and lists have limits, and nothing else grows.
 */

import {
  isWellFormed,
  type JsonValue,
  type Millis,
  ok,
  type Result,
  type Seconds,
  UsageError,
} from '@nip46/core'
import type { Breadth, Bucket, EachPeer, Parts, RuleCount, Windowed } from './counter.ts'
import { formatRule } from './grant-text.ts'
import { asFields } from './json-shape.ts'
import {
  BREADTH_MAX,
  COUNTED_RULES,
  LIST_SAMPLE,
  LISTS,
  NAME_CHARS,
  PEERS_COUNTED,
  REMEMBERED,
  RULE_NAME_CHARS,
  TIME_MAX,
  WINDOW_PARTS,
} from './limits.ts'
import type { ListMemory } from './list-memory.ts'
import { parsePolicy, readRule } from './policy-json.ts'
import { fail, type PolicyProblem, read } from './problem.ts'
import type { Policy, PresetName, Rule } from './rule.ts'

/** The JSON that a session carries. Change it by the functions of this package. */
export interface SessionPolicy {
  readonly v: 1
  /** Null: what the judge has for sessions without a policy of their own. */
  readonly policy: Policy | null
  /** When it was given, for `for`; left out until the first use that is allowed. */
  readonly since?: Seconds
  /** While it is there and not over, everything is refused. */
  readonly suspended?: { readonly until: Seconds | null }
  /** Decisions of a person as rules, the oldest first. */
  readonly remembered?: readonly Rule[]
  /** What each rule has counted, by the rule's `RuleCount` key. */
  readonly counts?: { readonly [rule: string]: RuleCount }
  /** What the session has used of its rates. */
  readonly rates?: { readonly sign?: Bucket; readonly crypt?: Bucket }
  /** Replaceable events that were signed, the one signed longest ago first. */
  readonly lists?: readonly ListMemory[]
}

/** What a host shows of a session's policy. */
export interface SessionPolicyView {
  readonly name: string | null
  readonly preset: PresetName | null
  /** One grant each, as `parseGrants` reads it. */
  readonly grants: readonly string[]
  /** Decisions of a person that are still in force, likewise. */
  readonly remembered: readonly string[]
  readonly suspended: boolean
  /** In Unix seconds; null for no end, or not suspended. */
  readonly suspendedUntil: Seconds | null
  readonly expiresAt: Seconds | null
}

/** What a session begins with. `now` is in Unix milliseconds. Throws `UsageError` on a policy that `parsePolicy` would refuse. */
export function sessionPolicy(policy: Policy, now: Millis): JsonValue {
  return asJson({ v: 1, policy: mustParse(policy), since: Math.floor(now / 1_000) })
}

/**
 * Another policy for a session that goes on: what was counted for rules that are still there stays counted, since a changed caveat
 * must not give back what is used up. What a person decided is kept only with `keepDecisions`.
 */
export function replacePolicy(
  state: JsonValue | null,
  policy: Policy,
  now: Millis,
  options: { readonly keepDecisions?: boolean } = {},
): JsonValue {
  const before = readSessionPolicy(state)
  const fresh = { v: 1, policy: mustParse(policy), since: Math.floor(now / 1_000) } as const
  if (!before.ok) return asJson(fresh)
  const { suspended, remembered, counts, rates, lists } = before.value
  return asJson({
    ...fresh,
    ...(suspended !== undefined && { suspended }),
    ...(remembered !== undefined && options.keepDecisions === true && { remembered }),
    ...(counts !== undefined && { counts }),
    ...(rates !== undefined && { rates }),
    ...(lists !== undefined && { lists }),
  })
}

/** Refuses everything until then (Unix seconds), or until {@link resume}. A policy that cannot be read is left as it is: it refuses too. */
export function suspend(state: JsonValue | null, until: Seconds | null = null): JsonValue {
  return change(state, (policy) => ({ ...policy, suspended: { until } }))
}

/** Ends a suspension. */
export function resume(state: JsonValue | null): JsonValue {
  return change(state, ({ suspended: _, ...policy }) => policy)
}

/** Lets the policy end at a time in Unix seconds, or (null) never. `fallback` is the judge's policy, for sessions without one. */
export function expireAt(state: JsonValue | null, at: Seconds | null, fallback?: Policy): JsonValue {
  return change(state, (session) => {
    const policy = session.policy ?? fallback
    if (policy === undefined) return session
    const { expiresAt: _, ...rest } = policy
    return { ...session, policy: mustParse(at === null ? rest : { ...rest, expiresAt: at }) }
  })
}

/** Forgets what a person decided: everything is asked about again. */
export function forgetDecisions(state: JsonValue | null): JsonValue {
  return change(state, ({ remembered: _, ...policy }) => policy)
}

/** For people. `now` is in Unix milliseconds. Error: the policy cannot be read, and so refuses everything. */
export function viewSessionPolicy(
  state: JsonValue | null,
  now: Millis,
): Result<SessionPolicyView, PolicyProblem> {
  const session = readSessionPolicy(state)
  if (!session.ok) return session
  const { policy, remembered = [], suspended } = session.value
  const on = isSuspended(session.value, now)
  return ok({
    name: policy?.name ?? null,
    preset: policy?.preset ?? null,
    grants: (policy?.rules ?? []).map(formatRule),
    remembered: remembered.filter(({ until }) => until === undefined || now < until * 1_000).map(formatRule),
    suspended: on,
    suspendedUntil: on ? (suspended?.until ?? null) : null,
    expiresAt: policy?.expiresAt ?? null,
  })
}

export function isSuspended({ suspended }: SessionPolicy, now: Millis): boolean {
  return suspended !== undefined && (suspended.until === null || now < suspended.until * 1_000)
}

/**
 * Reads what a session carries, strictly: a session policy, a plain policy (which then begins with its first use), or null for
 * none. Error: it is neither, and whoever asks must refuse.
 */
export function readSessionPolicy(value: JsonValue | null): Result<SessionPolicy, PolicyProblem> {
  if (value === null) return ok({ v: 1, policy: null })
  if (typeof value === 'object' && !Array.isArray(value) && Object.hasOwn(value, 'rules')) {
    const policy = parsePolicy(value)
    return policy.ok ? ok({ v: 1, policy: policy.value }) : policy
  }
  return read(() => ok(readState(value)))
}

export function asJson(state: SessionPolicy): JsonValue {
  // Interfaces have no index signature, and everything in them is JSON.
  return state as unknown as JsonValue
}

function change(state: JsonValue | null, make: (policy: SessionPolicy) => SessionPolicy): JsonValue {
  const session = readSessionPolicy(state)
  return session.ok ? asJson(make(session.value)) : (state as JsonValue)
}

function mustParse(policy: Policy): Policy {
  const parsed = parsePolicy(policy)
  if (!parsed.ok) throw new UsageError(`${parsed.error.path}: ${parsed.error.message}`)
  return parsed.value
}

// -- reading -----------------------------------------------------------------------------------

const STATE_FIELDS = ['v', 'policy', 'since', 'suspended', 'remembered', 'counts', 'rates', 'lists']

function readState(value: unknown): SessionPolicy {
  const fields = asFields(value, 'session', STATE_FIELDS)
  if (fields['v'] !== 1) fail('policy/version', 'session.v', 'v must be 1')
  const { since, suspended, remembered, counts, rates, lists } = fields
  return {
    v: 1,
    policy: fields['policy'] === null ? null : readPolicy(fields['policy']),
    ...(since !== undefined && { since: whole(since, 'since', TIME_MAX) }),
    ...(suspended !== undefined && { suspended: readSuspension(suspended) }),
    ...(remembered !== undefined && {
      remembered: list(remembered, 'remembered', REMEMBERED).map((rule, i) =>
        readRule(rule, `remembered[${i}]`),
      ),
    }),
    ...(counts !== undefined && { counts: table(counts, 'counts', COUNTED_RULES, readCount) }),
    ...(rates !== undefined && { rates: readRates(rates) }),
    ...(lists !== undefined && { lists: list(lists, 'lists', LISTS).map(readList) }),
  }
}

function readPolicy(value: unknown): Policy {
  const policy = parsePolicy(value)
  return policy.ok ? policy.value : fail(policy.error.code, policy.error.path, policy.error.message)
}

function readSuspension(value: unknown): { readonly until: Seconds | null } {
  const { until } = asFields(value, 'suspended', ['until'])
  return { until: until === null ? null : whole(until, 'suspended.until', TIME_MAX) }
}

function readRates(value: unknown): NonNullable<SessionPolicy['rates']> {
  const { sign, crypt } = asFields(value, 'rates', ['sign', 'crypt'])
  return {
    ...(sign !== undefined && { sign: readBucket(sign, 'rates.sign') }),
    ...(crypt !== undefined && { crypt: readBucket(crypt, 'rates.crypt') }),
  }
}

function readCount(value: unknown, path: string): RuleCount {
  const fields = asFields(value, path, ['uses', 'max', 'rate', 'each', 'breadth', 'spent'])
  const { uses, max, rate, each, breadth, spent } = fields
  return {
    ...(uses !== undefined && { uses: whole(uses, path) }),
    ...(max !== undefined && { max: readWindowed(max, path) }),
    ...(rate !== undefined && { rate: readBucket(rate, path) }),
    ...(each !== undefined && { each: readEach(each, path) }),
    ...(breadth !== undefined && { breadth: readBreadth(breadth, path) }),
    ...(spent !== undefined && { spent: readWindowed(spent, path) }),
  }
}

function readWindowed(value: unknown, path: string): Windowed {
  const { seconds, parts } = asFields(value, path, ['seconds', 'parts'])
  return { seconds: whole(seconds, path), parts: readParts(parts, path) }
}

function readParts(value: unknown, path: string): Parts {
  const numbers = list(value, path, 2 * (WINDOW_PARTS + 1)).map((item) => whole(item, path))
  if (numbers.length % 2 === 1) fail('policy/shape', path, 'parts come in pairs')
  return numbers
}

function readBucket(value: unknown, path: string): Bucket {
  const [at, level] = list(value, path, 2)
  if (typeof at !== 'number' || typeof level !== 'number' || !(level >= 0) || !Number.isFinite(level + at))
    return fail('policy/shape', path, 'must be a time and a level')
  return [at, level]
}

function readEach(value: unknown, path: string): EachPeer {
  const { seconds, peers, rest } = asFields(value, path, ['seconds', 'peers', 'rest'])
  return {
    seconds: whole(seconds, path),
    peers: table(peers, path, PEERS_COUNTED, readParts),
    rest: readParts(rest, path),
  }
}

function readBreadth(value: unknown, path: string): Breadth {
  const { seconds, peers } = asFields(value, path, ['seconds', 'peers'])
  return {
    seconds: whole(seconds, path),
    peers: table(peers, path, BREADTH_MAX, (part) => whole(part, path)),
  }
}

function readList(value: unknown, index: number): ListMemory {
  const path = `lists[${index}]`
  const {
    list: name,
    at,
    count,
    hidden,
    sample,
  } = asFields(value, path, ['list', 'at', 'count', 'hidden', 'sample'])
  return {
    list: word(name, path, NAME_CHARS),
    at: whole(at, path),
    count: whole(count, path),
    hidden: whole(hidden, path),
    sample: list(sample, path, LIST_SAMPLE).map((item) => word(item, path, NAME_CHARS)),
  }
}

function whole(value: unknown, path: string, most: number = Number.MAX_SAFE_INTEGER): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0 || value > most)
    return fail('policy/shape', path, 'must be a whole number')
  return value
}

function word(value: unknown, path: string, most: number): string {
  if (typeof value !== 'string' || value.length > most || !isWellFormed(value))
    return fail('policy/shape', path, 'must be a short text')
  return value
}

function list(value: unknown, path: string, most: number): readonly unknown[] {
  if (!Array.isArray(value)) return fail('policy/shape', path, 'must be a list')
  if (value.length > most) fail('policy/limit', path, `at most ${most} entries`)
  return value
}

function table<T>(
  value: unknown,
  path: string,
  most: number,
  readItem: (item: unknown, path: string) => T,
): { readonly [key: string]: T } {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return fail('policy/shape', path, 'must be an object')
  const entries = Object.entries(value)
  if (entries.length > most) fail('policy/limit', path, `at most ${most} entries`)
  const items = Object.create(null) as { [key: string]: T }
  for (const [key, item] of entries) {
    if (key.length > RULE_NAME_CHARS) fail('policy/shape', path, 'a name is too long')
    items[key] = readItem(item, path)
  }
  return items
}
