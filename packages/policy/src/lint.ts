/**
 * What in a policy does nothing, or something else than it seems to say.
 * Never changes a policy, and never judges by the lists and ceilings of a host that it was not given.
 */

import { isOperationMethod, type Millis, neverSignedReason } from '@nip46/core'
import { carriesAuthority } from './category.ts'
import { COUNTING } from './caveat.ts'
import { type CompiledCeiling, type CompiledRule, compileCeilings, compilePolicy } from './compile.ts'
import { formatRule } from './grant-text.ts'
import {
  isWithinReach,
  type Reach,
  reachOfConcern,
  reachOfGrant,
  type Universe,
  unite,
  universeOf,
} from './reach.ts'
import type { Caveats, Ceiling, Policy, Rule } from './rule.ts'

/** What `lint` finds; a finding says in words what it means and what to do. */
export type FindingCode =
  | 'lint/expired'
  | 'lint/never-holds'
  | 'lint/shadowed'
  | 'lint/capped'
  | 'lint/redundant'
  | 'lint/not-judged'
  | 'lint/always-asked'
  | 'lint/every-kind'
  | 'lint/authority-left-out'
  | 'lint/authority-unlimited'
  | 'lint/unlimited-decrypt'
  | 'lint/any-address'

/** `error`: it can never do what it says. `warning`: it does less, or allows more, than a reader may think. */
export interface Finding {
  readonly code: FindingCode
  readonly level: 'error' | 'warning'
  /** Such as `rules[2]` or `expiresAt`. */
  readonly where: string
  readonly words: string
  readonly fix: string
}

interface Entry {
  readonly index: number
  readonly compiled: CompiledRule
  readonly reach: Reach
}

/**
 * In the order of the rules; empty if nothing was found. `now` is in Unix milliseconds. `ceilings`: those of the host and the key, if
 * they are known.
 *
 * ```ts
 * import { lint, parsePolicy } from '@nip46/policy'
 *
 * const policy = parsePolicy({ rules: [{ method: 'nip44_decrypt' }] })
 * if (policy.ok) for (const { where, words, fix } of lint(policy.value, Date.now())) console.log(where, words, fix)
 * ```
 */
export function lint(
  policy: Policy,
  now: Millis,
  options: { readonly ceilings?: readonly Ceiling[] } = {},
): readonly Finding[] {
  const compiled = compilePolicy(policy)
  const ceilings = [...compileCeilings(options.ceilings ?? [], 'ceiling'), ...compiled.ceilings]
  const rules = policy.rules.flatMap((rule, index) => {
    const found = [...compiled.allow, ...compiled.ask, ...compiled.deny].find((one) => one.rule === rule)
    return found === undefined ? [] : [{ index, compiled: found }]
  })
  const universe = universeOf([
    ...rules.map((entry) => entry.compiled.target),
    ...ceilings.map((one) => one.target),
  ])
  const entries = rules.map(({ index, compiled: one }): Entry => {
    const reach = one.rule.effect === 'allow' ? reachOfGrant(one, universe) : reachOfConcern(one, universe)
    return { index, compiled: one, reach }
  })
  const findings: Finding[] = []
  if (policy.expiresAt !== undefined && policy.expiresAt * 1_000 <= now)
    findings.push({
      code: 'lint/expired',
      level: 'error',
      where: 'expiresAt',
      words: 'The policy has expired, so it refuses everything.',
      fix: 'Set a later expiresAt.',
    })
  const walls = wallsOf(entries, ceilings, universe)
  for (const entry of entries) {
    const dead = deadRule(entry, policy, now) ?? behindWall(entry, walls) ?? besideGrants(entry, entries)
    if (dead !== undefined) findings.push(dead)
    if (dead === undefined || dead.level === 'warning') findings.push(...surprises(entry, entries))
    const free = dead === undefined ? unlimitedAuthority(entry, walls) : undefined
    if (free !== undefined) findings.push(free)
  }
  return findings
}

// -- rules that can never do anything ----------------------------------------------------------

function deadRule(
  { index, compiled: { rule }, reach }: Entry,
  { preset }: Policy,
  now: Millis,
): Finding | undefined {
  const text = formatRule(rule)
  // A grant that does not hold is still named, so the preset does not allow in its place.
  const still =
    preset !== undefined && rule.effect === 'allow'
      ? ' It still keeps the preset from allowing what it names.'
      : ''
  if (rule.until !== undefined && rule.until * 1_000 <= now)
    return report(
      'lint/expired',
      'error',
      index,
      `${text} is over.${still}`,
      'Remove it, or set a later until.',
    )
  if (rule.method !== undefined && !isOperationMethod(rule.method))
    return report(
      'lint/not-judged',
      'warning',
      index,
      `${text}: ${rule.method} is answered without asking a policy.`,
      'Remove it.',
    )
  if (reach.size > 0) return undefined
  return report(
    'lint/never-holds',
    'error',
    index,
    `${text} can never hold: what it names is never signed with the user’s key, or its caveats fit nothing that it names.${still}`,
    'Remove it, or name what its caveats are about.',
  )
}

/** What stands above grants and questions, each with its name, and what it takes from them. */
interface Wall {
  readonly effect: 'ask' | 'deny'
  readonly text: string
  /** Its rule; null for a ceiling. */
  readonly index: number | null
  readonly reach: Reach
}

function wallsOf(
  entries: readonly Entry[],
  ceilings: readonly CompiledCeiling[],
  universe: Universe,
): readonly Wall[] {
  const denials = entries
    .filter(({ compiled: { rule } }) => rule.effect === 'deny' && isUnconditional(rule))
    .map(
      ({ index, compiled: { rule }, reach }): Wall => ({
        effect: 'deny',
        text: formatRule(rule),
        index,
        reach,
      }),
    )
  const caps = ceilings.map((one): Wall => {
    const { effect } = one.ceiling
    return { effect, text: one.name, index: null, reach: reachOfConcern(one, universe) }
  })
  return [...caps, ...denials]
}

function behindWall(
  { index, compiled: { rule }, reach }: Entry,
  walls: readonly Wall[],
): Finding | undefined {
  const text = formatRule(rule)
  // Of two denials of the same, the later one is the one too many.
  const before = walls.filter(
    (wall) =>
      wall.effect === 'deny' &&
      wall.index !== index &&
      (rule.effect !== 'deny' || wall.index === null || isBefore(wall, index, reach)),
  )
  const denied = coveredBy(reach, before)
  if (denied !== undefined) {
    if (rule.effect === 'deny')
      return report('lint/redundant', 'warning', index, `${text} adds nothing to ${denied}.`, 'Remove it.')
    return report(
      'lint/shadowed',
      'error',
      index,
      `${text} never comes up: ${denied} denies all of it, and a denial always wins.`,
      'Remove one of them, or let the denial name less.',
    )
  }
  if (rule.effect !== 'allow') return undefined
  const asked = coveredBy(
    reach,
    walls.filter(({ index: own }) => own === null),
  )
  if (asked === undefined) return undefined
  return report(
    'lint/capped',
    'warning',
    index,
    `${text} allows nothing by itself: ${asked} makes a question of all of it.`,
    'Remove it, or raise the ceiling.',
  )
}

/** The name of what covers all of it: one that does alone, else all of them. */
function coveredBy(
  reach: Reach,
  covers: readonly { readonly text: string; readonly reach: Reach }[],
): string | undefined {
  const alone = covers.find((cover) => isWithinReach(reach, cover.reach))
  if (alone !== undefined) return alone.text
  const touching = covers.filter((cover) => [...reach].some((item) => cover.reach.has(item)))
  if (touching.length < 2 || !isWithinReach(reach, unite(touching.map((cover) => cover.reach))))
    return undefined
  return touching.map(({ text }) => text).join(' with ')
}

function isBefore(
  other: { readonly index: number | null; readonly reach: Reach },
  index: number,
  reach: Reach,
): boolean {
  return other.index === null || other.index < index || other.reach.size > reach.size
}

/** Beside a grant without caveats, what is narrower says nothing: neither its caveats nor a question. */
function besideGrants(
  { index, compiled: { rule }, reach }: Entry,
  entries: readonly Entry[],
): Finding | undefined {
  if (rule.effect === 'deny') return undefined
  const grants = entries
    .filter(
      (other) =>
        other.index !== index &&
        other.compiled.rule.effect === 'allow' &&
        isUnconditional(other.compiled.rule) &&
        (rule.effect === 'ask' || !isUnconditional(rule) || isBefore(other, index, reach)) &&
        // Who wants to be told is told if the rule is found first.
        !(rule.notify === true && index < other.index),
    )
    .map((other) => ({ text: formatRule(other.compiled.rule), reach: other.reach }))
  const wider = coveredBy(reach, grants)
  if (wider === undefined) return undefined
  const text = formatRule(rule)
  if (rule.effect === 'ask')
    return report(
      'lint/shadowed',
      'error',
      index,
      `${text} never comes up: ${wider} allows all of it, and grants come before questions.`,
      'Remove one of them, or write it as a ceiling.',
    )
  return report(
    'lint/redundant',
    'warning',
    index,
    isUnconditional(rule)
      ? `${text} adds nothing to ${wider}.`
      : `${text} limits nothing: ${wider} allows all of it without caveats.`,
    'Remove one of them.',
  )
}

// -- rules that do something else than it seems ------------------------------------------------

function surprises(entry: Entry, entries: readonly Entry[]): readonly Finding[] {
  const { index, compiled, reach } = entry
  const { rule } = compiled
  if (rule.effect !== 'allow') return []
  const text = formatRule(rule)
  const findings: Finding[] = []
  const warn = (code: FindingCode, words: string, fix: string): void => {
    findings.push(report(code, 'warning', index, words, fix))
  }
  if (rule.method === 'sign_event' && rule.kinds === undefined)
    warn(
      'lint/every-kind',
      `${text} covers every kind that carries no authority, also those that nobody knows yet.`,
      'Name the kinds.',
    )
  const left = authorityLeftOut(rule, entries)
  if (left !== null)
    warn(
      'lint/authority-left-out',
      `${text} does not cover ${left}, which carries authority and needs a grant of its own.`,
      'Name such kinds by number or category if they are meant.',
    )
  if ([...reach].some((item) => item.startsWith('nip44_get_key ')))
    warn(
      'lint/always-asked',
      `${text} allows nothing by itself: nip44_get_key is always asked about.`,
      'Remove it.',
    )
  const reads = ['nip04_decrypt *', 'nip44_decrypt *'].some((item) => reach.has(item))
  if (reads && !COUNTING.some((name) => rule[name] !== undefined))
    warn(
      'lint/unlimited-decrypt',
      `${text} lets the app read every private message without a limit.`,
      'Add a limit such as max=200/1d, each=20/1d or peers<=10/1d, or name the peers.',
    )
  if (reach.has('sign_event 27235')) {
    const whole = (rule.urls ?? []).filter((url) => /^https?:\/\/[^/?]+\/\*$/.test(url))
    if (rule.urls === undefined)
      warn(
        'lint/any-address',
        `${text} logs the user in to any web service.`,
        'Name the addresses with url=.',
      )
    else if (whole.length > 0 && rule.http === undefined)
      warn(
        'lint/any-address',
        `${text} logs in to everything at ${whole.join(' and ')}, with every HTTP method.`,
        'Name a path, or the methods with http=.',
      )
  }
  if (reach.has('sign_event 22242') && rule.relays === undefined)
    warn(
      'lint/any-address',
      `${text} logs the user in to any relay.`,
      'Name the relays with relay=, such as list:relays.',
    )
  return findings
}

/** Kinds that a bare `sign_event` or a range seems to cover, and that no grant names. Null: there are none. */
function authorityLeftOut({ method, kinds }: Rule, entries: readonly Entry[]): string | null {
  if (method !== 'sign_event') return null
  const ranges =
    kinds === undefined ? [[0, 65_535] as const] : kinds.filter((term) => typeof term === 'object')
  const granted = unite(
    entries.filter(({ compiled }) => compiled.rule.effect === 'allow').map(({ reach }) => reach),
  )
  const left: number[] = []
  for (const [first, last] of ranges)
    for (let kind = first; kind <= last; kind++)
      if (
        carriesAuthority(kind) &&
        neverSignedReason(kind) === undefined &&
        !granted.has(`sign_event ${kind}`)
      )
        left.push(kind)
  return left.length === 0 ? null : listKinds(left)
}

/** Logins have findings of their own: what matters there is where to. */
function unlimitedAuthority(
  { index, compiled: { rule }, reach }: Entry,
  walls: readonly Wall[],
): Finding | undefined {
  if (rule.effect !== 'allow' || !isUnconditional(rule)) return undefined
  const kinds = [...reach].flatMap((item) => {
    const kind = Number(/^sign_event (\d+)$/.exec(item)?.[1] ?? Number.NaN)
    const isFree = carriesAuthority(kind) && !LOGINS.includes(kind)
    return isFree && !walls.some((wall) => wall.reach.has(item)) ? kind : []
  })
  if (kinds.length === 0) return undefined
  return report(
    'lint/authority-unlimited',
    'warning',
    index,
    `${formatRule(rule)} signs ${listKinds(kinds)}, which carries authority, as often as an app wants.`,
    'Add a limit such as max=5/1d or shrink<=5%, or begin it with ask:.',
  )
}

function listKinds(kinds: readonly number[]): string {
  const shown = kinds.slice(0, LISTED_KINDS).join(', ')
  const more = kinds.length - LISTED_KINDS
  return more > 0 ? `kind ${shown} and ${more} more` : `kind ${shown}`
}

/** NIP-42 and NIP-98. */
const LOGINS: readonly number[] = [22_242, 27_235]

const LISTED_KINDS = 6

function isUnconditional(rule: Rule): boolean {
  const { effect: _, method: _m, category: _c, kinds: _k, peers: _p, notify: _n, ...caveats } = rule
  return Object.keys(caveats satisfies Caveats).length === 0
}

function report(
  code: FindingCode,
  level: Finding['level'],
  index: number,
  words: string,
  fix: string,
): Finding {
  return { code, level, where: `rules[${index}]`, words, fix }
}
