/**
 * Grants as one line of text, such as `sign_event:1|7[rate=10/1m],ask:sign_event:3`: sugar for the JSON of rules, and a superset of
 * the perms of NIP-46.
 * Never decides what is valid; the text becomes JSON, and `parsePolicy` judges that.
 */

import { ok, type Result } from '@nip46/core'
import { distinct } from './json-shape.ts'
import { CEILINGS, GRANTS_CHARS, RULES } from './limits.ts'
import { readCeiling, readRule } from './policy-json.ts'
import { fail, type PolicyProblem, read } from './problem.ts'
import type { Caveats, Ceiling, KindTerm, Quota, Rate, Rule, TagCaveat } from './rule.ts'
import {
  formatDay,
  formatDuration,
  formatHours,
  formatInstant,
  formatOffset,
  parseDay,
  parseDuration,
  parseHours,
  parseInstant,
  parseOffset,
} from './time-text.ts'

/**
 * A comma-separated list of grants as rules, without repeats. What NIP-46 calls perms (`sign_event:1,nip44_decrypt`) reads the same.
 *
 * ```text
 * grant  = [effect ":"] ( method / "@" category ) [":" term *("|" term)] ["[" caveat *(";" caveat) "]"]
 * effect = "allow" / "ask" / "deny"                        ; default allow
 * term   = kind / kind "-" kind / "@" category             ; for sign_event
 *        / npub / 64 hex / "self" / "follows" / "list:" id ; for encryption, decryption, @dm.read and @dm.write
 * ```
 *
 * Caveats: `until=2026-12-31T00:00Z` `for=10m` `hours=09:00-17:00@+02:00` `days=mon,tue` `max=3` `max=500/1d` `each=20/1d`
 * `rate=10/1m,burst=20` `peers<=30/1d` `tag.t=a,b` `tag.t~text` `tag.e<=1` `notag.e` `content=a` `content~text` `len<=280` `links<=1`
 * `skew<=60s` `relay=wss://…` `url=https://…/*` `http=GET` `shrink<=5%` `amount<=21000/1d` `via=wss://…` `notify`.
 * A value with a space or one of `,;|[]"` is written as a JSON string.
 */
export function parseGrants(text: string): Result<readonly Rule[], PolicyProblem> {
  return read(() => {
    const grants = splitGrants(text)
    if (grants.length > RULES) fail('policy/limit', 'grants', `at most ${RULES} grants`)
    return ok(distinct(grants.map((grant, i) => readRule(readGrant(grant, `grants[${i}]`), `grants[${i}]`))))
  })
}

/** Like {@link parseGrants}, for ceilings: `ask:@money,deny:@destructive`. */
export function parseCeilings(text: string): Result<readonly Ceiling[], PolicyProblem> {
  return read(() => {
    const grants = splitGrants(text)
    if (grants.length > CEILINGS) fail('policy/limit', 'ceilings', `at most ${CEILINGS} ceilings`)
    return ok(
      distinct(grants.map((grant, i) => readCeiling(readGrant(grant, `ceilings[${i}]`), `ceilings[${i}]`))),
    )
  })
}

/** The text that {@link parseGrants} reads as these rules. */
export function formatGrants(rules: readonly (Rule | Ceiling)[]): string {
  return rules.map(formatRule).join(',')
}

/** One rule as text; `allow:` is left out. */
export function formatRule(rule: Rule | Ceiling): string {
  const effect = rule.effect === 'allow' ? '' : `${rule.effect}:`
  const caveats = formatCaveats(rule as Rule)
  return `${effect}${formatTarget(rule)}${caveats.length === 0 ? '' : `[${caveats.join(';')}]`}`
}

/** What a rule is about, without its effect and caveats. */
export function formatTarget(rule: Rule | Ceiling): string {
  const head = rule.category === undefined ? rule.method : `@${rule.category}`
  const terms = rule.kinds?.map(formatKind) ?? rule.peers
  return `${head}${terms === undefined ? '' : `:${terms.join('|')}`}`
}

// -- reading -----------------------------------------------------------------------------------

type Raw = Record<string, unknown>

function readGrant(grant: string, path: string): Raw {
  const open = grant.indexOf('[')
  const head = (open < 0 ? grant : grant.slice(0, open)).trim()
  if (open >= 0 && !grant.endsWith(']')) fail('policy/shape', path, 'caveats end with ] and nothing after it')
  const effect = /^(allow|ask|deny):/.exec(head)?.[1]
  const action = effect === undefined ? head : head.slice(effect.length + 1)
  const raw: Raw = { ...(effect !== undefined && { effect }), ...readAction(action, path) }
  if (open >= 0) readCaveats(grant.slice(open + 1, -1), raw, path)
  return raw
}

function readAction(action: string, path: string): Raw {
  const colon = action.indexOf(':')
  if (action.startsWith('@')) {
    if (colon < 0) return { category: action.slice(1) }
    return { category: action.slice(1, colon), peers: action.slice(colon + 1).split('|') }
  }
  if (colon < 0) return { method: action }
  const method = action.slice(0, colon)
  const terms = action.slice(colon + 1).split('|')
  if (method !== 'sign_event') return { method, peers: terms }
  return { method, kinds: terms.map((term) => readKind(term, path)) }
}

function readKind(term: string, path: string): unknown {
  if (term.startsWith('@')) return term
  const parts = /^(0|[1-9][0-9]{0,4})(?:-(0|[1-9][0-9]{0,4}))?$/.exec(term)
  if (parts === null)
    return fail('policy/kind', path, 'kinds are numbers, ranges such as 20-22, or @category, joined by |')
  return parts[2] === undefined ? Number(parts[1]) : [Number(parts[1]), Number(parts[2])]
}

function readCaveats(body: string, raw: Raw, path: string): void {
  for (const caveat of split(body, ';', path)) {
    if (caveat === '') fail('policy/caveat', path, 'a caveat is missing between [ ; ]')
    readCaveat(caveat, raw, path)
  }
}

function readCaveat(caveat: string, raw: Raw, path: string): void {
  if (caveat === 'notify') return set(raw, 'notify', true, path)
  if (caveat.startsWith('notag.')) return add(raw, { name: caveat.slice(6), max: 0 })
  const parts = /^([a-z]+)(?:\.([^=~<]+))?(=|<=|~)(.*)$/s.exec(caveat)
  if (parts === null) return fail('policy/caveat', path, `no such caveat: ${shown(caveat)}`)
  const [, word = '', dotted, op = '', value = ''] = parts
  const at = `${path}.${word}`
  if (word === 'tag' && dotted !== undefined) return add(raw, readTag(dotted, op, value, at))
  const known = dotted === undefined ? CAVEATS[`${word}${op}`] : undefined
  if (known === undefined) return fail('policy/caveat', path, `no such caveat: ${shown(`${word}${op}`)}`)
  known(raw, value, at)
}

type ReadCaveat = (raw: Raw, value: string, path: string) => void

const CAVEATS: { readonly [head: string]: ReadCaveat | undefined } = Object.assign(
  Object.create(null) as Record<string, ReadCaveat>,
  {
    'until=': (raw, value, path) => set(raw, 'until', instant(value, path), path),
    'for=': (raw, value, path) => set(raw, 'for', duration(value, path), path),
    'hours=': (raw, value, path) => {
      const [hours = '', zone] = value.split('@')
      const parsed = parseHours(hours)
      if (parsed === undefined)
        fail('policy/caveat', path, 'hours are written 09:00-17:30, in UTC or with @+02:00')
      set(raw, 'hours', parsed, path)
      if (zone !== undefined) set(raw, 'offset', offset(zone, path), path)
    },
    'days=': (raw, value, path) => {
      const [days = '', zone] = value.split('@')
      set(
        raw,
        'days',
        days.split(',').map((day) => parseDay(day) ?? -1),
        path,
      )
      if (zone !== undefined) set(raw, 'offset', offset(zone, path), path)
    },
    'max=': (raw, value, path) => {
      if (value.includes('/')) set(raw, 'max', quota(value, path), path)
      else set(raw, 'maxUses', integer(value, path), path)
    },
    'each=': (raw, value, path) => set(raw, 'each', quota(value, path), path),
    'rate=': (raw, value, path) => {
      const [main = '', extra, ...more] = value.split(',')
      if (more.length > 0 || (extra !== undefined && !extra.startsWith('burst=')))
        fail('policy/caveat', path, 'a rate is written rate=10/1m or rate=10/1m,burst=20')
      const burst = extra === undefined ? {} : { burst: integer(extra.slice(6), path) }
      set(raw, 'rate', { ...quota(main, path), ...burst }, path)
    },
    'peers<=': (raw, value, path) => set(raw, 'breadth', quota(value, path), path),
    'content=': (raw, value, path) => setContent(raw, 'is', items(value, path), path),
    'content~': (raw, value, path) => setContent(raw, 'has', items(value, path), path),
    'len<=': (raw, value, path) => set(raw, 'length', integer(value, path), path),
    'links<=': (raw, value, path) => set(raw, 'links', integer(value, path), path),
    'skew<=': (raw, value, path) => set(raw, 'skew', duration(value, path), path),
    'relay=': (raw, value, path) => set(raw, 'relays', items(value, path), path),
    'url=': (raw, value, path) => set(raw, 'urls', items(value, path), path),
    'http=': (raw, value, path) => set(raw, 'http', items(value, path), path),
    'shrink<=': (raw, value, path) => {
      if (!value.endsWith('%')) fail('policy/caveat', path, 'a share is written shrink<=5%')
      set(raw, 'shrink', integer(value.slice(0, -1), path), path)
    },
    'amount<=': (raw, value, path) => {
      const [msat = '', per, ...more] = value.split('/')
      if (more.length > 0)
        fail('policy/caveat', path, 'an amount is written amount<=21000 or amount<=21000/1d')
      const seconds = per === undefined ? {} : { seconds: duration(per, path) }
      set(raw, 'amount', { msat: integer(msat, path), ...seconds }, path)
    },
    'via=': (raw, value, path) => set(raw, 'via', items(value, path), path),
  } satisfies { readonly [head: string]: ReadCaveat },
)

function readTag(name: string, op: string, value: string, path: string): Raw {
  if (op === '<=') return { name, max: integer(value, path) }
  if (op === '=') return { name, is: items(value, path) }
  const [has, ...more] = items(value, path)
  if (more.length > 0) fail('policy/caveat', path, 'one text after ~; write a comma as a JSON string')
  return { name, has }
}

/** Each caveat once, but the offset of hours and days, which may be said twice if it is the same. */
function set(raw: Raw, field: string, value: unknown, path: string): void {
  if (raw[field] !== undefined && !(field === 'offset' && raw[field] === value))
    fail('policy/caveat', path, `${field} is said twice`)
  raw[field] = value
}

function setContent(raw: Raw, field: string, value: unknown, path: string): void {
  const content = (raw['content'] ?? {}) as Raw
  set(content, field, value, path)
  raw['content'] = content
}

function add(raw: Raw, tag: Raw): void {
  raw['tags'] = [...((raw['tags'] as Raw[] | undefined) ?? []), tag]
}

function integer(text: string, path: string): number {
  if (/^[0-9]{1,16}$/.test(text)) return Number(text)
  return fail('policy/limit', path, 'must be a whole number')
}

function duration(text: string, path: string): number {
  return parseDuration(text) ?? fail('policy/limit', path, 'a duration is written 90s, 10m, 1h, 7d or 2w')
}

function quota(text: string, path: string): Quota {
  const [count = '', per = '', ...more] = text.split('/')
  if (more.length > 0) fail('policy/limit', path, 'a limit is written 10/1m')
  return { count: integer(count, path), seconds: duration(per, path) }
}

function instant(text: string, path: string): number {
  return parseInstant(text) ?? fail('policy/expiry', path, 'a time is written 2026-12-31T00:00Z')
}

function offset(text: string, path: string): number {
  return parseOffset(text) ?? fail('policy/caveat', path, 'an offset is written Z or +02:00; no zone names')
}

function items(text: string, path: string): readonly string[] {
  return split(text, ',', path).map((item) => (item.startsWith('"') ? unquote(item, path) : item))
}

function unquote(text: string, path: string): string {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'string') return value
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause
  }
  return fail('policy/shape', path, 'a quoted value must be a JSON string')
}

// -- writing -----------------------------------------------------------------------------------

/** Each caveat as a grant says it. */
export function formatCaveats(rule: Caveats): readonly string[] {
  const { until, hours, days, offset: zone, maxUses, max, each, rate, breadth, tags, content } = rule
  const { length, links, skew, relays, urls, http, shrink, amount, via, notify } = rule
  const span = rule.for
  const at = zone === undefined ? '' : `@${formatOffset(zone)}`
  const per = (seconds: number | undefined): string =>
    seconds === undefined ? '' : `/${formatDuration(seconds)}`
  return [
    ...(until === undefined ? [] : [`until=${formatInstant(until)}`]),
    ...(span === undefined ? [] : [`for=${formatDuration(span)}`]),
    ...(hours === undefined ? [] : [`hours=${formatHours(hours)}${at}`]),
    ...(days === undefined ? [] : [`days=${days.map(formatDay).join(',')}${at}`]),
    ...(maxUses === undefined ? [] : [`max=${maxUses}`]),
    ...(max === undefined ? [] : [`max=${formatQuota(max)}`]),
    ...(each === undefined ? [] : [`each=${formatQuota(each)}`]),
    ...(rate === undefined ? [] : [`rate=${formatRate(rate)}`]),
    ...(breadth === undefined ? [] : [`peers<=${formatQuota(breadth)}`]),
    ...(tags ?? []).map(formatTag),
    ...(content?.is === undefined ? [] : [`content=${content.is.map(quote).join(',')}`]),
    ...(content?.has === undefined ? [] : [`content~${content.has.map(quote).join(',')}`]),
    ...(length === undefined ? [] : [`len<=${length}`]),
    ...(links === undefined ? [] : [`links<=${links}`]),
    ...(skew === undefined ? [] : [`skew<=${formatDuration(skew)}`]),
    ...(relays === undefined ? [] : [`relay=${relays.map(quote).join(',')}`]),
    ...(urls === undefined ? [] : [`url=${urls.map(quote).join(',')}`]),
    ...(http === undefined ? [] : [`http=${http.join(',')}`]),
    ...(shrink === undefined ? [] : [`shrink<=${shrink}%`]),
    ...(amount === undefined ? [] : [`amount<=${amount.msat}${per(amount.seconds)}`]),
    ...(via === undefined ? [] : [`via=${via.map(quote).join(',')}`]),
    ...(notify === undefined ? [] : ['notify']),
  ]
}

function formatQuota({ count, seconds }: Quota): string {
  return `${count}/${formatDuration(seconds)}`
}

function formatRate(rate: Rate): string {
  return `${formatQuota(rate)}${rate.burst === undefined ? '' : `,burst=${rate.burst}`}`
}

function formatTag({ name, is, has, max }: TagCaveat): string {
  if (is !== undefined) return `tag.${name}=${is.map(quote).join(',')}`
  if (has !== undefined) return `tag.${name}~${quote(has)}`
  return max === 0 ? `notag.${name}` : `tag.${name}<=${max}`
}

function formatKind(term: KindTerm): string {
  return typeof term === 'object' ? `${term[0]}-${term[1]}` : String(term)
}

function quote(text: string): string {
  return text === '' || /[\s,;|[\]"]/.test(text) ? JSON.stringify(text) : text
}

// -- splitting ---------------------------------------------------------------------------------

function splitGrants(text: string): readonly string[] {
  if (text.length > GRANTS_CHARS)
    fail('policy/too-large', 'grants', `at most ${GRANTS_CHARS} characters of grants`)
  return split(text, ',', 'grants').filter((grant) => grant !== '')
}

/** At each separator outside brackets and JSON strings; pieces without the white space around them. */
function split(text: string, separator: string, path: string): readonly string[] {
  const pieces: string[] = []
  let start = 0
  let depth = 0
  let quoted = false
  for (let i = 0; i < text.length; i++) {
    const char = text[i]
    if (quoted) {
      if (char === '\\') i++
      else if (char === '"') quoted = false
    } else if (char === '"') quoted = true
    else if (char === '[') depth++
    else if (char === ']') depth--
    else if (char === separator && depth === 0) {
      pieces.push(text.slice(start, i).trim())
      start = i + 1
    }
    if (depth < 0 || depth > 1) fail('policy/shape', path, 'brackets do not match')
  }
  if (quoted || depth !== 0) fail('policy/shape', path, 'a bracket or a quoted value has no end')
  return [...pieces, text.slice(start).trim()]
}

function shown(text: string): string {
  return text.replaceAll(/[^ -~]/g, '?').slice(0, 40)
}
