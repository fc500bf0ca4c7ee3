/**
 * Rules made ready to be asked: what they are about as sets, how an audit record names them, and under which key they count.
 * Never looks at a caveat.
 */

import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js'
import { type CategoryName, carriesAuthority, readCategory } from './category.ts'
import { formatRule, formatTarget } from './grant-text.ts'
import { RULE_NAME_CHARS } from './limits.ts'
import type { Ceiling, KindTerm, Policy, Rule } from './rule.ts'
import type { Subject } from './subject.ts'
import type { ReadList } from './url-set.ts'

export interface Target {
  readonly method: string | null
  readonly category: CategoryName | null
  /** Null: every kind. */
  readonly kinds: Kinds | null
  /** Null: every peer. */
  readonly peers: readonly string[] | null
}

interface Kinds {
  readonly named: ReadonlySet<number>
  readonly ranges: readonly (readonly [number, number])[]
  readonly categories: ReadonlySet<CategoryName>
}

export interface CompiledRule {
  readonly rule: Rule
  readonly target: Target
  /** As audit records name it: `allow sign_event:1[rate=10/1m]`. */
  readonly name: string
  /** Under which it counts. */
  readonly key: string
  /** True for rules of the policy, false for what was remembered of a person. */
  readonly own: boolean
}

export interface CompiledCeiling {
  readonly ceiling: Ceiling
  readonly target: Target
  readonly name: string
}

export interface CompiledPolicy {
  readonly policy: Policy
  readonly allow: readonly CompiledRule[]
  readonly ask: readonly CompiledRule[]
  readonly deny: readonly CompiledRule[]
  readonly ceilings: readonly CompiledCeiling[]
}

export function compilePolicy(policy: Policy): CompiledPolicy {
  const rules = compileRules(policy.rules, true)
  const of = (effect: Rule['effect']): readonly CompiledRule[] =>
    rules.filter(({ rule }) => rule.effect === effect)
  return {
    policy,
    allow: of('allow'),
    ask: of('ask'),
    deny: of('deny'),
    ceilings: compileCeilings(policy.ceilings ?? [], 'ceiling of the policy'),
  }
}

/** Rules about the same thing count apart: the second one under `#2`. `own`: rules of a policy, else those of a person. */
export function compileRules(rules: readonly Rule[], own: boolean): readonly CompiledRule[] {
  const seen = new Map<string, number>()
  return rules.map((rule) => {
    const target = formatTarget(rule)
    const slot = `${rule.effect} ${target}`
    const times = (seen.get(slot) ?? 0) + 1
    seen.set(slot, times)
    const key = shorten(own ? target : `decided ${target}`, 60) + (times === 1 ? '' : `#${times}`)
    const name = own ? ruleName(rule) : `decided: ${ruleName(rule)}`
    return { rule, target: compileTarget(rule), name, key, own }
  })
}

export function compileCeilings(ceilings: readonly Ceiling[], words: string): readonly CompiledCeiling[] {
  return ceilings.map((ceiling) => ({
    ceiling,
    target: compileTarget(ceiling),
    name: shorten(`${words}: ${formatRule(ceiling)}`, RULE_NAME_CHARS),
  }))
}

/** How audit records name a rule of a policy. Different rules have different names. */
export function ruleName(rule: Rule): string {
  const text = rule.effect === 'allow' ? `allow:${formatRule(rule)}` : formatRule(rule)
  const most = RULE_NAME_CHARS - 24
  if (text.length <= most || rule.notify !== true) return shorten(text, most)
  // Whoever reads the record must still see that the owner wants to be told.
  return `${shorten(text, most - NOTIFY.length)}${NOTIFY}`
}

const NOTIFY = ';notify]'

/** Whole if it fits, else its beginning and a hash of all of it. */
function shorten(text: string, most: number): string {
  if (text.length <= most) return text
  const hash = bytesToHex(sha256(utf8ToBytes(text))).slice(0, 16)
  return `${[...text.slice(0, most - 18)].join('')}…${hash}`
}

function compileTarget({ method, category, kinds, peers }: Rule | Ceiling): Target {
  return {
    method: method ?? null,
    category: category ?? null,
    kinds: kinds === undefined ? null : compileKinds(kinds),
    peers: peers ?? null,
  }
}

function compileKinds(terms: readonly KindTerm[]): Kinds {
  const named = new Set<number>()
  const ranges: (readonly [number, number])[] = []
  const categories = new Set<CategoryName>()
  for (const term of terms) {
    if (typeof term === 'number') named.add(term)
    else if (typeof term === 'string') categories.add(readCategory(term.slice(1) as CategoryName).name)
    else ranges.push(term)
  }
  return { named, ranges, categories }
}

/**
 * Whether an `allow` names this request. A kind that carries authority has to be named, by number or as its strictest category:
 * no bare `sign_event` and no range ever covers it.
 */
export function allows(target: Target, subject: Subject, readList: ReadList): boolean {
  const { kind, categories } = subject
  const strictest = categories[0]
  if (target.category !== null)
    return target.category === strictest && coversPeer(target.peers, subject, readList, false)
  if (target.method !== subject.method) return false
  if (kind === null) return coversPeer(target.peers, subject, readList, false)
  if (target.kinds === null) return !carriesAuthority(kind)
  const { named, ranges, categories: wanted } = target.kinds
  if (named.has(kind) || (strictest !== undefined && wanted.has(strictest))) return true
  return !carriesAuthority(kind) && isWithin(ranges, kind)
}

/** Whether an `ask`, a `deny` or a ceiling is about this request: at its widest, with everybody in a list that is not known. */
export function concerns(target: Target, subject: Subject, readList: ReadList): boolean {
  const { kind, categories } = subject
  if (target.category !== null)
    return categories.includes(target.category) && coversPeer(target.peers, subject, readList, true)
  if (target.method !== subject.method) return false
  if (kind === null) return coversPeer(target.peers, subject, readList, true)
  if (target.kinds === null) return true
  const { named, ranges, categories: wanted } = target.kinds
  return named.has(kind) || isWithin(ranges, kind) || categories.some((category) => wanted.has(category))
}

/** Whether an `allow` would name it, if the kind did not carry authority. */
export function wouldAllow(target: Target, subject: Subject): boolean {
  const { kind, method } = subject
  if (kind === null || !carriesAuthority(kind) || target.method !== method) return false
  return target.kinds === null || isWithin(target.kinds.ranges, kind)
}

/** Whether an `allow` names what is asked for, with some peers, whoever these are. */
export function allowsSomePeers(
  { method, category, peers }: Target,
  { categories, ...subject }: Subject,
): boolean {
  if (peers === null) return false
  return category === null ? method === subject.method : category === categories[0]
}

function isWithin(ranges: readonly (readonly [number, number])[], kind: number): boolean {
  return ranges.some(([first, last]) => first <= kind && kind <= last)
}

/** `unknown`: whether a list that the host does not know has everybody in it. */
function coversPeer(
  peers: readonly string[] | null,
  { peer, self }: Subject,
  readList: ReadList,
  unknown: boolean,
): boolean {
  if (peers === null) return true
  if (peer === null) return false
  return peers.some((term) => {
    if (term === 'self') return self
    if (term !== 'follows' && !term.startsWith('list:')) return term === peer
    return readList(term === 'follows' ? term : term.slice(5))?.includes(peer) ?? unknown
  })
}
