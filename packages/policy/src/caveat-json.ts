/**
 * The caveats of a rule, from JSON, and whether they fit what the rule is about.
 * Never takes one that would say nothing there.
 */

import { limits as core, isOperationMethod, parseRelayUrl } from '@nip46/core'
import {
  asFields,
  asList,
  distinct,
  type Fields,
  readInteger,
  readSeconds,
  readSet,
  readText,
  readTime,
  readValue,
} from './json-shape.ts'
import { BREADTH_MAX, COUNT_MAX, MSAT_MAX, OFFSET_MAX, TAG_CAVEATS } from './limits.ts'
import { fail } from './problem.ts'
import type { Amount, Caveats, ContentCaveat, Effect, Quota, Rate, TagCaveat } from './rule.ts'
import { PEER_CATEGORIES, readListName, type Target } from './target-json.ts'
import { normalizeUrlTerm } from './url-set.ts'

/** Caveats that only an `allow` may carry: what is counted or measured against the past. */
const ALLOW_ONLY = ['maxUses', 'max', 'each', 'rate', 'breadth', 'shrink', 'amount', 'notify'] as const
/** Caveats about an event. */
const EVENT_ONLY = ['tags', 'content', 'links', 'skew', 'relays', 'urls', 'http', 'shrink', 'amount'] as const
/** Caveats about a conversation. */
const PEER_ONLY = ['each', 'breadth'] as const
export const CAVEAT_FIELDS: readonly (keyof Caveats)[] = [
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
]

export function checkFit(fields: Fields, effect: Effect, target: Target, path: string): void {
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

export function readCaveats(fields: Fields, path: string): Caveats {
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

function readQuota(value: unknown, path: string, most: number = COUNT_MAX): Quota {
  const fields = asFields(value, path, ['count', 'seconds'])
  return {
    count: readInteger(fields['count'], `${path}.count`, 1, most),
    seconds: readSeconds(fields['seconds'], `${path}.seconds`),
  }
}

export function readRate(value: unknown, path: string): Rate {
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

function byJson(a: unknown, b: unknown): number {
  const [left, right] = [JSON.stringify(a), JSON.stringify(b)]
  return left < right ? -1 : left > right ? 1 : 0
}
