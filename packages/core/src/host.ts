/**
 * Hosts of URLs: names and IP addresses in one spelling, and which of them lie in somebody's own network.
 * Never resolves a name.
 */

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
    .toLowerCase()
    .replace(/^\[(.*)\]$/, '$1')
    .replace(/%.*$/, '')
  if (bare === '') return true
  if (isLoopbackHost(bare.includes(':') ? `[${bare}]` : bare)) return options.allowLoopback !== true
  if (bare.includes(':')) {
    const words = parseIpv6(bare)
    return words === undefined || isForbiddenIpv6(words)
  }
  if (normalizeHost(bare) === undefined) return true
  if (!endsInNumber(bare)) return false
  const address = parseIpv4(bare)
  return address === undefined || isForbiddenIpv4(address)
}

/** A host as a URL writes it, in its one spelling: a lowercase ASCII name, an IPv4 address, or IPv6 in brackets. */
export function normalizeHost(host: string): string | undefined {
  if (host.startsWith('[')) {
    const words = parseIpv6(host.slice(1, -1))
    return words && `[${formatIpv6(words)}]`
  }
  const lower = host.toLowerCase()
  if (endsInNumber(lower)) {
    const address = parseIpv4(lower)
    return address === undefined ? undefined : formatIpv4(address)
  }
  const name = /^(?:[a-z0-9_-]{1,63}\.)*[a-z0-9_-]{1,63}\.?$/
  return lower.length <= 253 && name.test(lower) ? lower : undefined
}

/** `host` as {@link normalizeHost} gives it. */
export function isLoopbackHost(host: string): boolean {
  if (host.startsWith('[')) {
    const words = parseIpv6(host.slice(1, -1))
    if (words === undefined) return false
    const text = formatIpv6(words)
    return text === '::1' || /^::ffff:7f[0-9a-f]{2}:/.test(text)
  }
  if (/(?:^|\.)localhost\.?$/.test(host)) return true
  const address = endsInNumber(host) ? parseIpv4(host) : undefined
  return address !== undefined && address >>> 24 === 127
}

// -- IPv4, in every spelling the WHATWG URL standard reads ------------------------------------------

function endsInNumber(host: string): boolean {
  return /(?:^|\.)(?:[0-9]+|0x[0-9a-f]*)\.?$/.test(host)
}

/** `127.0.0.1`, `127.1`, `0x7f.1`, `017700000001` and `2130706433` are one address, as an unsigned 32-bit number. */
function parseIpv4(host: string): number | undefined {
  const parts = host.replace(/\.$/, '').split('.')
  if (parts.length > 4) return undefined
  let address = 0
  for (const [i, part] of parts.entries()) {
    const number = parseIpv4Number(part)
    const last = i === parts.length - 1
    if (number === undefined || number >= (last ? 256 ** (5 - parts.length) : 256)) return undefined
    address += last ? number : number * 256 ** (3 - i)
  }
  return address
}

function parseIpv4Number(part: string): number | undefined {
  if (/^0x[0-9a-f]*$/.test(part)) return part === '0x' ? 0 : Number(part)
  if (/^0[0-7]+$/.test(part)) return Number.parseInt(part, 8)
  return /^(?:0|[1-9][0-9]*)$/.test(part) ? Number(part) : undefined
}

function formatIpv4(address: number): string {
  return [24, 16, 8, 0].map((shift) => (address >>> shift) & 255).join('.')
}

/** First address and prefix length of what no public relay has (IANA special-purpose registry). */
const FORBIDDEN_IPV4: readonly (readonly [string, number])[] = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
]

function isForbiddenIpv4(address: number): boolean {
  return FORBIDDEN_IPV4.some(
    ([first, prefix]) => address >>> (32 - prefix) === (parseIpv4(first) ?? 0) >>> (32 - prefix),
  )
}

// -- IPv6 ------------------------------------------------------------------------------------------

/** Eight 16-bit words, or undefined. */
function parseIpv6(text: string): readonly number[] | undefined {
  const halves = text.split('::')
  if (halves.length > 2) return undefined
  const head = parseIpv6Words(halves[0] ?? '', halves.length === 1)
  const tail = parseIpv6Words(halves[1] ?? '', true)
  if (head === undefined || tail === undefined) return undefined
  const missing = 8 - head.length - tail.length
  if (halves.length === 1 ? missing !== 0 : missing < 1) return undefined
  return [...head, ...Array<number>(missing).fill(0), ...tail]
}

function parseIpv6Words(text: string, atEnd: boolean): number[] | undefined {
  if (text === '') return []
  const words: number[] = []
  const pieces = text.split(':')
  for (const [i, piece] of pieces.entries()) {
    if (/^[0-9a-f]{1,4}$/i.test(piece)) {
      words.push(Number.parseInt(piece, 16))
      continue
    }
    // Only the last 32 bits can be dotted, and only as four plain decimal numbers.
    const dotted =
      atEnd && i === pieces.length - 1 && /^(?:(?:0|[1-9][0-9]{0,2})(?:\.(?!$)|$)){4}$/.test(piece)
    const address = dotted ? parseIpv4(piece) : undefined
    if (address === undefined) return undefined
    words.push(address >>> 16, address & 0xffff)
  }
  return words
}

/** RFC 5952: lower case, no leading zeros, the first longest run of two or more zero words as `::`. */
function formatIpv6(words: readonly number[]): string {
  let runStart = -1
  let runLength = 1
  for (let start = 0; start < 8; start++) {
    let end = start
    while (end < 8 && words[end] === 0) end++
    if (end - start > runLength) {
      runStart = start
      runLength = end - start
    }
  }
  const hex = words.map((word) => word.toString(16))
  if (runStart < 0) return hex.join(':')
  return `${hex.slice(0, runStart).join(':')}::${hex.slice(runStart + runLength).join(':')}`
}

/** The IPv4 address that a mapped, compatible, translated (NAT64) or 6to4 address leads to. */
function ipv4Inside(words: readonly number[]): number | undefined {
  const [a = 0, b = 0, c = 0] = words
  const at = (high: number): number => (words[high] ?? 0) * 65_536 + (words[high + 1] ?? 0)
  const middle = words.slice(2, 6).every((word) => word === 0)
  const mapped = words.slice(0, 5).every((word) => word === 0) && words[5] === 0xffff
  if (mapped || (a === 0x64 && b === 0xff9b && middle)) return at(6)
  if (a === 0 && b === 0 && middle && at(6) > 1) return at(6)
  return a === 0x2002 ? b * 65_536 + c : undefined
}

function isForbiddenIpv6(words: readonly number[]): boolean {
  const inner = ipv4Inside(words)
  if (inner !== undefined) return isForbiddenIpv4(inner)
  const [a = 0, b = 0] = words
  // 2000::/3 is the only space of public addresses; in it, Teredo tunnels and the documentation range are out.
  return a >>> 13 !== 1 || (a === 0x2001 && (b === 0 || b === 0xdb8))
}
