/**
 * URLs with an authority, in the one spelling of the WHATWG standard. Written by hand, since core has no `URL`.
 * Never knows which schemes are allowed; its callers do.
 */

import { isWellFormed } from './event.ts'
import { normalizeHost } from './host.ts'
import { err, ok, type Result } from './value.ts'

export interface ParsedUrl {
  readonly scheme: string
  /** IPv6 in brackets. */
  readonly host: string
  /** Without fragment; the path is at least `/`. */
  readonly href: string
}

export type UrlProblem = 'scheme' | 'credentials' | 'invalid'

/**
 * `ports` names the schemes that are known and the port each leaves out. Stricter than browsers: no backslashes, no control
 * characters, no user and password, no port 0, and host names are ASCII.
 */
export function parseUrl(
  text: string,
  ports: { readonly [scheme: string]: number },
): Result<ParsedUrl, UrlProblem> {
  const trimmed = text.trim()
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(trimmed)?.[1]?.toLowerCase()
  if (scheme === undefined || !Object.hasOwn(ports, scheme)) return err('scheme')
  if (/[\p{Cc}\\]/u.test(trimmed) || !isWellFormed(trimmed)) return err('invalid')
  const parts = /^[^:]+:\/\/([^/?#]+)([^?#]*)(\?[^#]*)?/.exec(trimmed)
  const authority = parts?.[1]
  if (parts === null || authority === undefined) return err('invalid')
  if (authority.includes('@')) return err('credentials')

  const split = /^(\[[^\]]*\]|[^:[\]]+)(?::([0-9]*))?$/.exec(authority)
  const host = split?.[1] === undefined ? undefined : normalizeHost(split[1])
  const port = normalizePort(split?.[2] ?? '', ports[scheme])
  if (host === undefined || port === undefined) return err('invalid')
  return ok({
    scheme,
    host,
    href: `${scheme}://${host}${port}${normalizePath(parts[2] ?? '')}${normalizeQuery(parts[3])}`,
  })
}

/** A URL that is all host loses the `/` that stands for no path: how people and other programs write it. */
export function dropLoneSlash(href: string): string {
  return href.replace(/^([^:]+:\/\/[^/?#]+)\/$/, '$1')
}

function normalizePort(port: string, usual: number | undefined): string | undefined {
  if (port === '') return ''
  const number = Number(port)
  if (number < 1 || number > 65_535) return undefined
  return number === usual ? '' : `:${number}`
}

function normalizePath(path: string): string {
  const kept: string[] = []
  const segments = path.split('/').slice(1)
  segments.forEach((segment, i) => {
    const dots = segment.replace(/%2e/gi, '.')
    if (dots === '..') kept.pop()
    if (dots !== '.' && dots !== '..') kept.push(segment.replace(/[^!-~]|["<>^`{}]/gu, encodeURIComponent))
    else if (i === segments.length - 1) kept.push('')
  })
  return `/${kept.join('/')}`
}

function normalizeQuery(query: string | undefined): string {
  if (query === undefined) return ''
  return query.replace(/[^!-~]|["<>]/gu, encodeURIComponent).replaceAll("'", '%27')
}
