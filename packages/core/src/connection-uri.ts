/**
 * What bunker:// and nostrconnect:// URIs have in common: splitting, escapes, the key, the relays.
 * Never uses a URL class: engines disagree about where the key of an unknown scheme belongs.
 */

import { decodeKey } from './bech32.ts'
import { SECRET_CHARS, URI_CHARS, URI_RELAYS, URI_RELAYS_OUT } from './limits.ts'
import { parsePubkey } from './pubkey.ts'
import { parseRelayUrl, type RelayUrlOptions, type RelayUrlProblem } from './relay-url.ts'
import { dropLoneSlash } from './url.ts'
import { err, ok, type Pubkey, type RelayUrl, type Result, UsageError } from './value.ts'

/**
 * Why a text is no connection URI.
 * - `uri/empty`, `uri/too-long`, `uri/control-char` (also broken Unicode), `uri/scheme`, `uri/authority` (a port, path or
 *   user beside the key), `uri/percent` (an escape that is none, or not UTF-8)
 * - `uri/pubkey`: the key is neither hex, npub nor nprofile, or not on the curve; `uri/self`: it is one of our own
 * - `uri/no-relay`, `uri/too-many-relays`, and `uri/relay-…` if every relay is bad: what is wrong with the first
 * - `uri/secret` (missing where it must be, too long, or not printable), `uri/duplicate-param` (two secrets), `uri/too-many-perms`
 */
export type UriProblem =
  | 'uri/empty'
  | 'uri/too-long'
  | 'uri/control-char'
  | 'uri/scheme'
  | 'uri/authority'
  | 'uri/percent'
  | 'uri/pubkey'
  | 'uri/self'
  | 'uri/no-relay'
  | 'uri/too-many-relays'
  | `uri/${RelayUrlProblem}`
  | 'uri/secret'
  | 'uri/duplicate-param'
  | 'uri/too-many-perms'

/** One `key=value` of a query, both decoded. */
export type UriParam = readonly [name: string, value: string]

export interface ConnectionUri {
  readonly pubkey: Pubkey
  readonly relays: readonly RelayUrl[]
  /** Null if missing or empty. */
  readonly secret: string | null
  /** The other parameters, in order. */
  readonly params: readonly UriParam[]
}

/** Control characters and halves of characters. */
const UNPRINTABLE = /[\p{Cc}\p{Cs}]/u

/** Length, white space, wrapping quotes and control characters: what comes before looking at the scheme. */
export function trimUri(text: string): Result<string, UriProblem> {
  if (text.length > URI_CHARS) return err('uri/too-long')
  const trimmed = unwrap(text.trim())
  if (trimmed === '') return err('uri/empty')
  return UNPRINTABLE.test(trimmed) ? err('uri/control-char') : ok(trimmed)
}

/** `uri` comes from {@link trimUri}. */
export function readUri(
  uri: string,
  scheme: 'bunker' | 'nostrconnect',
  options: RelayUrlOptions,
): Result<ConnectionUri, UriProblem> {
  const [, start, authority = '', query = ''] =
    /^(.*?:\/\/)([^?#]*?)\/?(?:\?([^#]*))?(?:#.*)?$/s.exec(uri) ?? []
  if (start?.toLowerCase() !== `${scheme}://`) return err('uri/scheme')
  if (/[:/@]/.test(authority)) return err('uri/authority')
  const pubkey = parsePubkey(authority)
  if (!pubkey.ok) return err('uri/pubkey')

  const params = splitQuery(query)
  if (params === undefined) return err('uri/percent')
  const [secret = '', ...more] = valuesOf(params, 'secret')
  if (more.length > 0) return err('uri/duplicate-param')
  if (!isSecret(secret)) return err('uri/secret')
  const relays = readRelays(params, decodeKey(authority)?.relays ?? [], options)
  if (!relays.ok) return relays
  return ok({
    pubkey: pubkey.value,
    relays: relays.value,
    secret: secret === '' ? null : secret,
    params: params.filter(([name]) => !['relay', 'relays', 'secret'].includes(name)),
  })
}

/** In order. */
export function valuesOf(params: readonly UriParam[], name: string): readonly string[] {
  return params.flatMap(([other, value]) => (other === name ? [value] : []))
}

/** Everything escaped but letters, digits, `-`, `.` and `_`: what every deployed parser takes. */
export function escapeParam(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*~]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  )
}

/**
 * A finished URI; `params` are escaped already. Throws `UsageError` on a bad key, relay or secret, no relay or more than
 * {@link URI_RELAYS_OUT}, and past {@link URI_CHARS}.
 */
export function writeUri(
  scheme: 'bunker' | 'nostrconnect',
  { pubkey, relays, secret }: Omit<ConnectionUri, 'params'>,
  escapeRelay: (relay: string) => string,
  params: readonly string[] = [],
): string {
  const key = parsePubkey(pubkey)
  if (!key.ok) throw new UsageError('the key of a connection URI is a public key in hex')
  const urls = new Set(relays.map(writableRelay))
  if (urls.size === 0 || urls.size > URI_RELAYS_OUT)
    throw new UsageError(`a connection URI names 1 to ${URI_RELAYS_OUT} relays`)
  if (!isSecret(secret ?? ''))
    throw new UsageError(`a secret is printable text of at most ${SECRET_CHARS} characters`)
  const start = [...urls].map((url) => `relay=${escapeRelay(url)}`)
  if (secret !== null && secret !== '') start.push(`secret=${escapeParam(secret)}`)
  const uri = `${scheme}://${key.value}?${[...start, ...params].join('&')}`
  if (uri.length > URI_CHARS) throw new UsageError(`a connection URI holds at most ${URI_CHARS} characters`)
  return uri
}

/** Without a lone slash. */
function writableRelay(relay: string): string {
  const url = parseRelayUrl(relay, { allowInsecure: true })
  if (!url.ok) throw new UsageError(`a relay is a wss:// URL (${url.error})`)
  return dropLoneSlash(url.value)
}

function isSecret(text: string): boolean {
  return text.length <= SECRET_CHARS && !UNPRINTABLE.test(text)
}

function unwrap(text: string): string {
  return /^(?:<.*>|".*"|'.*')$/su.test(text) ? text.slice(1, -1).trim() : text
}

/** Undefined if an escape is bad. */
function splitQuery(query: string): UriParam[] | undefined {
  try {
    return query
      .split('&')
      .filter((pair) => pair !== '')
      .map((pair) => {
        const [name = '', ...value] = pair.split('=')
        return [decodeURIComponent(name), decodeURIComponent(value.join('='))]
      })
  } catch {
    return undefined
  }
}

/** Bad relays are passed over as long as one is good; one dead spelling should not end a login. */
function readRelays(
  params: readonly UriParam[],
  more: readonly string[],
  options: RelayUrlOptions,
): Result<readonly RelayUrl[], UriProblem> {
  const texts = params.flatMap(([name, value]) =>
    name === 'relay' ? [value] : name === 'relays' ? value.split(',') : [],
  )
  const relays = new Set<RelayUrl>()
  let problem: UriProblem = 'uri/no-relay'
  for (const text of [...texts, ...more]) {
    if (text.trim() === '') continue
    const url = parseRelayUrl(text, options)
    if (url.ok) relays.add(url.value)
    else if (problem === 'uri/no-relay') problem = `uri/${url.error}`
  }
  if (relays.size === 0) return err(problem)
  return relays.size > URI_RELAYS ? err('uri/too-many-relays') : ok([...relays])
}
