/**
 * URLs with an authority, in the one spelling of the WHATWG standard, as the platform's `URL` writes it.
 * Never knows which schemes are allowed; its callers do.
 */

import { err, ok, type Result } from './value.ts'

/** What is used of the platform's class. A pure function of its text, and so no host type (docs/decisions/0024). */
interface PlatformUrl {
  /** With its colon. */
  readonly protocol: string
  /** IPv6 in brackets. */
  readonly hostname: string
  readonly port: string
  readonly origin: string
  hash: string
  /** The path is at least `/`. */
  readonly href: string
}

declare const URL: new (text: string) => PlatformUrl

/** Without fragment. */
export type ParsedUrl = Readonly<PlatformUrl>

export type UrlProblem = 'scheme' | 'credentials' | 'invalid'

const HOST = /^(?:\[.*\]|(?:[\w-]{1,63}\.)*[\w-]{1,63}\.?)$/

/**
 * `protocols` are those that are taken, such as `https:`. Stricter than browsers: no backslashes, no control characters, no user and
 * password, no port 0, and host names are ASCII without escapes.
 */
export function parseUrl(text: string, protocols: readonly string[]): Result<ParsedUrl, UrlProblem> {
  const trimmed = text.trim()
  const [, protocol = '', authority = ''] = /^([^:]*:)(?:\/\/([^/?#]*))?/.exec(trimmed) ?? []
  if (!protocols.includes(protocol.toLowerCase())) return err('scheme')
  if (/[\p{Cc}\p{Cs}\\]/u.test(trimmed) || !/^[!-$&-~]+$/.test(authority)) return err('invalid')
  if (authority.includes('@')) return err('credentials')
  const url = readUrl(trimmed)
  if (url === undefined || url.port === '0' || url.hostname.length > 253 || !HOST.test(url.hostname))
    return err('invalid')
  url.hash = ''
  return ok(url)
}

/** A URL that is all host loses the `/` that stands for no path: how people and other programs write it. */
export function dropLoneSlash(href: string): string {
  return href.replace(/^([^:]+:\/\/[^/?#]+)\/$/, '$1')
}

function readUrl(text: string): PlatformUrl | undefined {
  try {
    return new URL(text)
  } catch {
    return undefined
  }
}
