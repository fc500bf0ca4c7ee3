/**
 * The judge that a remote signer asks: policies as `@nip46/core`'s `Judge`. Same request, same state, same time: same answer.
 * Never throws on what a client sent, never does I/O; lists come from the host, already in memory.
 */

import type {
  EventTemplate,
  JsonValue,
  Judge,
  JudgedRequest,
  Judgement,
  Operation,
  Pubkey,
} from '@nip46/core'
import { UsageError } from '@nip46/core'
import type { AuditRecord } from '@nip46/core/remote-signer'
import { countUse } from './caveat.ts'
import {
  type CompiledCeiling,
  type CompiledPolicy,
  type CompiledRule,
  compileCeilings,
  compilePolicy,
  compileRules,
} from './compile.ts'
import { countInBucket, type RuleCount } from './counter.ts'
import { bucketOf, type Case, type Decision, decide, rateOf } from './decide.ts'
import { type Explanation, explainDecision } from './explain.ts'
import { COUNTED_RULES, REMEMBERED, RULES } from './limits.ts'
import { isReplaceable, rememberList } from './list-memory.ts'
import { parsePolicy, readCeiling } from './policy-json.ts'
import { PRESETS } from './preset.ts'
import { read } from './problem.ts'
import {
  type Remember,
  type RememberChoices,
  readRemember,
  rememberChoices,
  rulesOfConsent,
  rulesOfRemember,
} from './remember.ts'
import { type Replay, type ReplayOptions, replayLog } from './replay.ts'
import type { Ceiling, Policy, Rule } from './rule.ts'
import { asJson, isSuspended, readSessionPolicy, type SessionPolicy } from './session-policy.ts'
import { factsOf, type Subject, subjectOf } from './subject.ts'

/** What the judge knows of its host. All of it may be left out. */
export interface JudgeOptions {
  /** For sessions that have none of their own. Left out: such sessions get nothing. */
  readonly policy?: Policy
  /** The most that anything may be on this host, whatever a policy grants. */
  readonly ceilings?: readonly Ceiling[]
  /** The same for one user's key. Give the same array for the same key, so that it is read once. */
  readonly ceilingsOf?: (userPubkey: Pubkey) => readonly Ceiling[]
  /**
   * The lists that policies name: `follows` (pubkeys in hex), `relays` (relay URLs of the user), `origins` (web addresses of this
   * app), and whatever `list:ID` else. Undefined: there is none, so nothing is allowed by it.
   */
  readonly list?: (
    id: string,
    session: { readonly userPubkey: Pubkey; readonly clientPubkey: Pubkey },
  ) => readonly string[] | undefined
  /** The newest event of this kind (and `d`) that the host has seen of the user, for `shrink`. */
  readonly latest?: (userPubkey: Pubkey, template: EventTemplate) => EventTemplate | undefined
  /** A secret text of the host, the same after each restart: with it no app can guess which entries of a long list are remembered. */
  readonly salt?: string
  /** Whether there is somebody to ask at the moment. Default true. */
  readonly canAsk?: () => boolean
}

/** A `Judge` for a remote signer's `judge` option, and what its host asks it besides. */
export interface PolicyJudge extends Judge {
  /** Why `judge` says what it says about this request, and what would change it. Counts nothing. */
  explain(request: JudgedRequest): Explanation
  /** What a person can choose to be remembered of a yes or a no to this request. */
  choices(
    request: Pick<JudgedRequest, 'operation' | 'clientPubkey' | 'userPubkey' | 'relay'>,
    effect: Remember['effect'],
  ): RememberChoices
  /** Judges the records of a log again, in their order, by another policy. */
  replay(log: Iterable<AuditRecord>, draft: JsonValue | null, options?: ReplayOptions): Replay
}

/** A session's policy, ready to be asked. */
export interface Loaded {
  readonly state: SessionPolicy
  readonly compiled: CompiledPolicy
  readonly allow: readonly CompiledRule[]
  readonly ask: readonly CompiledRule[]
  readonly deny: readonly CompiledRule[]
}

/** Throws `UsageError` on a policy or ceilings that cannot be read. */
export function createJudge(options: JudgeOptions = {}): PolicyJudge {
  const own = options.policy === undefined ? undefined : compilePolicy(mustParse(options.policy))
  const host = compileCeilings(readCeilings(options.ceilings ?? []), 'ceiling of the host')
  const salt = options.salt ?? ''
  const states = new WeakMap<object, Loaded | null>()
  const policies = new WeakMap<Policy, CompiledPolicy>()
  const remembered = new WeakMap<readonly Rule[], readonly CompiledRule[]>()
  const keyCeilings = new WeakMap<readonly Ceiling[], readonly CompiledCeiling[]>()

  function compiledOf(policy: Policy | null): CompiledPolicy | undefined {
    return policy === null ? own : cached(policies, policy, compilePolicy)
  }

  /** Null: there is no policy, or it cannot be read. */
  function load(value: JsonValue | null): Loaded | null {
    if (value === null || typeof value !== 'object') return loadState(value)
    return cached(states, value, () => loadState(value))
  }

  function loadState(value: JsonValue | null): Loaded | null {
    const state = readSessionPolicy(value)
    return state.ok ? prepare(state.value) : null
  }

  function prepare(state: SessionPolicy): Loaded | null {
    const compiled = compiledOf(state.policy)
    if (compiled === undefined) return null
    const { allow, ask, deny } = compiled
    if (state.remembered === undefined || state.remembered.length === 0)
      return { state, compiled, allow, ask, deny }
    const rules = cached(remembered, state.remembered, (list) => compileRules(list, false))
    const of = (effect: Rule['effect']): readonly CompiledRule[] =>
      rules.filter(({ rule }) => rule.effect === effect)
    return { state, compiled, allow: [...allow, ...of('allow')], ask, deny: [...deny, ...of('deny')] }
  }

  function keep(state: SessionPolicy): JsonValue {
    const value = asJson(state)
    states.set(state, prepare(state))
    return value
  }

  function ceilingsFor(userPubkey: Pubkey, { compiled }: Loaded): readonly CompiledCeiling[] {
    const list = options.ceilingsOf?.(userPubkey) ?? NO_CEILINGS
    const key = cached(keyCeilings, list, (some) => compileCeilings(readCeilings(some), 'ceiling of the key'))
    return [...host, ...key, ...compiled.ceilings]
  }

  function caseOf(loaded: Loaded, subject: Subject, request: Pick<JudgedRequest, 'granted' | 'now'>): Case {
    const { state, compiled, allow, ask, deny } = loaded
    const { userPubkey, clientPubkey } = subject
    const { now, granted } = request
    return {
      subject,
      policy: compiled.policy,
      allow,
      ask,
      deny,
      ceilings: ceilingsFor(userPubkey, loaded),
      granted,
      suspended: isSuspended(state, now),
      counts: state.counts ?? {},
      rates: state.rates ?? {},
      canAsk: options.canAsk?.() ?? true,
      measures: {
        now,
        since: state.since ?? Math.floor(now / 1_000),
        readList: (id) => options.list?.(id, { userPubkey, clientPubkey }),
        lists: state.lists ?? [],
        latest: (template) => options.latest?.(userPubkey, template),
        salt,
      },
    }
  }

  /** The state once a use that was decided this way is counted; `accepted`: a person said yes to it. */
  function count(loaded: Loaded, input: Case, decision: Decision, accepted: boolean): SessionPolicy {
    const { state, compiled } = loaded
    const { subject, measures } = input
    const { now } = measures
    let counts: { readonly [key: string]: RuleCount } | undefined = state.counts
    for (const { key, caveats } of accepted ? [] : decision.uses) {
      const before = counts?.[key]
      const after = countUse(caveats, subject, before, now)
      if (after === before || after === undefined) continue
      counts = withCount(counts ?? {}, key, after, loaded)
    }
    const bucket = bucketOf(subject)
    const rate = rateOf(compiled.policy, bucket)
    const replaces = subject.template !== null && isReplaceable(subject.template.kind)
    return {
      ...state,
      since: state.since ?? Math.floor(now / 1_000),
      ...(counts !== undefined && { counts }),
      ...(rate !== null && {
        rates: { ...state.rates, [bucket]: countInBucket(state.rates?.[bucket], rate, now) },
      }),
      ...(replaces &&
        subject.template !== null && {
          lists: rememberList(state.lists ?? [], subject.template, { salt, now, accepted }),
        }),
    }
  }

  function decideOn(request: JudgedRequest): { loaded: Loaded; input: Case; decision: Decision } | undefined {
    const loaded = load(request.policy)
    if (loaded === null) return undefined
    const input = caseOf(loaded, subjectOf(request.operation, request), request)
    return { loaded, input, decision: decide(input) }
  }

  function approveCase(
    loaded: Loaded,
    input: Case,
    decision: Decision,
    remember: JsonValue | null,
  ): SessionPolicy {
    const { subject, measures } = input
    const choice = remember === null ? undefined : readRemember(remember, subject)
    const refused = remember !== null && (remember as { effect?: unknown }).effect === 'deny'
    const counted = refused ? loaded.state : count(loaded, input, decision, true)
    if (choice !== undefined) {
      const rules = rulesOfRemember(choice, subject, measures.now)
      return choice.for === 'always'
        ? withRules(counted, loaded, rules, input)
        : withDecisions(counted, rules, input)
    }
    if (refused || decision.effect !== 'ask' || decision.consent === null) return counted
    return withDecisions(counted, rulesOfConsent(decision.consent, subject, measures.now), input)
  }

  return {
    judge(request): Judgement {
      const found = decideOn(request)
      if (found === undefined) return { effect: 'deny', rule: UNREADABLE, error: UNREADABLE_ERROR }
      const { loaded, input, decision } = found
      const { effect, name: rule, error } = decision
      if (effect === 'allow') return { effect, rule, policy: keep(count(loaded, input, decision, false)) }
      if (effect === 'ask') return { effect, rule, denial: error }
      return { effect, rule, error: error ?? 'denied' }
    },
    approve(request, remember) {
      const found = decideOn(request)
      if (found === undefined) return request.policy
      return keep(approveCase(found.loaded, found.input, found.decision, remember))
    },
    facts: (operation: Operation) => factsOf(operation) as unknown as JsonValue,
    explain(request) {
      const found = decideOn(request)
      if (found !== undefined) return explainDecision(found.decision, found.input)
      return {
        effect: 'deny',
        rule: UNREADABLE,
        stage: 'guard',
        words: ['The app has no policy, or it cannot be read, so everything is refused.'],
        limits: [],
        changes: [{ words: 'Give the app a policy.', grant: null }],
        retryAt: null,
      }
    },
    choices: ({ operation, ...session }, effect) => rememberChoices(subjectOf(operation, session), effect),
    replay: (log, draft, replayOptions) =>
      replayLog(log, draft, replayOptions, {
        load,
        decide(loaded, subject, request) {
          const input = caseOf(loaded, subject, request)
          return { input, decision: decide(input) }
        },
        count: (loaded, input, decision) => keep(count(loaded, input, decision, false)),
        approve: (loaded, input, decision, remember) => keep(approveCase(loaded, input, decision, remember)),
      }),
  }
}

const NO_CEILINGS: readonly Ceiling[] = []
const UNREADABLE = 'guard: no readable policy'
const UNREADABLE_ERROR = 'denied: this app has no policy that can be read'

function cached<K extends object, V>(map: WeakMap<K, V>, key: K, make: (key: K) => V): V {
  const known = map.get(key)
  if (known !== undefined) return known
  const value = make(key)
  map.set(key, value)
  return value
}

function mustParse(policy: Policy): Policy {
  const parsed = parsePolicy(policy)
  if (!parsed.ok) throw new UsageError(`${parsed.error.path}: ${parsed.error.message}`)
  return parsed.value
}

function readCeilings(ceilings: readonly Ceiling[]): readonly Ceiling[] {
  const parsed = read(() => ({ ok: true, value: ceilings.map(readCeiling) }))
  if (!parsed.ok) throw new UsageError(`${parsed.error.path}: ${parsed.error.message}`)
  return parsed.value
}

/** Counters of rules that are gone make room when there are too many. */
function withCount(
  counts: { readonly [key: string]: RuleCount },
  key: string,
  count: RuleCount,
  { allow, compiled }: Loaded,
): { readonly [key: string]: RuleCount } {
  if (Object.hasOwn(counts, key) || Object.keys(counts).length < COUNTED_RULES)
    return { ...counts, [key]: count }
  const live = new Set(allow.map((rule) => rule.key))
  const preset = `preset ${compiled.policy.preset ?? ''} @`
  const kept = Object.entries(counts).filter(([name]) => live.has(name) || name.startsWith(preset))
  return { ...Object.fromEntries(kept), [key]: count }
}

/** What is over goes first, then what was decided longest ago; the same thing decided anew replaces what was decided. */
function withDecisions(state: SessionPolicy, rules: readonly Rule[], { measures }: Case): SessionPolicy {
  const { now } = measures
  const kept = (state.remembered ?? []).filter(
    (rule) =>
      (rule.until === undefined || now < rule.until * 1_000) &&
      !rules.some((fresh) => isSameThing(fresh, rule)),
  )
  return { ...state, remembered: [...kept, ...rules].slice(-REMEMBERED) }
}

function isSameThing(a: Rule, b: Rule): boolean {
  const about = ({ method, category, kinds, peers, relays, urls, http }: Rule): string =>
    JSON.stringify([method, category, kinds, peers, relays, urls, http])
  return about(a) === about(b)
}

/** For always: among the rules of the policy, where it can be seen and taken back; if there is no room, among the decisions. */
function withRules(
  state: SessionPolicy,
  { compiled }: Loaded,
  rules: readonly Rule[],
  input: Case,
): SessionPolicy {
  const policy = state.policy ?? compiled.policy
  const fresh = rules.filter(
    (rule) => !policy.rules.some((known) => JSON.stringify(known) === JSON.stringify(rule)),
  )
  if (policy.rules.length + fresh.length > RULES) return withDecisions(state, rules, input)
  if (fresh.length === 0) return state
  return { ...state, policy: { ...policy, rules: [...policy.rules, ...fresh] } }
}

/** Whether a use that an audit record names by `rule` is one the owner wanted to be told of. */
export function wantsNotice(rule: string): boolean {
  if (/[[;]notify\]$/.test(rule)) return true
  const preset = /^preset ([a-z]+): @([a-z.]+)$/.exec(rule)
  const named = Object.values(PRESETS).find(({ name }) => name === preset?.[1])
  const entry = Object.entries(named?.entries ?? {}).find(([category]) => category === preset?.[2])?.[1]
  return entry?.caveats?.notify === true
}
