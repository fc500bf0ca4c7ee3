/**
 * What bunker:// and nostrconnect:// URIs have in common: splitting, escapes, the key, the relays.
 * Never uses a URL class: engines disagree about where the key of an unknown scheme belongs.
 */

import { SECRET_CHARS, URI_CHARS, URI_RELAYS, URI_RELAYS_OUT } from './limits.ts'
import { readKey } from './pubkey.ts'
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

/** White space and wrapping quotes are taken off before `respell` makes a URI of what people paste. */
export function readUri(
  text: string,
  scheme: 'bunker' | 'nostrconnect',
  options: RelayUrlOptions,
  respell: (text: string) => string = (uri) => uri,
): Result<ConnectionUri, UriProblem> {
  if (text.length > URI_CHARS) return err('uri/too-long')
  const trimmed = unwrap(text.trim())
  if (trimmed === '') return err('uri/empty')
  if (UNPRINTABLE.test(trimmed)) return err('uri/control-char')
  const form = new RegExp(`^${scheme}://([^?#]*?)/?(?:\\?([^#]*))?(?:#.*)?$`, 'is')
  const [, authority, query = ''] = form.exec(respell(trimmed)) ?? []
  if (authority === undefined) return err('uri/scheme')
  if (/[:/@]/.test(authority)) return err('uri/authority')
  const key = readKey(authority)
  if (key === undefined) return err('uri/pubkey')
  const pairs = splitQuery(query)
  if (pairs === undefined) return err('uri/percent')

  const secrets: string[] = []
  const relays: string[] = []
  const params: UriParam[] = []
  for (const [name, value] of pairs) {
    if (name === 'secret') secrets.push(value)
    else if (name === 'relay') relays.push(value)
    else if (name === 'relays') relays.push(...value.split(','))
    else params.push([name, value])
  }
  const [secret = ''] = secrets
  if (secrets.length > 1) return err('uri/duplicate-param')
  if (secret.length > SECRET_CHARS || UNPRINTABLE.test(secret)) return err('uri/secret')
  const urls = readRelays([...relays, ...key.relays], options)
  return urls.ok ? ok({ pubkey: key.pubkey, relays: urls.value, secret: secret || null, params }) : urls
}

/** Everything escaped but letters, digits, `-`, `.` and `_`: what every deployed parser takes. */
export function escapeParam(text: string): string {
  // Half a character has no bytes: NUL stands for it, which no secret may hold.
  return encodeURIComponent(text.replace(/\p{Cs}/gu, '\0')).replace(
    /[!'()*~]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  )
}

/** Without the params that are empty. Throws `UsageError` on what {@link readUri} would not read in full. */
export function writeUri(
  scheme: 'bunker' | 'nostrconnect',
  pubkey: Pubkey,
  relays: readonly RelayUrl[],
  escapeRelay: (relay: string) => string,
  params: { readonly [name: string]: string | null | undefined },
): string {
  const urls = [...new Set(relays.map(dropLoneSlash))]
  const query = urls.map((url) => `relay=${escapeRelay(url)}`)
  for (const [name, value] of Object.entries(params)) if (value) query.push(`${name}=${escapeParam(value)}`)
  const uri = `${scheme}://${readKey(pubkey)?.pubkey}?${query.join('&')}`
  const read = readUri(uri, scheme, { allowInsecure: true })
  if (!read.ok || read.value.relays.length < urls.length || urls.length > URI_RELAYS_OUT)
    throw new UsageError(
      `this makes no connection URI: ${read.ok ? `name 1 to ${URI_RELAYS_OUT} wss:// relays` : read.error}`,
    )
  return uri
}

function unwrap(text: string): string {
  return /^(?:<.*>|".*"|'.*')$/su.test(text) ? text.slice(1, -1).trim() : text
}

/** Undefined if an escape is bad. */
function splitQuery(query: string): UriParam[] | undefined {
  try {
    return Array.from(query.matchAll(/(?:^|&)(?=[^&])([^=&]*)=?([^&]*)/g), ([, name = '', value = '']) => [
      decodeURIComponent(name),
      decodeURIComponent(value),
    ])
  } catch {
    return undefined
  }
}

/** Bad relays are passed over as long as one is good; one dead spelling should not end a login. */
function readRelays(
  texts: readonly string[],
  options: RelayUrlOptions,
): Result<readonly RelayUrl[], UriProblem> {
  const relays = new Set<RelayUrl>()
  let problem: UriProblem | undefined
  for (const text of texts) {
    if (text.trim() === '') continue
    const url = parseRelayUrl(text, options)
    if (url.ok) relays.add(url.value)
    else problem ??= `uri/${url.error}`
  }
  if (relays.size === 0) return err(problem ?? 'uri/no-relay')
  return relays.size > URI_RELAYS ? err('uri/too-many-relays') : ok([...relays])
}
