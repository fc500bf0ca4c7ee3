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
  return hostname.startsWith('[') ? isForbiddenIpv6(ipv6Digits(hostname)) : FORBIDDEN_IPV4.test(hostname)
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
 * The IPv4 addresses that no public relay has (IANA special-purpose registry): 0/8, 10/8, 100.64/10, 127/8, 169.254/16, 172.16/12,
 * 192.0.0/24, 192.0.2/24, 192.88.99/24, 192.168/16, 198.18/15, 198.51.100/24, 203.0.113/24, 224/4 and 240/4.
 */
const FORBIDDEN_IPV4 =
  /^(?=[\d.]+$)(?:0|10|100\.(?:6[4-9]|[7-9]\d|1[01]\d|12[0-7])|127|169\.254|172\.(?:1[6-9]|2\d|3[01])|192\.(?:0\.[02]|88\.99|168)|198\.(?:1[89]|51\.100)|203\.0\.113|2(?:2[4-9]|[345]\d))\./

/** All 32 hex digits of an address in brackets. */
function ipv6Digits(hostname: string): string {
  const [head = '', tail = ''] = hostname
    .slice(1, -1)
    .split('::')
    .map((half) => half.replace(/[^:]+:?/g, (word) => word.replace(':', '').padStart(4, '0')))
  return head + tail.padStart(32 - head.length, '0')
}

function isForbiddenIpv6(digits: string): boolean {
  // Mapped, compatible, translated (NAT64) and 6to4 addresses lead to an IPv4 address.
  const inner = /^(?:0{20}(?:0000|ffff)|0064ff9b0{16})(.{8})$|^2002(.{8})/.exec(digits)
  if (inner !== null) return isForbiddenAddress(`0x${inner[1] ?? inner[2]}`)
  // 2000::/3 is the only space of public addresses; in it, Teredo tunnels and the documentation range are out.
  return !/^(?!2001(?:0000|0db8))[23]/.test(digits)
}
