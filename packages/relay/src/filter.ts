/**
 * Filters of a REQ (NIP-01): the check of what came, and the match against an event.
 * Never keeps what it did not understand: an unknown member refuses the filter.
 */

import { err, isHex64, ok, type Result, type Seconds, type SignedEvent } from '@nip46/core'

export interface RelayFilter {
  readonly ids: ReadonlySet<string> | undefined
  readonly authors: ReadonlySet<string> | undefined
  readonly kinds: ReadonlySet<number> | undefined
  /** By tag name, one letter. */
  readonly tags: ReadonlyMap<string, ReadonlySet<string>>
  readonly since: Seconds | undefined
  readonly until: Seconds | undefined
  /** Stored events wanted, newest first. */
  readonly limit: number | undefined
  /** Entries in its lists, for the connection's budget. */
  readonly values: number
}

/** Longest list looked into before the connection's budget is asked. */
interface FilterBounds {
  readonly filterValues: number
  readonly filterValueChars: number
}

/** Errors are the text of the CLOSED, `invalid: ...` or `unsupported: ...`. */
export function parseFilter(value: unknown, bounds: FilterBounds): Result<RelayFilter, string> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return err('invalid: a filter must be an object')
  }
  let ids: ReadonlySet<string> | undefined
  let authors: ReadonlySet<string> | undefined
  let kinds: ReadonlySet<number> | undefined
  let [since, until, limit]: (number | undefined)[] = []
  const tags = new Map<string, ReadonlySet<string>>()
  let values = 0

  for (const [name, member] of Object.entries(value)) {
    if (name === 'since' || name === 'until' || name === 'limit') {
      if (!isCount(member)) return err(`invalid: ${name} must be a whole number from 0`)
      if (name === 'since') since = member
      else if (name === 'until') until = member
      else limit = member
      continue
    }
    const tag = /^#([a-zA-Z])$/.exec(name)?.[1]
    if (tag === undefined && name !== 'ids' && name !== 'authors' && name !== 'kinds') {
      return err('unsupported: filter contains unknown elements')
    }
    if (!Array.isArray(member)) return err(`invalid: ${name} must be a list`)
    values += member.length
    if (values > bounds.filterValues) return err(`error: more than ${bounds.filterValues} values in filters`)
    if (name === 'kinds') {
      if (!member.every(isKind)) return err('invalid: kinds must be whole numbers from 0 to 65535')
      kinds = new Set(member)
      continue
    }
    if (tag === undefined || tag === 'p' || tag === 'e') {
      if (!member.every(isHex64)) return err(`invalid: ${name} must be 64 lowercase hex characters each`)
    } else if (!member.every((item) => typeof item === 'string' && item.length <= bounds.filterValueChars)) {
      return err(`invalid: ${name} must be strings of at most ${bounds.filterValueChars} characters`)
    }
    const set = new Set<string>(member)
    if (tag !== undefined) tags.set(tag, set)
    else if (name === 'ids') ids = set
    else authors = set
  }
  return ok({ ids, authors, kinds, tags, since, until, limit, values })
}

/** The values of an event's one-letter tags, by name: looked up once for all filters that an event meets. */
export type TagValues = ReadonlyMap<string, ReadonlySet<string>>

export function tagValues({ tags }: SignedEvent): TagValues {
  const values = new Map<string, Set<string>>()
  for (const [name = '', value] of tags) {
    if (name.length !== 1 || value === undefined) continue
    const known = values.get(name)
    if (known === undefined) values.set(name, new Set([value]))
    else known.add(value)
  }
  return values
}

/** Whether every condition of the filter holds. `limit` is not one. `tagged` are the event's {@link tagValues}. */
export function matchesFilter(filter: RelayFilter, event: SignedEvent, tagged: TagValues): boolean {
  if (filter.kinds !== undefined && !filter.kinds.has(event.kind)) return false
  if (filter.since !== undefined && event.created_at < filter.since) return false
  if (filter.until !== undefined && event.created_at > filter.until) return false
  if (filter.authors !== undefined && !filter.authors.has(event.pubkey)) return false
  if (filter.ids !== undefined && !filter.ids.has(event.id)) return false
  for (const [name, wanted] of filter.tags) {
    if (!sharesValue(tagged.get(name), wanted)) return false
  }
  return true
}

function sharesValue(values: ReadonlySet<string> | undefined, wanted: ReadonlySet<string>): boolean {
  for (const value of values ?? []) if (wanted.has(value)) return true
  return false
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

function isKind(value: unknown): value is number {
  return isCount(value) && value <= 65_535
}
