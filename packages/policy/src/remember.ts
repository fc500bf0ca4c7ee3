/**
 * What a person's decision covers from then on: for how long, and what else than this one request.
 * Never covers more than the request's own kind, peer, method or category, and never lasts where authority is at stake.
 */

import { cleanUrl, type JsonValue, type Millis, type Pubkey, parseRelayUrl } from '@nip46/core'
import { type CategoryName, carriesAuthority } from './category.ts'
import { HTTP_LOGIN_SECONDS, OFFSET_MAX } from './limits.ts'
import type { Consent } from './preset.ts'
import type { Caveats, Rule } from './rule.ts'
import { type Subject, tagValues, verbsOf } from './subject.ts'

/** `once`: this request only, and nothing is remembered. */
export type RememberFor = 'once' | '5m' | '1h' | 'today' | 'session' | 'always'
/**
 * `exact`: only the same login, for kinds 22242 and 27235; `kind`: this kind of event; `peer`: this peer, read or written, in both
 * encryptions; `method`: every peer, or every kind without authority; `category`: all that is of the same sort.
 */
export type RememberScope = 'exact' | 'kind' | 'peer' | 'method' | 'category'

/** What `Verdict.remember` holds for this package's judge. */
export type Remember = {
  readonly effect: 'allow' | 'deny'
  readonly for: RememberFor
  readonly scope: RememberScope
  /** With `today`: minutes that the person's clock is ahead of UTC. Default 0. */
  readonly offset?: number
}

/** The choices to offer for a question: the first scope is the narrowest, and `once` is always among the times. */
export interface RememberChoices {
  readonly for: readonly RememberFor[]
  readonly scopes: readonly RememberScope[]
}

const FOR: readonly RememberFor[] = ['once', '5m', '1h', 'today', 'session', 'always']
const ONCE: RememberChoices = { for: ['once'], scopes: [] }

/**
 * What may be remembered of a yes or a no. A yes to anything that carries authority is never for always, an HTTP login is
 * remembered for five minutes at most and for the same address only, and the key of a conversation never.
 */
export function rememberChoices(subject: Subject, effect: 'allow' | 'deny'): RememberChoices {
  const { kind, peer, method } = subject
  if (method === 'nip44_get_key') return ONCE
  if (kind === null) {
    const scopes: readonly RememberScope[] = peer === null ? [] : ['peer', 'method', 'category']
    return { for: FOR, scopes }
  }
  const login = exactRule(subject) !== undefined
  const narrow: readonly RememberScope[] = login ? ['exact'] : []
  if (effect === 'deny') return { for: FOR, scopes: [...narrow, 'kind', 'category'] }
  if (kind === 27_235) return login ? { for: ['once', '5m'], scopes: ['exact'] } : ONCE
  if (carriesAuthority(kind))
    return { for: FOR.filter((name) => name !== 'always'), scopes: [...narrow, 'kind'] }
  return { for: FOR, scopes: ['kind', 'method', 'category'] }
}

/** Reads what a verdict said to remember; undefined if it is nothing that this request can be remembered by. */
export function readRemember(value: JsonValue, subject: Subject): Remember | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
  const fields = value as { readonly [field: string]: JsonValue | undefined }
  const { effect, scope, offset = 0 } = fields
  const span = fields['for']
  if (effect !== 'allow' && effect !== 'deny') return undefined
  if (typeof offset !== 'number' || !Number.isInteger(offset) || Math.abs(offset) > OFFSET_MAX)
    return undefined
  const choices = rememberChoices(subject, effect)
  const found = choices.for.find((name) => name === span)
  const reach = choices.scopes.find((name) => name === scope)
  if (found === undefined || found === 'once' || reach === undefined) return undefined
  return { effect, for: found, scope: reach, offset }
}

/** The rules that a decision becomes. `always` has no end; `session` neither, but it is forgotten with the session's decisions. */
export function rulesOfRemember(remember: Remember, subject: Subject, now: Millis): readonly Rule[] {
  const until = endOf(remember, now)
  const caveats: Caveats = until === undefined ? {} : { until }
  return targetsOf(remember.scope, subject).map((target) => ({
    effect: remember.effect,
    ...target,
    ...caveats,
  }))
}

/** The rules that a plain yes becomes where the preset says that it reaches further. */
export function rulesOfConsent(
  { scope, seconds, caveats }: Consent,
  subject: Subject,
  now: Millis,
): readonly Rule[] {
  const choices = rememberChoices(subject, 'allow')
  // A message that is signed has no peer of its own: the yes is for its kind.
  const reach = scope === 'peer' && subject.peer === null ? 'kind' : scope
  if (!choices.scopes.includes(reach)) return []
  const until = seconds === null ? undefined : Math.floor(now / 1_000) + seconds
  return targetsOf(reach, subject).map((target) => ({
    effect: 'allow',
    ...target,
    ...(until !== undefined && { until }),
    ...caveats,
  }))
}

type RuleTarget = Omit<Rule, 'effect'>

function targetsOf(scope: RememberScope, subject: Subject): readonly RuleTarget[] {
  const { method, kind, peer, categories } = subject
  const category = categories[0] ?? 'unknown'
  switch (scope) {
    case 'exact': {
      const exact = exactRule(subject)
      return exact === undefined ? [] : [exact]
    }
    case 'kind':
      return kind === null ? [] : [{ method, kinds: [kind] }]
    case 'peer':
      return peer === null ? [] : [peerRule(subject, peer)].flat()
    case 'method':
      return [{ method }]
    case 'category':
      return [{ category }]
  }
}

/** Both encryptions alike: whoever may read a peer's messages may read the old ones too. */
function peerRule({ method, self }: Subject, peer: Pubkey): readonly RuleTarget[] {
  const reads = method === 'nip04_decrypt' || method === 'nip44_decrypt'
  if (!self) return [{ category: (reads ? 'dm.read' : 'dm.write') satisfies CategoryName, peers: [peer] }]
  const methods = reads ? ['nip04_decrypt', 'nip44_decrypt'] : ['nip04_encrypt', 'nip44_encrypt']
  return methods.map((name) => ({ method: name, peers: ['self'] }))
}

/** The same relay (NIP-42), or the same address with the same HTTP method (NIP-98); undefined if the event names no single one. */
function exactRule({ kind, template }: Subject): RuleTarget | undefined {
  if (template === null) return undefined
  if (kind === 22_242) {
    const [relay, ...more] = tagValues(template, 'relay')
    const url = relay === undefined ? undefined : parseRelayUrl(relay)
    if (url?.ok !== true || more.length > 0) return undefined
    return { method: 'sign_event', kinds: [kind], relays: [url.value] }
  }
  if (kind !== 27_235) return undefined
  const [address, ...more] = tagValues(template, 'u')
  const url = address === undefined ? undefined : cleanUrl(address)
  const [verb = '', ...others] = verbsOf(template)
  if (url === undefined || url.includes('*') || more.length > 0 || verb === '' || others.length > 0)
    return undefined
  return { method: 'sign_event', kinds: [kind], urls: [url], http: [verb] }
}

function endOf({ for: span, offset = 0 }: Remember, now: Millis): number | undefined {
  const seconds = Math.floor(now / 1_000)
  switch (span) {
    case '5m':
      return seconds + HTTP_LOGIN_SECONDS
    case '1h':
      return seconds + 3_600
    case 'today':
      return (Math.floor((seconds + offset * 60) / 86_400) + 1) * 86_400 - offset * 60
    default:
      return undefined
  }
}
