/**
 * What a rule or a ceiling can be about at all, as a finite set, so that two of them can be compared.
 * Never looks at a request: kinds stand for all kinds that no rule tells from them, lists of peers for themselves.
 */

import { neverSignedReason, type OperationMethod } from '@nip46/core'
import { CATEGORIES, categoriesOfKind, readCategory } from './category.ts'
import { allows, type CompiledCeiling, type CompiledRule, concerns, type Target } from './compile.ts'
import type { Caveats } from './rule.ts'
import type { Subject } from './subject.ts'

/** `sign_event 1`, `nip44_decrypt follows`; kinds and peers that stand for others are among them. */
export type Reach = ReadonlySet<string>

/** What kinds and peers the rules of one policy tell apart. */
export interface Universe {
  readonly kinds: readonly number[]
  /** Peers and lists that are named, without `self`. */
  readonly peers: readonly string[]
}

const CONVERSATION: readonly OperationMethod[] = [
  'nip04_encrypt',
  'nip04_decrypt',
  'nip44_encrypt',
  'nip44_decrypt',
  'nip44_get_key',
]
/** Everybody whom no rule names. */
const OTHERS = '*'

export function universeOf(targets: readonly Target[]): Universe {
  const kinds = new Set<number>([0])
  const peers = new Set<string>([OTHERS])
  // Between two of these numbers all kinds are alike, so the first one stands for them.
  const cut = (first: number, last: number): void => {
    kinds.add(first)
    if (last < 65_535) kinds.add(last + 1)
  }
  for (const category of CATEGORIES) {
    for (const [first, last] of category.kinds) cut(first, typeof last === 'number' ? last : first)
    for (const [first, last] of category.kinds)
      if (typeof last === 'number') for (let kind = first; kind < last; kind++) cut(kind, kind)
  }
  for (const target of targets) {
    for (const kind of target.kinds?.named ?? []) cut(kind, kind)
    for (const [first, last] of target.kinds?.ranges ?? []) cut(first, last)
    for (const peer of target.peers ?? []) if (peer !== 'self') peers.add(peer)
  }
  return { kinds: [...kinds], peers: [...peers] }
}

/** What a grant allows at most, with its caveats; nothing if they can never hold. */
export function reachOfGrant({ rule, target }: CompiledRule, universe: Universe): Reach {
  const { kinds } = universe
  const signed = kinds.filter(
    (kind) => neverSignedReason(kind) === undefined && allows(target, subjectOfKind(kind), noList),
  )
  return reachOf(target, signed, rule, universe)
}

/** What a rule that asks or denies, or a ceiling, is about at most. */
export function reachOfConcern(entry: CompiledRule | CompiledCeiling, universe: Universe): Reach {
  const { target } = entry
  const kinds = universe.kinds.filter((kind) => concerns(target, subjectOfKind(kind), noList))
  return reachOf(target, kinds, 'rule' in entry ? entry.rule : {}, universe)
}

export function isWithinReach(inner: Reach, outer: Reach): boolean {
  if (inner.size > outer.size) return false
  for (const item of inner) if (!outer.has(item)) return false
  return true
}

export function unite(reaches: Iterable<Reach>): Reach {
  const all = new Set<string>()
  for (const reach of reaches) for (const item of reach) all.add(item)
  return all
}

function reachOf(target: Target, kinds: readonly number[], caveats: Caveats, { peers }: Universe): Reach {
  const reach = new Set<string>()
  if (contradicts(caveats)) return reach
  if (!needsPeer(caveats)) {
    for (const kind of kinds) if (mayHoldForKind(caveats, kind)) reach.add(`sign_event ${kind}`)
  }
  if (needsEvent(caveats)) return reach
  for (const method of methodsOf(target)) {
    const withSelf = target.category === null || readCategory(target.category).peers !== 'others'
    const withOthers = target.category === null || readCategory(target.category).peers !== 'self'
    for (const peer of peers) {
      const isList = peer === 'follows' || peer.startsWith('list:')
      if (withOthers && (target.peers === null || target.peers.includes(peer))) {
        reach.add(`${method} ${peer}`)
        // The user may stand in a list of their own.
        if (isList && withSelf) reach.add(`${method} ${peer} self`)
      }
      if (isList && withSelf && (target.peers === null || target.peers.includes('self')))
        reach.add(`${method} ${peer} self`)
    }
    if (withSelf && (target.peers === null || target.peers.includes('self'))) reach.add(`${method} self`)
  }
  return reach
}

function methodsOf({ method, category }: Target): readonly OperationMethod[] {
  if (category !== null) return readCategory(category).methods
  return CONVERSATION.filter((name) => name === method)
}

/** As `subjectOf` would make it; only kind and categories are looked at. */
function subjectOfKind(kind: number): Subject {
  return {
    method: 'sign_event',
    kind,
    peer: null,
    self: false,
    categories: categoriesOfKind(kind),
  } as Subject
}

function noList(): undefined {
  return undefined
}

// -- caveats that some requests can never fulfil -----------------------------------------------

function needsEvent({ tags, content, links, skew, relays, urls, http, shrink, amount }: Caveats): boolean {
  return [tags, content, links, skew, relays, urls, http, shrink, amount].some((value) => value !== undefined)
}

function needsPeer({ each, breadth }: Caveats): boolean {
  return each !== undefined || breadth !== undefined
}

function mayHoldForKind({ relays, urls, http, amount }: Caveats, kind: number): boolean {
  if (relays !== undefined && kind !== 22_242) return false
  if (urls !== undefined && kind !== 27_235) return false
  if (http !== undefined && kind !== 27_235 && kind !== 24_242) return false
  return amount === undefined || kind === 9_734
}

/** Whether no event at all could fulfil what is said about its tags and its content. */
function contradicts({ tags = [], content, length }: Caveats): boolean {
  const wanted = tags.filter(({ max }) => max === undefined).map(({ name }) => name)
  if (tags.some(({ name, max }) => max === 0 && wanted.includes(name))) return true
  return content?.is !== undefined && length !== undefined && content.is.every((text) => text.length > length)
}
