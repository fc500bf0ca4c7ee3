/**
 * The evaluation order, in one function: guards, ceilings, denials, grants, questions, preset, default. The first that says something
 * decides; later ones never widen what an earlier one refused.
 * Never changes a state: it names the rules whose use is to be counted.
 */

import { type Millis, neverSignedReason, type Permission, type Seconds } from '@nip46/core'
import { type CategoryName, carriesAuthority } from './category.ts'
import { type CaveatName, type Measures, type Miss, missesOf } from './caveat.ts'
import {
  allows,
  allowsSomePeers,
  type CompiledCeiling,
  type CompiledRule,
  concerns,
  wouldAllow,
} from './compile.ts'
import { type Bucket, type RuleCount, roomInBucket } from './counter.ts'
import { FUTURE_ASK_SECONDS, FUTURE_DENY_SECONDS } from './limits.ts'
import { type Consent, PRESETS } from './preset.ts'
import type { Caveats, Effect, Policy, PresetName, Rate } from './rule.ts'
import type { Subject } from './subject.ts'

/** Where in the order a decision fell. */
export type Stage = 'guard' | 'ceiling' | 'deny' | 'allow' | 'ask' | 'preset' | 'default' | 'rate'

/** A grant that names the request, and what kept it from holding. */
export interface Missed {
  readonly name: string
  readonly misses: readonly Miss[]
  readonly caveats: Caveats
}

export interface Decision {
  readonly effect: Effect
  readonly stage: Stage
  /** What decided, as audit records name it. */
  readonly name: string
  /** A refusal's words for the app; of a question: the words if the answer is no, or null for the usual ones. */
  readonly error: string | null
  /** Rules and preset entries whose use is to be counted if it is allowed. */
  readonly uses: readonly Use[]
  /** Tell the owner. */
  readonly notify: boolean
  /** What a plain yes covers from then on. */
  readonly consent: Consent | null
  readonly missed: readonly Missed[]
  /** What made a question of something that would have been allowed. */
  readonly capped: string | null
  /** When waiting would help, in Unix milliseconds. */
  readonly retryAt: Millis | null
  /** Facts that would have been needed and are not there: the decision is a guess. */
  readonly undecided: CaveatName | null
}

export interface Use {
  readonly key: string
  readonly caveats: Caveats
}

/** Everything that a decision looks at. Rules are those of the policy first, then what was remembered of a person. */
export interface Case {
  readonly subject: Subject
  readonly policy: Policy
  readonly allow: readonly CompiledRule[]
  readonly ask: readonly CompiledRule[]
  readonly deny: readonly CompiledRule[]
  readonly ceilings: readonly CompiledCeiling[]
  readonly granted: readonly Permission[]
  readonly suspended: boolean
  readonly counts: { readonly [rule: string]: RuleCount }
  readonly rates: { readonly sign?: Bucket; readonly crypt?: Bucket }
  readonly measures: Measures
  /** Whether somebody can be asked. */
  readonly canAsk: boolean
}

const NOTHING = {
  error: null,
  uses: [],
  notify: false,
  consent: null,
  missed: [],
  capped: null,
  retryAt: null,
  undecided: null,
} as const satisfies Partial<Decision>

export function decide(input: Case): Decision {
  const refused = guard(input) ?? ceilingDenial(input)
  if (refused !== undefined) return refused
  const denied = firstOf(input.deny, input)
  if (denied.rule !== undefined) return denial(denied.rule, input)
  const ruled = byRules(input)
  const decision = limit(cap(ruled, input), input)
  return denied.undecided === null ? decision : { ...decision, undecided: denied.undecided }
}

// -- 1: what no rule can allow -----------------------------------------------------------------

function guard({ subject, policy, suspended, measures }: Case): Decision | undefined {
  const refuse = (name: string, error: string): Decision => ({
    ...NOTHING,
    effect: 'deny',
    stage: 'guard',
    name: `guard: ${name}`,
    error,
  })
  const { expiresAt } = policy
  if (suspended) return refuse('suspended', 'denied: this app is suspended')
  if (expiresAt !== undefined && measures.now >= expiresAt * 1_000)
    return refuse('expired', 'denied: the access of this app has expired')
  if (subject.kind === null) return undefined
  const never = neverSignedReason(subject.kind)
  if (never !== undefined) return refuse('never signed', `denied: ${never}`)
  if (isAhead(subject, FUTURE_DENY_SECONDS, measures.now))
    return refuse('far ahead', 'denied: created_at is too far in the future')
  return undefined
}

function isAhead({ facts }: Subject, seconds: Seconds, now: Millis): boolean {
  return (facts.createdAt ?? 0) - Math.floor(now / 1_000) > seconds
}

// -- 2 and 3: ceilings, and what is denied -----------------------------------------------------

function ceilingDenial(input: Case): Decision | undefined {
  const name = ceilingOf(input, 'deny')
  if (name === undefined) return undefined
  return {
    ...NOTHING,
    effect: 'deny',
    stage: 'ceiling',
    name,
    error: `denied: ${thingOf(input.subject)} is ruled out here`,
  }
}

function ceilingOf({ ceilings, subject, measures }: Case, effect: 'ask' | 'deny'): string | undefined {
  return ceilings.find(
    ({ ceiling, target }) => ceiling.effect === effect && concerns(target, subject, measures.readList),
  )?.name
}

function denial({ rule, name }: CompiledRule, { subject, measures }: Case): Decision {
  const retryAt = rule.until === undefined ? null : rule.until * 1_000
  const span = retryAt === null ? '' : ` for ${secondsUntil(retryAt, measures.now)}s`
  const error = `denied: ${thingOf(subject)} is refused to this app${span}`
  return { ...NOTHING, effect: 'deny', stage: 'deny', name, error, retryAt }
}

/** The first `ask` or `deny` rule that holds; else the caveat that only the missing facts of an old record keep from telling. */
function firstOf(
  rules: readonly CompiledRule[],
  { subject, measures }: Case,
): { readonly rule: CompiledRule | undefined; readonly undecided: CaveatName | null } {
  let undecided: CaveatName | null = null
  for (const rule of rules) {
    if (!concerns(rule.target, subject, measures.readList)) continue
    const misses = missesOf(rule.rule, true, subject, undefined, measures)
    if (misses.length === 0) return { rule, undecided: null }
    undecided ??= unknownOf(misses)
  }
  return { rule: undefined, undecided }
}

/** The caveat that cannot be told, if nothing else fails. */
function unknownOf(misses: readonly Miss[]): CaveatName | null {
  return misses.every(({ unknown }) => unknown === true) ? (misses[0]?.caveat ?? null) : null
}

// -- 4 to 6: grants, questions, the preset, the default ----------------------------------------

function byRules(input: Case): Decision {
  const { subject, granted, counts, measures } = input
  const missed: Missed[] = []
  let undecided: CaveatName | null = null
  let named = false
  let isForOthers = false
  for (const { rule, target, name, key, own } of input.allow) {
    if (!allows(target, subject, measures.readList)) {
      isForOthers ||= own && allowsSomePeers(target, subject)
      continue
    }
    const misses = missesOf(rule, false, subject, counts[key], measures)
    if (misses.length === 0)
      return {
        ...NOTHING,
        effect: 'allow',
        stage: 'allow',
        name,
        uses: [{ key, caveats: rule }],
        notify: rule.notify === true,
        missed,
      }
    missed.push({ name, misses, caveats: rule })
    named ||= own
    undecided ??= unknownOf(misses)
  }
  const throttled = throttle(missed)
  if (throttled !== null) return { ...throttled, missed, undecided }
  const asked = firstOf(input.ask, input)
  if (asked.rule !== undefined) {
    const { name } = asked.rule
    return { ...NOTHING, effect: 'ask', stage: 'ask', name, missed, undecided }
  }
  // What a rule of the policy names is not for the preset or a bare grant to allow: the caveats of the rule would mean nothing.
  const isFree = !named && !isForOthers
  const decision =
    byPreset(input, named) ?? (isFree && isGranted(granted, subject) ? GRANTED : byDefault(input))
  return {
    ...decision,
    missed: [...missed, ...decision.missed],
    undecided: undecided ?? asked.undecided ?? decision.undecided,
  }
}

/** Nothing in the policy is about the request, and no preset is, which is about everything. */
const GRANTED: Decision = { ...NOTHING, effect: 'allow', stage: 'allow', name: 'granted' }

function isGranted(granted: readonly Permission[], subject: Subject): boolean {
  return granted.some(({ method, kind }) => {
    if (method !== subject.method) return false
    if (kind !== undefined) return kind === subject.kind
    return subject.kind === null || !carriesAuthority(subject.kind)
  })
}

/** A rate that is used up is answered with when to come back: asking a person for each event of a flood helps nobody. */
function throttle(missed: readonly Missed[]): Decision | null {
  let found: Decision | null = null
  for (const { name, misses } of missed) {
    const at = misses.find(({ caveat }) => caveat === 'rate')?.at
    if (typeof at !== 'number' || (found?.retryAt != null && found.retryAt <= at)) continue
    found = { ...NOTHING, effect: 'deny', stage: 'rate', name: `rate: ${name}`, retryAt: at }
  }
  return found
}

/** The strictest of what the preset says about each category of the request. */
function byPreset(input: Case, named: boolean): Decision | undefined {
  const { policy, subject } = input
  if (policy.preset === undefined) return undefined
  const all = subject.categories.map((category) => byEntry(input, policy.preset ?? 'paranoid', category))
  const worst = all.reduce((a, b) => (RANK[b.effect] > RANK[a.effect] ? b : a))
  const missed = all.flatMap((decision) => decision.missed)
  if (worst.effect !== 'allow') return { ...worst, missed }
  if (named) return { ...NOTHING, effect: 'ask', stage: 'default', name: 'default', missed }
  return {
    ...worst,
    missed,
    uses: all.flatMap(({ uses }) => uses),
    notify: all.some(({ notify }) => notify),
  }
}

const RANK: { readonly [effect in Effect]: number } = { allow: 0, ask: 1, deny: 2 }

function byEntry({ subject, counts, measures }: Case, preset: PresetName, category: CategoryName): Decision {
  const { effect, caveats, otherwise = 'ask', yes = null } = PRESETS[preset].entries[category]
  const name = `preset ${preset}: @${category}`
  const base: Decision = { ...NOTHING, effect, stage: 'preset', name, consent: effect === 'ask' ? yes : null }
  if (caveats === undefined) return base
  const key = presetKey(preset, category)
  const misses = missesOf(caveats, false, subject, counts[key], measures)
  if (misses.length === 0) return { ...base, uses: [{ key, caveats }], notify: caveats.notify === true }
  const missed = [{ name, misses, caveats }]
  const throttled = throttle(missed)
  if (throttled !== null) return { ...throttled, missed, undecided: unknownOf(misses) }
  return { ...base, effect: otherwise, consent: yes, missed, undecided: unknownOf(misses) }
}

function presetKey(preset: PresetName, category: CategoryName): string {
  return `preset ${preset} @${category}`
}

function byDefault({ canAsk }: Case): Decision {
  return { ...NOTHING, effect: canAsk ? 'ask' : 'deny', stage: 'default', name: 'default' }
}

// -- what stands above the outcome -------------------------------------------------------------

/** A yes becomes a question where only a person may say it, and a question a no where nobody can be asked. */
function cap(decision: Decision, input: Case): Decision {
  const { subject, measures, canAsk } = input
  const capped = decision.effect === 'deny' ? null : capOf(input)
  const { consent, ...rest } = decision
  const held: Decision =
    capped === null
      ? decision
      : decision.effect === 'allow'
        ? {
            ...rest,
            effect: 'ask',
            stage: capped.stage,
            name: capped.name,
            consent: null,
            uses: [],
            notify: false,
            capped: decision.name,
          }
        : { ...rest, consent: null }
  if (held.effect === 'allow') return held
  const silent: Decision = held.effect === 'ask' && !canAsk ? { ...held, effect: 'deny' } : held
  if (silent.effect === 'ask') return { ...silent, error: ownGrantOf(input) }
  return { ...silent, ...refusal(silent, subject, measures.now, ownGrantOf(input)) }
}

function capOf(input: Case): Pick<Decision, 'stage' | 'name'> | null {
  const { subject, measures } = input
  const ceiling = ceilingOf(input, 'ask')
  if (ceiling !== undefined) return { stage: 'ceiling', name: ceiling }
  if (subject.method === 'nip44_get_key') return { stage: 'guard', name: 'guard: hands out a key' }
  if (!isAhead(subject, FUTURE_ASK_SECONDS, measures.now)) return null
  return { stage: 'guard', name: 'guard: ahead of time' }
}

/** Where a grant without kinds, or a range, stops short of a kind that carries authority. */
function ownGrantOf({ subject, allow, granted }: Case): string | null {
  const { kind } = subject
  if (kind === null || !carriesAuthority(kind)) return null
  const bare =
    allow.some(({ target }) => wouldAllow(target, subject)) ||
    granted.some((permission) => permission.method === 'sign_event' && permission.kind === undefined)
  return bare ? `denied: kind ${kind} needs its own grant` : null
}

/** The words of a no: when to come back if waiting helps, else what would have to be granted. */
function refusal(
  decision: Decision,
  subject: Subject,
  now: Millis,
  ownGrant: string | null,
): { readonly error: string; readonly retryAt: Millis | null } {
  const waits = decision.missed
    .filter(({ misses }) => misses.every(({ at }) => typeof at === 'number'))
    .map(({ misses }) => Math.max(...misses.map(({ at }) => at ?? 0)))
  const retryAt = decision.retryAt ?? (waits.length === 0 ? null : Math.min(...waits))
  if (retryAt !== null) return { error: rateLimited(retryAt, now), retryAt }
  if (ownGrant !== null) return { error: ownGrant, retryAt }
  const spent = decision.missed.some(({ misses }) => misses.some(({ at }) => at === null))
  const why = spent
    ? 'its grant is used up'
    : decision.missed.length > 0
      ? 'its grant does not cover this one'
      : 'not granted'
  return { error: `denied: ${thingOf(subject)}: ${why}`, retryAt }
}

/** The speed of a session as a whole: what nobody refused still waits its turn. */
function limit(decision: Decision, { subject, policy, rates, measures }: Case): Decision {
  if (decision.effect === 'deny') return decision
  const name = bucketOf(subject)
  const rate = rateOf(policy, name)
  if (rate === null) return decision
  const room = roomInBucket(rates[name], rate, measures.now)
  if (room.fits) return decision
  const { at } = room
  const error = rateLimited(at ?? measures.now, measures.now)
  return {
    ...NOTHING,
    effect: 'deny',
    stage: 'rate',
    name: `rate: ${name}`,
    error,
    retryAt: at,
    undecided: decision.undecided,
  }
}

export function bucketOf({ method }: Subject): 'sign' | 'crypt' {
  return method === 'sign_event' ? 'sign' : 'crypt'
}

export function rateOf({ preset, rates }: Policy, name: 'sign' | 'crypt'): Rate | null {
  const own = rates?.[name]
  return own === undefined ? PRESETS[preset ?? 'standard'][name] : own
}

// -- words -------------------------------------------------------------------------------------

function rateLimited(at: Millis, now: Millis): string {
  return `rate-limited: retry in ${secondsUntil(at, now)}s`
}

function secondsUntil(at: Millis, now: Millis): number {
  return Math.max(1, Math.ceil((at - now) / 1_000))
}

/** What is asked for, as a grant would name it. */
export function thingOf({ method, kind }: Subject): string {
  return kind === null ? method : `${method}:${kind}`
}
