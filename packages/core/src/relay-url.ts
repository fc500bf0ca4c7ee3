/**
 * Relay URLs: one spelling for each relay, and no plain text to strangers.
 * Never opens a connection; whether to dial an address is for `isForbiddenAddress` (host.ts) to say.
 */

import { isLoopbackHost } from './host.ts'
import { RELAY_URL_CHARS } from './limits.ts'
import { parseUrl } from './url.ts'
import { err, ok, type RelayUrl, type Result } from './value.ts'

/** Which relay URLs are taken. */
export interface RelayUrlOptions {
  /** Accept `ws://` to any host. Default false: only to loopback hosts and `.onion`. */
  readonly allowInsecure?: boolean | undefined
}

export type RelayUrlProblem = 'relay-scheme' | 'relay-insecure' | 'relay-credentials' | 'relay-invalid'

/**
 * A relay URL in its one spelling: lowercase scheme and host, IP addresses in canonical form, no default port, no
 * fragment, at least `/` as path, and anything else as the WHATWG URL standard writes it. Host names are ASCII (an
 * international name in its `xn--` form).
 *
 * Errors: `relay-scheme` (not ws or wss), `relay-credentials` (a user or password), `relay-insecure` (see
 * {@link RelayUrlOptions}), `relay-invalid` (no URL, or over {@link RELAY_URL_CHARS} characters).
 */
export function parseRelayUrl(
  text: string,
  options: RelayUrlOptions = {},
): Result<RelayUrl, RelayUrlProblem> {
  if (text.length > RELAY_URL_CHARS) return err('relay-invalid')
  const url = parseUrl(text, ['ws:', 'wss:'])
  if (!url.ok) return err<RelayUrlProblem>(`relay-${url.error}`)
  const { protocol, hostname, href } = url.value
  if (href.length > RELAY_URL_CHARS) return err('relay-invalid')
  const isPrivate = protocol === 'wss:' || isLoopbackHost(hostname) || /\.onion\.?$/.test(hostname)
  return isPrivate || options.allowInsecure === true ? ok(href as RelayUrl) : err('relay-insecure')
}

/** The host of a relay URL: a name, an IPv4 address, or an IPv6 address without its brackets. */
export function relayHost(url: RelayUrl): string {
  const [, ipv6, host] = /^wss?:\/\/(?:\[(.*?)\]|([^:/?#]+))/.exec(url) ?? []
  return ipv6 ?? host ?? ''
}
