/**
 * The guard on events that replace an earlier one: how much of a follow list, profile or relay list would get lost.
 * Never keeps a list: it keeps hashes of at most so many entries, chosen with a salt that no app knows.
 */

import type { EventTemplate } from '@nip46/core'
import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js'
import { LIST_SAMPLE, LISTS } from './limits.ts'

/** What is left of a replaceable event that was signed. */
export interface ListMemory {
  /** Kind, and what distinguishes events of one kind (`d`), hashed. */
  readonly list: string
  /** When this state was signed, in Unix milliseconds. */
  readonly at: number
  /** Entries in all. */
  readonly count: number
  /** Characters of what is not readable here: an encrypted part. */
  readonly hidden: number
  /** Hashes of entries, the smallest ones, ascending; of a profile with the marks of {@link WEIGHTY}. */
  readonly sample: readonly string[]
}

/** The state that losses are measured against moves on after this long: many small losses in a day count as one. */
const MOVES_ON_MS = 86_400_000
const HASH_CHARS = 10
/** In a profile, another address to be paid at or known by counts as a loss of everything. */
const WEIGHTY: readonly string[] = ['lud06', 'lud16', 'nip05']
/** Tags that describe a list and are no entry of it. */
const NO_ENTRY: readonly string[] = ['d', 'title', 'name', 'description', 'image', 'summary', 'alt', 'client']

export function isReplaceable(kind: number): boolean {
  return kind === 0 || kind === 3 || (kind >= 10_000 && kind < 20_000) || (kind >= 30_000 && kind < 40_000)
}

/** Percent of the earlier entries that this event no longer has; 0 if nothing is lost. */
export function lossAgainst(memory: ListMemory, template: EventTemplate, salt: string): number {
  const entries = entriesOf(template)
  const hashes = new Set(entries.map((entry) => hashEntry(entry, salt)))
  if (memory.sample.some((entry) => entry.startsWith('!') && !hashes.has(entry))) return 100
  const missing = memory.sample.filter((entry) => !hashes.has(entry)).length
  const sampled = memory.sample.length === 0 ? 0 : (missing / memory.sample.length) * 100
  // What got fewer lost at least the difference, however the sample fell.
  const counted = memory.count === 0 ? 0 : ((memory.count - hashes.size) / memory.count) * 100
  const hidden = memory.hidden === 0 ? 0 : ((memory.hidden - hiddenOf(template)) / memory.hidden) * 100
  return Math.max(0, sampled, counted, hidden)
}

/** The memories with this event in them; the one signed longest ago goes if there are too many. */
export function rememberList(
  memories: readonly ListMemory[],
  template: EventTemplate,
  { salt, now, accepted }: { readonly salt: string; readonly now: number; readonly accepted: boolean },
): readonly ListMemory[] {
  const list = listKey(template)
  const earlier = memories.find((memory) => memory.list === list)
  const others = memories.filter((memory) => memory.list !== list)
  // A person who said yes saw what gets lost; otherwise the state of the day stays the measure.
  const stays = earlier !== undefined && !accepted && now - earlier.at < MOVES_ON_MS && now >= earlier.at
  return [...others, stays ? earlier : memoryOf(template, salt, now)].slice(-LISTS)
}

export function findList(memories: readonly ListMemory[], template: EventTemplate): ListMemory | undefined {
  const list = listKey(template)
  return memories.find((memory) => memory.list === list)
}

export function memoryOf(template: EventTemplate, salt: string, now: number): ListMemory {
  const hashes = [...new Set(entriesOf(template).map((entry) => hashEntry(entry, salt)))].sort()
  const sample = hashes.slice(0, LIST_SAMPLE)
  return { list: listKey(template), at: now, count: hashes.length, hidden: hiddenOf(template), sample }
}

/** How many entries an event of this kind has. */
export function countEntries(template: EventTemplate): number {
  return new Set(entriesOf(template)).size
}

function listKey({ kind, tags }: EventTemplate): string {
  const d = kind >= 30_000 && kind < 40_000 ? (tags.find(([name]) => name === 'd')?.[1] ?? '') : ''
  return d === '' ? String(kind) : `${kind}:${bytesToHex(sha256(utf8ToBytes(d))).slice(0, 16)}`
}

/** `!` first: must not get lost at all. Those sort before all others, so a sample always has them. */
function entriesOf({ kind, tags, content }: EventTemplate): readonly string[] {
  const entries = tags
    .filter(([name = '', value]) => value !== undefined && value !== '' && !NO_ENTRY.includes(name))
    .map(([name = '', value = '']) => JSON.stringify([name, value]))
  if (kind !== 0) return entries
  for (const [field, value] of Object.entries(readProfile(content))) {
    if (typeof value !== 'string' || value === '') continue
    entries.push(WEIGHTY.includes(field) ? `!${JSON.stringify([field, value])}` : JSON.stringify([field]))
  }
  return entries
}

function hiddenOf({ kind, content }: EventTemplate): number {
  return kind === 0 || kind === 3 ? 0 : content.length
}

function readProfile(content: string): { readonly [field: string]: unknown } {
  try {
    const value: unknown = JSON.parse(content)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : {}
  } catch (cause) {
    if (cause instanceof SyntaxError || cause instanceof RangeError) return {}
    throw cause
  }
}

function hashEntry(entry: string, salt: string): string {
  const hash = bytesToHex(sha256(utf8ToBytes(`${salt}\n${entry}`))).slice(0, HASH_CHARS)
  return entry.startsWith('!') ? `!${hash}` : hash
}
