/**
 * Policies as JSON: read strictly, given back in the one canonical form. A field that is not known is an error, since a typo
 * must never widen a grant.
 * Never evaluates a policy, and never guesses what was meant.
 */

import {
  cleanText,
  limits as core,
  isHex64,
  isMethod,
  isOperationMethod,
  isWellFormed,
  ok,
  parsePubkey,
  parseRelayUrl,
  type Result,
} from '@nip46/core'
import { type CategoryName, carriesAuthority, isCategory } from './category.ts'
import {
  BREADTH_MAX,
  CEILINGS,
  COUNT_MAX,
  MSAT_MAX,
  NAME_CHARS,
  OFFSET_MAX,
  PEER_COUNTING_RULES,
  RULES,
  SECONDS_MAX,
  TAG_CAVEATS,
  TERMS,
  TIME_MAX,
  VALUE_CHARS,
  VALUES,
} from './limits.ts'
import { fail, type PolicyProblem, type PolicyProblemCode, read } from './problem.ts'
import type {
  Amount,
  Caveats,
  Ceiling,
  ContentCaveat,
  Effect,
  KindTerm,
  PeerTerm,
  Policy,
  PresetName,
  Quota,
  Rate,
  Rates,
  Rule,
  TagCaveat,
} from './rule.ts'
import { normalizeUrlTerm } from './url-set.ts'

type Fields = { readonly [field: string]: unknown }

const PRESET_NAMES: readonly string[] = ['paranoid', 'standard', 'bot', 'full'] satisfies PresetName[]
const EFFECTS: readonly string[] = ['allow', 'ask', 'deny'] satisfies Effect[]

const TARGET_FIELDS = ['effect', 'method', 'category', 'kinds', 'peers']
/** Caveats that only an `allow` may carry: what is counted or measured against the past. */
const ALLOW_ONLY = ['maxUses', 'max', 'each', 'rate', 'breadth', 'shrink', 'amount', 'notify'] as const
/** Caveats about an event. */
const EVENT_ONLY = ['tags', 'content', 'links', 'skew', 'relays', 'urls', 'http', 'shrink', 'amount'] as const
/** Categories that are about a conversation with somebody. */
const PEER_CATEGORIES: readonly CategoryName[] = ['dm.read', 'dm.write']
/** Caveats about a conversation. */
const PEER_ONLY = ['each', 'breadth'] as const
const CAVEAT_FIELDS = [
  'until',
  'for',
  'hours',
  'days',
  'offset',
  'maxUses',
  'max',
  'each',
  'rate',
  'breadth',
  'tags',
  'content',
  'length',
  'links',
  'skew',
  'relays',
  'urls',
  'http',
  'shrink',
  'amount',
  'via',
  'notify',
] as const satisfies readonly (keyof Caveats)[]

/**
 * A policy from JSON (already parsed). `v` and `effect` may be left out. The result is canonical: policies that say the same have
 * the same `JSON.stringify`, and reading it again changes nothing.
 */
export function parsePolicy(value: unknown): Result<Policy, PolicyProblem> {
  return read(() => {
    const fields = asFields(value, 'policy', [
      'v',
      'name',
      'preset',
      'expiresAt',
      'rules',
      'ceilings',
      'rates',
    ])
    if (fields['v'] !== undefined && fields['v'] !== 1) fail('policy/version', 'v', 'v must be 1')
    const { name, preset, expiresAt, rates } = fields
    const rules = distinct(asList(fields['rules'] ?? [], 'rules', RULES).map(readRule))
    if (
      rules.filter(({ each, breadth }) => each !== undefined || breadth !== undefined).length >
      PEER_COUNTING_RULES
    )
      fail('policy/limit', 'rules', `at most ${PEER_COUNTING_RULES} rules that count peer by peer`)
    const ceilings = distinct(asList(fields['ceilings'] ?? [], 'ceilings', CEILINGS).map(readCeiling))
    return ok({
      v: 1,
      ...(name !== undefined && { name: readName(name) }),
      ...(preset !== undefined && { preset: readPreset(preset) }),
      ...(expiresAt !== undefined && { expiresAt: readTime(expiresAt, 'expiresAt') }),
      rules,
      ...(ceilings.length > 0 && { ceilings }),
      ...(rates !== undefined && { rates: readRates(rates) }),
    })
  })
}

/** One rule from JSON; `path` is where it stands, for problems. */
export function parseRule(value: unknown, path: string): Result<Rule, PolicyProblem> {
  return read(() => ok(readRule(value, path)))
}

export function readRule(value: unknown, index: number | string): Rule {
  const path = typeof index === 'number' ? `rules[${index}]` : index
  const fields = asFields(value, path, [...TARGET_FIELDS, ...CAVEAT_FIELDS])
  const rawEffect = fields['effect'] ?? 'allow'
  if (typeof rawEffect !== 'string' || !EFFECTS.includes(rawEffect))
    fail('policy/effect', `${path}.effect`, 'effect must be allow, ask or deny')
  const effect = rawEffect as Effect
  const target = readTarget(fields, path)
  checkFit(fields, effect, target, path)
  return { effect, ...target, ...readCaveats(fields, path) }
}

export function readCeiling(value: unknown, index: number | string): Ceiling {
  const path = typeof index === 'number' ? `ceilings[${index}]` : index
  const fields = asFields(value, path, TARGET_FIELDS)
  const { effect } = fields
  if (effect !== 'ask' && effect !== 'deny')
    return fail('policy/effect', `${path}.effect`, 'effect of a ceiling must be ask or deny')
  return { effect, ...readTarget(fields, path) }
}

/** What is left of a list when what stands in it twice stands there once. */
export function distinct<T>(items: readonly T[]): readonly T[] {
  const seen = new Set<string>()
  return items.filter((item) => {
    const text = JSON.stringify(item)
    if (seen.has(text)) return false
    seen.add(text)
    return true
  })
}

// -- targets -----------------------------------------------------------------------------------

type Target = Pick<Rule, 'method' | 'category' | 'kinds' | 'peers'>

function readTarget(fields: Fields, path: string): Target {
  const { method, category, kinds, peers } = fields
  if (category !== undefined) {
    if (method !== undefined || kinds !== undefined)
      fail('policy/category', `${path}.category`, 'a category stands alone: no method and no kinds')
    const name = readCategoryName(category, `${path}.category`)
    if (peers === undefined) return { category: name }
    if (!PEER_CATEGORIES.includes(name))
      fail('policy/peer', `${path}.peers`, 'of the categories only dm.read and dm.write take peers')
    return { category: name, peers: readPeers(peers, `${path}.peers`) }
  }
  if (typeof method !== 'string' || !isMethod(method))
    return fail('policy/method', `${path}.method`, 'method must be a method of NIP-46; * is not one')
  if (kinds !== undefined && method !== 'sign_event')
    fail('policy/kind', `${path}.kinds`, 'kinds go with sign_event only')
  if (peers !== undefined && (!isOperationMethod(method) || method === 'sign_event'))
    fail('policy/peer', `${path}.peers`, 'peers go with encryption and decryption only')
  return {
    method,
    ...(kinds !== undefined && { kinds: readKinds(kinds, `${path}.kinds`) }),
    ...(peers !== undefined && { peers: readPeers(peers, `${path}.peers`) }),
  }
}

function readKinds(value: unknown, path: string): readonly KindTerm[] {
  const singles = new Set<number>()
  const ranges: [number, number][] = []
  const names = new Set<`@${CategoryName}`>()
  const list = asList(value, path, TERMS)
  if (list.length === 0) fail('policy/kind', path, 'name at least one kind, or leave kinds out')
  list.forEach((term, i) => {
    const at = `${path}[${i}]`
    if (typeof term === 'string' && term.startsWith('@')) {
      names.add(`@${readCategoryName(term.slice(1), at)}`)
    } else if (Array.isArray(term) && term.length === 2) {
      const [first, last] = [readKind(term[0], at), readKind(term[1], at)]
      if (first > last) fail('policy/kind', at, 'a range goes from the lower kind to the higher')
      if (first === last) singles.add(first)
      else ranges.push([first, last])
    } else singles.add(readKind(term, at))
  })
  const merged = mergeRanges(ranges)
  const within = (kind: number): boolean => merged.some(([first, last]) => first <= kind && kind <= last)
  // A range does not cover a kind that carries authority, so naming one beside it says something.
  const kept = [...singles].filter((kind) => carriesAuthority(kind) || !within(kind)).sort((a, b) => a - b)
  return [...kept, ...merged, ...[...names].sort()]
}

function mergeRanges(ranges: readonly [number, number][]): readonly [number, number][] {
  const merged: [number, number][] = []
  for (const [first, last] of [...ranges].sort((a, b) => a[0] - b[0])) {
    const previous = merged.at(-1)
    if (previous !== undefined && first <= previous[1] + 1) previous[1] = Math.max(previous[1], last)
    else merged.push([first, last])
  }
  return merged
}

function readKind(value: unknown, path: string): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > core.KIND_MAX)
    return fail('policy/kind', path, `a kind is an integer from 0 to ${core.KIND_MAX}`)
  return value
}

function readPeers(value: unknown, path: string): readonly PeerTerm[] {
  const list = asList(value, path, TERMS)
  if (list.length === 0) fail('policy/peer', path, 'name at least one peer, or leave peers out')
  return sortedSet(list.map((term, i) => readPeer(term, `${path}[${i}]`)))
}

function readPeer(value: unknown, path: string): PeerTerm {
  if (value === 'self' || value === 'follows') return value
  if (typeof value === 'string' && value.startsWith('list:')) return readListName(value, path)
  if (typeof value === 'string' && (value.startsWith('npub1') || isHex64(value))) {
    const pubkey = parsePubkey(value)
    if (pubkey.ok) return pubkey.value
  }
  return fail('policy/peer', path, 'a peer is a pubkey, self, follows or list:ID')
}

function readListName(value: string, path: string): string {
  const id = value.slice(5)
  if (!/^[A-Za-z0-9_.-]+$/.test(id) || id.length > NAME_CHARS)
    fail('policy/peer', path, `the id of a list has 1 to ${NAME_CHARS} letters, digits, dots, _ or -`)
  return value
}

function readCategoryName(value: unknown, path: string): CategoryName {
  if (typeof value === 'string' && isCategory(value)) return value
  return fail('policy/category', path, 'no such category')
}

// -- caveats -----------------------------------------------------------------------------------

function checkFit(fields: Fields, effect: Effect, target: Target, path: string): void {
  const refuse = (names: readonly string[], why: string): void => {
    const name = names.find((field) => fields[field] !== undefined)
    if (name !== undefined) fail('policy/caveat', `${path}.${name}`, why)
  }
  if (effect !== 'allow') refuse(ALLOW_ONLY, `only a rule that allows can be limited by this`)
  if (target.category !== undefined) {
    if (!PEER_CATEGORIES.includes(target.category))
      refuse(PEER_ONLY, 'this caveat is about conversations: use it with encryption or decryption')
    if (target.peers !== undefined) refuse(EVENT_ONLY, 'with peers, a category is about no event')
    return
  }
  if (target.method !== 'sign_event')
    refuse(EVENT_ONLY, 'this caveat is about events: use it with sign_event')
  if (target.method === 'sign_event' || !isOperationMethod(target.method ?? ''))
    refuse(PEER_ONLY, 'this caveat is about conversations: use it with encryption or decryption')
}

function readCaveats(fields: Fields, path: string): Caveats {
  const at = (name: string): string => `${path}.${name}`
  const { until, hours, days, offset, maxUses, max, each, rate, breadth, tags, content } = fields
  const { length, links, skew, relays, urls, http, shrink, amount, via, notify } = fields
  const span = fields['for']
  if (offset !== undefined && hours === undefined && days === undefined)
    fail('policy/caveat', at('offset'), 'offset goes with hours or days')
  if (notify !== undefined && notify !== true) fail('policy/shape', at('notify'), 'notify must be true')
  return {
    ...(until !== undefined && { until: readTime(until, at('until')) }),
    ...(span !== undefined && { for: readSeconds(span, at('for')) }),
    ...(hours !== undefined && { hours: readHours(hours, at('hours')) }),
    ...(days !== undefined && { days: readDays(days, at('days')) }),
    ...(offset !== undefined &&
      offset !== 0 && { offset: readInteger(offset, at('offset'), -OFFSET_MAX, OFFSET_MAX) }),
    ...(maxUses !== undefined && { maxUses: readInteger(maxUses, at('maxUses'), 1, COUNT_MAX) }),
    ...(max !== undefined && { max: readQuota(max, at('max')) }),
    ...(each !== undefined && { each: readQuota(each, at('each')) }),
    ...(rate !== undefined && { rate: readRate(rate, at('rate')) }),
    ...(breadth !== undefined && { breadth: readQuota(breadth, at('breadth'), BREADTH_MAX) }),
    ...(tags !== undefined && { tags: readTags(tags, at('tags')) }),
    ...(content !== undefined && { content: readContent(content, at('content')) }),
    ...(length !== undefined && { length: readInteger(length, at('length'), 0, COUNT_MAX) }),
    ...(links !== undefined && { links: readInteger(links, at('links'), 0, COUNT_MAX) }),
    ...(skew !== undefined && { skew: readSeconds(skew, at('skew'), 0) }),
    ...(relays !== undefined && { relays: readSet(relays, at('relays'), readRelay) }),
    ...(urls !== undefined && { urls: readSet(urls, at('urls'), readUrl) }),
    ...(http !== undefined && { http: readSet(http, at('http'), readVerb) }),
    ...(shrink !== undefined && { shrink: readInteger(shrink, at('shrink'), 0, 100) }),
    ...(amount !== undefined && { amount: readAmount(amount, at('amount')) }),
    ...(via !== undefined && { via: readSet(via, at('via'), readRelay) }),
    ...(notify === true && { notify }),
  }
}

function readTime(value: unknown, path: string): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > TIME_MAX)
    return fail('policy/expiry', path, 'a time is a whole number of Unix seconds')
  return value
}

function readSeconds(value: unknown, path: string, least = 1): number {
  return readInteger(value, path, least, SECONDS_MAX)
}

function readInteger(value: unknown, path: string, least: number, most: number): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < least || value > most)
    return fail('policy/limit', path, `must be a whole number from ${least} to ${most}`)
  return value
}

function readQuota(value: unknown, path: string, most: number = COUNT_MAX): Quota {
  const fields = asFields(value, path, ['count', 'seconds'])
  return {
    count: readInteger(fields['count'], `${path}.count`, 1, most),
    seconds: readSeconds(fields['seconds'], `${path}.seconds`),
  }
}

function readRate(value: unknown, path: string): Rate {
  const fields = asFields(value, path, ['count', 'seconds', 'burst'])
  const count = readInteger(fields['count'], `${path}.count`, 1, COUNT_MAX)
  const seconds = readSeconds(fields['seconds'], `${path}.seconds`)
  const burst =
    fields['burst'] === undefined ? count : readInteger(fields['burst'], `${path}.burst`, 1, COUNT_MAX)
  return burst === count ? { count, seconds } : { count, seconds, burst }
}

function readAmount(value: unknown, path: string): Amount {
  const fields = asFields(value, path, ['msat', 'seconds'])
  const msat = readInteger(fields['msat'], `${path}.msat`, 0, MSAT_MAX)
  if (fields['seconds'] === undefined) return { msat }
  return { msat, seconds: readSeconds(fields['seconds'], `${path}.seconds`) }
}

function readHours(value: unknown, path: string): readonly [number, number] {
  const list = asList(value, path, 2)
  const from = readInteger(list[0], `${path}[0]`, 0, 1_439)
  const to = readInteger(list[1], `${path}[1]`, 0, 1_440)
  if (from === to) fail('policy/limit', path, 'hours need two different times')
  return [from, to]
}

function readDays(value: unknown, path: string): readonly number[] {
  const days = asList(value, path, 7).map((day, i) => readInteger(day, `${path}[${i}]`, 0, 6))
  if (days.length === 0) fail('policy/limit', path, 'name at least one day')
  return [...new Set(days)].sort((a, b) => a - b)
}

function readTags(value: unknown, path: string): readonly TagCaveat[] {
  const list = asList(value, path, TAG_CAVEATS)
  if (list.length === 0) fail('policy/limit', path, 'name at least one tag')
  const caveats = list.map((item, i): TagCaveat => {
    const at = `${path}[${i}]`
    const { name, is, has, max } = asFields(item, at, ['name', 'is', 'has', 'max'])
    if ([is, has, max].filter((part) => part !== undefined).length !== 1)
      fail('policy/caveat', at, 'a tag caveat has exactly one of is, has and max')
    const named = { name: readTagName(name, `${at}.name`) }
    if (is !== undefined) return { ...named, is: readSet(is, `${at}.is`, readValue) }
    if (has !== undefined) return { ...named, has: readValue(has, `${at}.has`) }
    return { ...named, max: readInteger(max, `${at}.max`, 0, core.TEMPLATE_TAGS) }
  })
  return distinct([...caveats].sort(byJson))
}

function readTagName(value: unknown, path: string): string {
  if (typeof value === 'string' && /^[A-Za-z0-9_-]{1,32}$/.test(value)) return value
  return fail('policy/caveat', path, 'the name of a tag has 1 to 32 letters, digits, _ or -')
}

function readContent(value: unknown, path: string): ContentCaveat {
  const { is, has } = asFields(value, path, ['is', 'has'])
  if (is === undefined && has === undefined) fail('policy/caveat', path, 'content needs is or has')
  return {
    ...(is !== undefined && { is: readSet(is, `${path}.is`, readText) }),
    ...(has !== undefined && { has: readSet(has, `${path}.has`, readValue) }),
  }
}

/** A text that may be empty: a content can be. */
function readText(value: unknown, path: string): string {
  if (typeof value !== 'string' || !isWellFormed(value)) return fail('policy/shape', path, 'must be a text')
  if (value.length > VALUE_CHARS) fail('policy/limit', path, `at most ${VALUE_CHARS} characters`)
  return value
}

function readValue(value: unknown, path: string): string {
  const text = readText(value, path)
  if (text === '') fail('policy/shape', path, 'must not be empty')
  return text
}

function readRelay(value: unknown, path: string): string {
  const text = readValue(value, path)
  if (text.startsWith('list:')) return readListName(text, path)
  const url = parseRelayUrl(text)
  if (!url.ok) return fail('policy/caveat', path, 'a relay is a wss:// URL or list:ID')
  return url.value
}

function readUrl(value: unknown, path: string): string {
  const text = readValue(value, path)
  if (text.startsWith('list:')) return readListName(text, path)
  const url = normalizeUrlTerm(text)
  return url ?? fail('policy/caveat', path, 'a URL is https://, may end in /* and has no other *')
}

function readVerb(value: unknown, path: string): string {
  const text = readValue(value, path).toUpperCase()
  if (!/^[A-Z]{1,16}$/.test(text)) fail('policy/caveat', path, 'an HTTP method is letters only')
  return text
}

// -- the rest of a policy ----------------------------------------------------------------------

function readName(value: unknown): string {
  if (typeof value !== 'string') return fail('policy/shape', 'name', 'name must be a text')
  if (value.length > NAME_CHARS) fail('policy/limit', 'name', `at most ${NAME_CHARS} characters`)
  if (cleanText(value, NAME_CHARS) !== value || value === '')
    fail('policy/shape', 'name', 'name must be one line of visible characters')
  return value
}

function readPreset(value: unknown): PresetName {
  if (typeof value === 'string' && PRESET_NAMES.includes(value)) return value as PresetName
  return fail('policy/preset', 'preset', `preset must be one of ${PRESET_NAMES.join(', ')}`)
}

function readRates(value: unknown): Rates {
  const { sign, crypt } = asFields(value, 'rates', ['sign', 'crypt'])
  const rate = (part: unknown, path: string): Rate | null => (part === null ? null : readRate(part, path))
  return {
    ...(sign !== undefined && { sign: rate(sign, 'rates.sign') }),
    ...(crypt !== undefined && { crypt: rate(crypt, 'rates.crypt') }),
  }
}

// -- helpers -----------------------------------------------------------------------------------

/** The own members of an object, all of them known. */
export function asFields(value: unknown, path: string, known: readonly string[]): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return fail('policy/shape', path, 'must be an object')
  const unknown = Object.keys(value).find((field) => !known.includes(field))
  if (unknown !== undefined) {
    const name = cleanText(unknown, NAME_CHARS)
    fail('policy/unknown-field', `${path}.${name}`, `no such field; known are ${known.join(', ')}`)
  }
  // Only own members: what a prototype holds was not written here.
  return Object.assign(Object.create(null) as Record<string, unknown>, value)
}

function asList(
  value: unknown,
  path: string,
  most: number,
  code: PolicyProblemCode = 'policy/limit',
): readonly unknown[] {
  if (!Array.isArray(value)) return fail('policy/shape', path, 'must be a list')
  if (value.length > most) fail(code, path, `at most ${most} entries`)
  return value
}

function readSet(
  value: unknown,
  path: string,
  readItem: (item: unknown, path: string) => string,
): readonly string[] {
  const list = asList(value, path, VALUES)
  if (list.length === 0) fail('policy/limit', path, 'must not be empty')
  return sortedSet(list.map((item, i) => readItem(item, `${path}[${i}]`)))
}

function sortedSet(items: readonly string[]): readonly string[] {
  return [...new Set(items)].sort()
}

function byJson(a: unknown, b: unknown): number {
  const [left, right] = [JSON.stringify(a), JSON.stringify(b)]
  return left < right ? -1 : left > right ? 1 : 0
}
