/**
 * Addresses and relays of a caveat, compared as parsed values and never as text.
 * Never looks up a name; a list comes from the host, already in memory.
 */

import { cleanUrl, parseRelayUrl } from '@nip46/core'

/** Looks up `list:ID`; undefined if the host knows no such list. */
export type ReadList = (id: string) => readonly string[] | undefined

/**
 * Whether a relay is one of `terms`, which are relay URLs in their one spelling and `list:ID`. `unknown`: whether a list that the
 * host does not know has everything in it.
 */
export function isRelayIn(
  relay: string,
  terms: readonly string[],
  readList: ReadList,
  unknown = false,
): boolean {
  const parsed = parseRelayUrl(relay)
  if (!parsed.ok) return false
  const wanted: string = parsed.value
  return terms.some((term) => {
    if (!term.startsWith('list:')) return term === wanted
    const entries = readList(term.slice(5))
    if (entries === undefined) return unknown
    return entries.some((entry) => {
      const own = parseRelayUrl(entry)
      return own.ok && own.value === wanted
    })
  })
}

/**
 * Whether an address is one of `terms`: URLs as `cleanUrl` writes them, with `/*` at the end for everything at and below, and
 * `list:ID`, whose entries are read the same way, an origin standing for everything below it.
 */
export function isUrlIn(
  text: string,
  terms: readonly string[],
  readList: ReadList,
  unknown = false,
): boolean {
  const url = cleanUrl(text)
  if (url === undefined) return false
  return terms.some((term) => {
    if (!term.startsWith('list:')) return fitsTerm(url, term)
    const entries = readList(term.slice(5))
    return entries === undefined ? unknown : readEntries(entries).some((own) => fitsTerm(url, own))
  })
}

/** A URL as a policy names it: `https://`, perhaps with `/*` at the end and no other `*`; undefined if it is none. */
export function normalizeUrlTerm(text: string): string | undefined {
  const below = text.endsWith('/*')
  const url = cleanUrl(below ? text.slice(0, -2) : text)
  if (url === undefined || url.includes('*') || (below && url.includes('?'))) return undefined
  return below ? `${url.replace(/\/+$/, '')}/*` : url
}

/** Scheme, host and port of an address; undefined if it is none. */
export function originOf(text: string): string | undefined {
  const url = cleanUrl(text)
  return url === undefined ? undefined : /^https?:\/\/[^/?]+/.exec(url)?.[0]
}

/** Whether an address of this origin fits a term: null if that depends on the rest of the address. */
export function mayFitOrigin(
  origin: string,
  terms: readonly string[],
  readList: ReadList,
  unknown = false,
): boolean | null {
  const all: string[] = []
  for (const term of terms) {
    const entries = term.startsWith('list:') ? readList(term.slice(5)) : [term]
    if (entries === undefined && unknown) return true
    all.push(...(entries === undefined || !term.startsWith('list:') ? (entries ?? []) : readEntries(entries)))
  }
  const same = all.filter((term) => /^https?:\/\/[^/?]+/.exec(term)?.[0] === origin)
  if (same.length === 0) return false
  return same.includes(`${origin}/*`) ? true : null
}

/** Entries of a host's list as terms; what is no URL is left out. */
function readEntries(entries: readonly string[]): readonly string[] {
  return entries.flatMap((entry) => {
    const own = normalizeUrlTerm(entry)
    return own === undefined ? [] : [isOrigin(own) ? `${own}/*` : own]
  })
}

function fitsTerm(url: string, term: string): boolean {
  if (!term.endsWith('/*')) return url === term
  const base = term.slice(0, -2)
  if (url === base) return true
  if (!url.startsWith(base)) return false
  const rest = url.slice(base.length)
  if (isOrigin(base)) return rest.startsWith('/') || rest.startsWith('?')
  const path = rest.split('?', 1)[0] ?? ''
  return (rest.startsWith('/') || rest.startsWith('?')) && !climbs(path)
}

/**
 * Whether a server may read a path as another one than it seems: an encoded slash, backslash, dot, percent or NUL, or `..` with a
 * parameter (`..;`). What stays below a folder for us must stay there for everybody.
 */
function climbs(path: string): boolean {
  return /%(?:2e|2f|5c|25|00)/i.test(path) || /\/\.\.?;/.test(path)
}

function isOrigin(url: string): boolean {
  return /^https?:\/\/[^/?]+$/.test(url)
}
