/**
 * Whether a rule's caveats hold for a request, and what a use of it counts. Every caveat must hold; none ever widens its rule.
 * Never decides what happens when one does not.
 */

import type { EventTemplate, Millis, Seconds } from '@nip46/core'
import {
  countBreadth,
  countInBucket,
  countInWindow,
  countPeer,
  type Room,
  type RuleCount,
  roomForBreadth,
  roomForPeer,
  roomInBucket,
  roomInWindow,
} from './counter.ts'
import { findList, isReplaceable, type ListMemory, lossAgainst, memoryOf } from './list-memory.ts'
import type { Caveats, ContentCaveat, TagCaveat } from './rule.ts'
import { countLinks, msatOf, type Subject, tagValues, verbsOf } from './subject.ts'
import { isRelayIn, isUrlIn, mayFitOrigin, type ReadList } from './url-set.ts'

/** What caveats are measured with. */
export interface Measures {
  readonly now: Millis
  /** When the policy was given. */
  readonly since: Seconds
  readonly readList: ReadList
  readonly lists: readonly ListMemory[]
  /** The event that this one would replace, as the host last saw it; undefined if it does not know. */
  readonly latest: (template: EventTemplate) => EventTemplate | undefined
  readonly salt: string
}

export type CaveatName = keyof Caveats

/** A caveat that does not hold. */
export interface Miss {
  readonly caveat: CaveatName
  /** True if only facts are left of the request, and they do not tell. */
  readonly unknown?: true
  /** How much was used, of a limit that counts. */
  readonly used?: number
  /** When there is room again, in Unix milliseconds. Null: never. Left out: waiting changes nothing. */
  readonly at?: Millis | null
}

/** Limits that run out by use. */
export const COUNTING: readonly CaveatName[] = ['maxUses', 'max', 'each', 'rate', 'breadth', 'amount']

/**
 * Every caveat that does not hold, in the order of {@link Caveats}; empty if all do. `widest` is true for `ask` and `deny`: there one
 * tag or text that fits is enough, so that nothing slips past by adding to an event.
 */
export function missesOf(
  caveats: Caveats,
  widest: boolean,
  subject: Subject,
  count: RuleCount | undefined,
  measures: Measures,
): readonly Miss[] {
  const misses: Miss[] = []
  const check = (caveat: CaveatName, holds: boolean | null): void => {
    if (holds === null) misses.push({ caveat, unknown: true })
    else if (!holds) misses.push({ caveat })
  }
  const room = (caveat: CaveatName, found: Room): void => {
    if (!found.fits) misses.push({ caveat, used: found.used, at: found.at })
  }
  const { until, hours, days, maxUses, max, each, rate, breadth, tags, content, length } = caveats
  const { links, skew, relays, urls, http, shrink, amount, via } = caveats
  const { now, since, readList } = measures
  const span = caveats.for
  if (until !== undefined) check('until', now < until * 1_000)
  if (span !== undefined) check('for', now < (since + span) * 1_000)
  if (hours !== undefined) check('hours', isWithinHours(hours, caveats.offset, now))
  if (days !== undefined) check('days', days.includes(localDay(caveats.offset, now)))
  if (maxUses !== undefined && (count?.uses ?? 0) >= maxUses)
    misses.push({ caveat: 'maxUses', used: count?.uses ?? 0, at: null })
  if (max !== undefined) room('max', roomInWindow(count?.max, max, now))
  if (each !== undefined) {
    if (subject.peer === null) check('each', false)
    else room('each', roomForPeer(count?.each, each, subject.peer, now))
  }
  if (rate !== undefined) room('rate', roomInBucket(count?.rate, rate, now))
  if (breadth !== undefined) {
    if (subject.peer === null) check('breadth', false)
    else room('breadth', roomForBreadth(count?.breadth, breadth, subject.peer, now))
  }
  for (const tag of tags ?? []) check('tags', holdsTag(tag, widest, subject))
  if (content !== undefined) check('content', holdsContent(content, widest, subject))
  if (length !== undefined) check('length', subject.facts.length <= length)
  if (links !== undefined) check('links', isAtMost(linksOf(subject), links))
  if (skew !== undefined) check('skew', isAtMost(skewOf(subject, now), skew))
  if (relays !== undefined)
    check(
      'relays',
      fitOf(relaysOf(subject), widest, (url) => isRelayIn(url, relays, readList, widest)),
    )
  if (urls !== undefined) check('urls', holdsUrls(subject, urls, widest, readList))
  if (http !== undefined)
    check(
      'http',
      fitOf(verbs(subject), widest, (verb) => http.includes(verb)),
    )
  if (shrink !== undefined) check('shrink', holdsShrink(subject, shrink, measures))
  if (amount !== undefined) {
    const msat = amountOf(subject)
    if (msat === undefined) check('amount', false)
    else {
      const limit = { count: amount.msat, seconds: amount.seconds ?? 0 }
      room('amount', roomInWindow(count?.spent, limit, now, msat))
    }
  }
  if (via !== undefined)
    check('via', subject.relay === null ? null : isRelayIn(subject.relay, via, readList, widest))
  return misses
}

/** What a rule has counted once this use is in it; the same value if the rule counts nothing. */
export function countUse(
  caveats: Caveats,
  subject: Subject,
  count: RuleCount | undefined,
  now: Millis,
): RuleCount | undefined {
  const { maxUses, max, each, rate, breadth, amount } = caveats
  const counted: RuleCount = {
    ...count,
    ...(maxUses !== undefined && { uses: (count?.uses ?? 0) + 1 }),
    ...(max !== undefined && { max: countInWindow(count?.max, max.seconds, now) }),
    ...(rate !== undefined && { rate: countInBucket(count?.rate, rate, now) }),
    ...(amount !== undefined && {
      spent: countInWindow(count?.spent, amount.seconds ?? 0, now, amountOf(subject) ?? 0),
    }),
    ...(subject.peer !== null &&
      each !== undefined && { each: countPeer(count?.each, each.seconds, subject.peer, now) }),
    ...(subject.peer !== null &&
      breadth !== undefined && { breadth: countBreadth(count?.breadth, breadth.seconds, subject.peer, now) }),
  }
  return COUNTING.some((name) => caveats[name] !== undefined) ? counted : count
}

// -- time --------------------------------------------------------------------------------------

function localMinutes(offset: number | undefined, now: Millis): number {
  return Math.floor(now / 60_000) + (offset ?? 0)
}

function isWithinHours(
  [from, to]: readonly [number, number],
  offset: number | undefined,
  now: Millis,
): boolean {
  const minute = ((localMinutes(offset, now) % 1_440) + 1_440) % 1_440
  return from < to ? from <= minute && minute < to : minute >= from || minute < to
}

/** 0 is Sunday; the first day of Unix time was a Thursday. */
function localDay(offset: number | undefined, now: Millis): number {
  const day = (Math.floor(localMinutes(offset, now) / 1_440) + 4) % 7
  return (day + 7) % 7
}

// -- the event ---------------------------------------------------------------------------------

function holdsTag({ name, is, has, max }: TagCaveat, widest: boolean, subject: Subject): boolean | null {
  const { template, facts } = subject
  if (subject.kind === null) return false
  if (max !== undefined) {
    const counted = template === null ? countOfFacts(subject, name) : tagValues(template, name).length
    if (counted === null) return null
    return widest ? counted > max : counted <= max
  }
  if (template === null) {
    const none = facts.moreTags !== true && !Object.hasOwn(facts.tags ?? {}, name)
    return none ? false : null
  }
  const values = tagValues(template, name)
  const fits = (value: string | undefined): boolean =>
    value !== undefined && (is === undefined ? value.includes(has ?? '') : is.includes(value))
  return widest ? values.some(fits) : values.length > 0 && values.every(fits)
}

function countOfFacts({ facts }: Subject, name: string): number | null {
  const { tags = {}, moreTags } = facts
  if (Object.hasOwn(tags, name)) return tags[name] ?? 0
  return moreTags === true ? null : 0
}

function holdsContent({ is, has }: ContentCaveat, widest: boolean, subject: Subject): boolean | null {
  if (subject.kind === null) return false
  if (subject.template === null) return null
  const { content } = subject.template
  if (is !== undefined && !is.includes(content)) return false
  if (has === undefined) return true
  return widest ? has.some((text) => content.includes(text)) : has.every((text) => content.includes(text))
}

function linksOf({ template, facts }: Subject): number | undefined {
  return template === null
    ? facts.createdAt === undefined
      ? undefined
      : (facts.links ?? 0)
    : countLinks(template.content)
}

function skewOf({ facts }: Subject, now: Millis): number | undefined {
  return facts.createdAt === undefined ? undefined : Math.abs(facts.createdAt - Math.floor(now / 1_000))
}

/** Undefined: there is nothing to measure, so the caveat does not hold. */
function isAtMost(value: number | undefined, most: number): boolean {
  return value !== undefined && value <= most
}

/**
 * Every one of them and at least one: an event that names a second relay or address must not ride on the first. For `ask` and
 * `deny` one is enough.
 */
function fitOf(
  values: readonly (string | undefined)[],
  widest: boolean,
  fits: (value: string) => boolean,
): boolean {
  const holds = (value: string | undefined): boolean => value !== undefined && fits(value)
  return widest ? values.some(holds) : values.length > 0 && values.every(holds)
}

function relaysOf({ kind, template, facts }: Subject): readonly (string | undefined)[] {
  if (kind !== 22_242) return []
  return template === null ? (facts.relays ?? []) : tagValues(template, 'relay')
}

function verbs({ template, facts }: Subject): readonly string[] {
  return template === null ? (facts.verbs ?? []) : verbsOf(template)
}

function holdsUrls(
  { kind, template, facts }: Subject,
  terms: readonly string[],
  widest: boolean,
  readList: ReadList,
): boolean | null {
  if (kind !== 27_235) return false
  if (template !== null)
    return fitOf(tagValues(template, 'u'), widest, (url) => isUrlIn(url, terms, readList, widest))
  const found = (facts.origins ?? []).map((origin) =>
    origin === '' ? false : mayFitOrigin(origin, terms, readList, widest),
  )
  if (found.includes(widest)) return widest
  return found.includes(null) ? null : !widest && found.length > 0
}

function amountOf({ template, facts }: Subject): number | undefined {
  return template === null ? facts.msat : msatOf(template)
}

/** An earlier state must be known, of this session or of the host, and against each that is known no more may get lost. */
function holdsShrink({ kind, template }: Subject, most: number, measures: Measures): boolean | null {
  if (kind === null) return false
  if (!isReplaceable(kind)) return true
  if (template === null) return null
  const { lists, latest, salt, now } = measures
  const own = findList(lists, template)
  const seen = latest(template)
  if (own === undefined && seen === undefined) return false
  const known = [
    ...(own === undefined ? [] : [own]),
    ...(seen === undefined ? [] : [memoryOf(seen, salt, now)]),
  ]
  return known.every((memory) => lossAgainst(memory, template, salt) <= most)
}
