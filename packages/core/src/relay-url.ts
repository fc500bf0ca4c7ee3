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
  const url = parseUrl(text, { ws: 80, wss: 443 })
  if (!url.ok) return err<RelayUrlProblem>(`relay-${url.error}`)
  const { scheme, host, href } = url.value
  if (href.length > RELAY_URL_CHARS) return err('relay-invalid')
  if (scheme === 'ws' && options.allowInsecure !== true && !isLoopbackHost(host) && !isOnion(host)) {
    return err('relay-insecure')
  }
  return ok(href as RelayUrl)
}

/** The host of a relay URL: a name, an IPv4 address, or an IPv6 address without its brackets. */
export function relayHost(url: RelayUrl): string {
  const host = /^wss?:\/\/(\[[^\]]*\]|[^:/?#]+)/.exec(url)?.[1] ?? ''
  return host.replace(/^\[(.*)\]$/, '$1')
}

function isOnion(host: string): boolean {
  return /\.onion\.?$/.test(host)
}
