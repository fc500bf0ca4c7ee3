/**
 * Hosts of URLs: which of them lie on this machine or in somebody's own network.
 * Never resolves a name.
 */

import { type ParsedUrl, parseUrl } from './url.ts'

/** What {@link isForbiddenAddress} lets pass. */
export interface AddressOptions {
  /** Let loopback addresses pass. Default false. */
  readonly allowLoopback?: boolean
}

/**
 * Whether a dialer should refuse this host, so that a URI cannot make us talk to our own network: loopback,
 * private, link-local, shared (CGNAT), multicast and reserved IP addresses in every spelling, the same addresses
 * inside IPv6, `localhost`, and whatever is no host at all. Check the URL's host before resolving it, and each address the resolver gives.
 */
export function isForbiddenAddress(host: string, options: AddressOptions = {}): boolean {
  const bare = host
    .trim()
    .replace(/^\[(.*)\]$/, '$1')
    .replace(/%.*$/, '')
  const url = parseUrl(`http://${bare.includes(':') ? `[${bare}]` : bare}`, ['http:'])
  if (!url.ok || /[/?#]/.test(bare)) return true
  const { hostname } = url.value
  if (isLoopbackHost(hostname)) return options.allowLoopback !== true
  // An IPv4 address is judged as it is mapped into IPv6.
  if (/^[\d.]+$/.test(hostname)) return isForbiddenAddress(`::ffff:${hostname}`)
  return hostname.startsWith('[') && !PUBLIC.test(digitsOf(hostname))
}

/** `hostname` as a URL writes it. */
export function isLoopbackHost(hostname: string): boolean {
  return /^(?:127\.\d+\.\d+\.\d+|\[::(?:1|ffff:7f..:.*)\]|(?:.*\.)?localhost\.?)$/.test(hostname)
}

/** An `https:` URL, or `http:` to this machine where that is allowed; undefined if it is none. */
export function parseWebUrl(text: string, allowLoopback: boolean): ParsedUrl | undefined {
  const url = parseUrl(text, ['https:', 'http:'])
  if (!url.ok) return undefined
  const { protocol, hostname } = url.value
  return protocol === 'https:' || (allowLoopback && isLoopbackHost(hostname)) ? url.value : undefined
}

/**
 * How the 32 hex digits of an address that a public relay can have begin: `2`000::/3, but for Teredo tunnels (2001::/32) and the
 * documentation range (2001:db8::/32). Mapped, compatible, translated (NAT64) and 6to4 addresses lead to the IPv4 address in them, which
 * is none of the IANA special-purpose registry: 0/8, 10/8, 100.64/10, 127/8, 169.254/16, 172.16/12, 192.0.0/24, 192.0.2/24, 192.88.99/24,
 * 192.168/16, 198.18/15, 198.51.100/24, 203.0.113/24, 224/4 and 240/4.
 */
const PUBLIC =
  /^(?:(?:0{20}(?:0000|ffff)|0064ff9b0{16}|2002)(?!00|0a|64[4-7]|7f|a9fe|ac1|c0(?:0000|0002|5863|a8)|c6(?:1[23]|3364)|cb0071|[ef])|(?!200(?:1(?:0000|0db8)|2))[23])/

/** All 32 hex digits of an IPv6 address in brackets. */
function digitsOf(hostname: string): string {
  const [head = '', tail = ''] = hostname
    .slice(1, -1)
    .split('::')
    .map((half) => half.replace(/(\w+):?/g, (_, word: string) => word.padStart(4, '0')))
  return head + tail.padStart(32 - head.length, '0')
}
