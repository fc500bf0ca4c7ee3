/**
 * What a request is about, as rules look at it: live, from the operation, or later, from what the audit record kept of it.
 * Never keeps a content: the facts of a record are sizes, counts and origins.
 */

import type { EventTemplate, JsonValue, Operation, OperationMethod, Pubkey, RelayUrl } from '@nip46/core'
import { isOperationMethod, parseRelayUrl } from '@nip46/core'
import { type CategoryName, categoriesOfKind, categoriesOfMethod } from './category.ts'
import { FACT_TAGS } from './limits.ts'
import { countEntries, isReplaceable } from './list-memory.ts'
import { originOf } from './url-set.ts'

export interface Subject {
  readonly method: OperationMethod
  /** With `sign_event`, else null. */
  readonly kind: number | null
  /** With encryption and decryption, else null. */
  readonly peer: Pubkey | null
  readonly self: boolean
  /** The strictest first. */
  readonly categories: readonly CategoryName[]
  readonly clientPubkey: Pubkey
  readonly userPubkey: Pubkey
  /** The event itself; null if it is none, or only its facts are left. */
  readonly template: EventTemplate | null
  readonly facts: Facts
  /** The relay the request came over; null if nobody knows any more. */
  readonly relay: RelayUrl | null
}

/** What an audit record keeps. What is missing was not there, or could not be read. */
export interface Facts {
  /** Characters of the content, plaintext or ciphertext. */
  readonly length: number
  readonly createdAt?: number
  readonly links?: number
  /** How many tags of each name. */
  readonly tags?: { readonly [name: string]: number }
  /** There were tags of more names than are listed. */
  readonly moreTags?: true
  /** Relays that the event logs in to (22242), in their one spelling; here and below, what cannot be read is an empty text. */
  readonly relays?: readonly string[]
  /** Origins that the event is for (27235). */
  readonly origins?: readonly string[]
  /** HTTP methods or Blossom verbs, upper case. */
  readonly verbs?: readonly string[]
  /** Of a zap request, in millisatoshis. */
  readonly msat?: number
  /** Entries of a replaceable list. */
  readonly entries?: number
}

export function subjectOf(
  operation: Operation,
  session: { readonly clientPubkey: Pubkey; readonly userPubkey: Pubkey; readonly relay: RelayUrl },
): Subject {
  const { clientPubkey, userPubkey, relay } = session
  const common = { clientPubkey, userPubkey, relay }
  if (operation.method === 'sign_event') {
    const { template } = operation
    return {
      ...common,
      method: 'sign_event',
      kind: template.kind,
      peer: null,
      self: false,
      categories: categoriesOfKind(template.kind),
      template,
      facts: { length: template.content.length, createdAt: template.created_at },
    }
  }
  const { method, peer } = operation
  const self = peer === userPubkey
  return {
    ...common,
    method,
    kind: null,
    peer,
    self,
    categories: categoriesOfMethod(method, self),
    template: null,
    facts: { length: textLength(operation) },
  }
}

/** From an audit record; undefined if it holds too little. */
export function subjectOfRecord(record: {
  readonly clientPubkey: Pubkey
  readonly userPubkey: Pubkey
  readonly subject: {
    readonly method: string
    readonly kind?: number
    readonly peer?: Pubkey
    readonly facts?: JsonValue
  }
}): Subject | undefined {
  const { clientPubkey, userPubkey, subject } = record
  const { method, kind, peer } = subject
  const facts = readFacts(subject.facts)
  if (!isOperationMethod(method) || facts === undefined) return undefined
  const common = { clientPubkey, userPubkey, relay: null, template: null, facts }
  if (method === 'sign_event') {
    if (kind === undefined) return undefined
    return { ...common, method, kind, peer: null, self: false, categories: categoriesOfKind(kind) }
  }
  if (peer === undefined) return undefined
  const self = peer === userPubkey
  return { ...common, method, kind: null, peer, self, categories: categoriesOfMethod(method, self) }
}

/** What {@link Subject.facts} of an audit record is made of. Never a content, a tag's value but relays and origins, or a path. */
export function factsOf(operation: Operation): Facts {
  if (operation.method !== 'sign_event') return { length: textLength(operation) }
  const { template } = operation
  const { kind, content, created_at } = template
  const counts: { [name: string]: number } = {}
  let names = 0
  let more = false
  for (const [name = ''] of template.tags) {
    if (!/^[A-Za-z0-9_-]{1,32}$/.test(name)) continue
    if (Object.hasOwn(counts, name)) counts[name] = (counts[name] ?? 0) + 1
    else if (names < FACT_TAGS) {
      Object.defineProperty(counts, name, { value: 1, enumerable: true, writable: true, configurable: true })
      names++
    } else more = true
  }
  const links = countLinks(content)
  const relays = kind === 22_242 ? readEach(tagValues(template, 'relay'), readRelay) : []
  const origins = kind === 27_235 ? readEach(tagValues(template, 'u'), originOf) : []
  const verbs = verbsOf(template)
  const msat = msatOf(template)
  return {
    length: content.length,
    createdAt: created_at,
    ...(links > 0 && { links }),
    ...(names > 0 && { tags: counts }),
    ...(more && { moreTags: true }),
    ...(relays.length > 0 && { relays }),
    ...(origins.length > 0 && { origins }),
    ...(verbs.length > 0 && { verbs }),
    ...(msat !== undefined && { msat }),
    ...(isReplaceable(kind) && { entries: countEntries(template) }),
  }
}

function readFacts(value: JsonValue | undefined): Facts | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
  const facts = value as { readonly [member: string]: JsonValue }
  return typeof facts['length'] === 'number' ? (facts as unknown as Facts) : undefined
}

// -- what caveats measure ----------------------------------------------------------------------

export function tagValues({ tags }: EventTemplate, name: string): readonly (string | undefined)[] {
  return tags.filter((tag) => tag[0] === name).map((tag) => tag[1])
}

/** HTTP methods that a 27235 event is for, or Blossom verbs of a 24242 event, upper case; an empty text for what is neither. */
export function verbsOf(template: EventTemplate): readonly string[] {
  const tag = template.kind === 27_235 ? 'method' : template.kind === 24_242 ? 't' : undefined
  if (tag === undefined) return []
  return readEach(tagValues(template, tag), (verb) =>
    /^[A-Za-z]{1,16}$/.test(verb) ? verb.toUpperCase() : undefined,
  )
}

/** Millisatoshis of a zap request; undefined for other events, and if it does not say exactly one whole amount. */
export function msatOf(template: EventTemplate): number | undefined {
  if (template.kind !== 9_734) return undefined
  const [amount, ...more] = tagValues(template, 'amount')
  if (amount === undefined || more.length > 0 || !/^[0-9]{1,15}$/.test(amount)) return undefined
  return Number(amount)
}

/** Web addresses in a text: whatever has a scheme, and bare host names, which apps turn into links too. */
export function countLinks(text: string): number {
  let links = 0
  for (const word of text.split(/[\s,;()<>"'[\]{}|]+/)) {
    const schemes = word.split('://').length - 1
    links += schemes > 0 ? schemes : /^[^\p{L}\p{N}]*(?:[\p{L}\p{N}-]+\.)+\p{L}{2}/u.test(word) ? 1 : 0
  }
  return links
}

/** Each once; an empty text for those that cannot be read. */
function readEach(
  values: readonly (string | undefined)[],
  read: (value: string) => string | undefined,
): readonly string[] {
  return [...new Set(values.map((value) => (value === undefined ? '' : (read(value) ?? ''))))]
}

function readRelay(text: string): string | undefined {
  const url = parseRelayUrl(text)
  return url.ok ? url.value : undefined
}

function textLength(operation: Exclude<Operation, { method: 'sign_event' }>): number {
  if ('plaintext' in operation) return operation.plaintext.length
  return 'ciphertext' in operation ? operation.ciphertext.length : 0
}
