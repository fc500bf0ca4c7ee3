/**
 * A session's bounded memory of answered requests, as JSON: a repeat gets the same answer, never a second execution.
 * Never copied whole: it is a list of small chunks, so that one more entry costs the same with ten or thousands inside.
 */

import { ANSWER_MEMORY_MS, SESSION_ANSWER_CHARS, SESSION_ANSWERED } from './limits.ts'
import type { Millis, RelayUrl, RequestId } from './value.ts'

export interface Answer {
  readonly digest: string
  /** The JSON text that was sent, or null once its room was needed. */
  readonly text: string | null
  readonly at: Millis
  /** Relays the request came from: the same event from one more relay asks for nothing. */
  readonly relays: readonly RelayUrl[]
  readonly resends: number
}

type Chunk = { readonly [id: RequestId]: Answer }

export interface Ledger {
  /** Oldest first; the last one is being filled. */
  readonly chunks: readonly Chunk[]
  /** Characters of all texts kept. */
  readonly chars: number
}

/** Entries of one chunk that is full. */
const CHUNK = 64
/** Entries of a chunk that is copied with each answer; so many of these in a row become a full one. */
export const SMALL_CHUNK = 8

/** Characters freed beyond what is needed: a chunk is copied to take texts out of it, and then that lasts for a while. */
const SPARE_CHARS = SESSION_ANSWER_CHARS / 64

/** Full chunks at which the oldest one goes. */
const FULL_CHUNKS = SESSION_ANSWERED / CHUNK

export const EMPTY_LEDGER: Ledger = { chunks: [], chars: 0 }

/** The youngest answer under this id that is not older than the memory. */
export function findAnswer(ledger: Ledger, id: RequestId, now: Millis): Answer | undefined {
  for (let i = ledger.chunks.length - 1; i >= 0; i--) {
    const chunk = ledger.chunks[i]
    if (chunk === undefined || !Object.hasOwn(chunk, id)) continue
    const answer = chunk[id]
    return answer !== undefined && now - answer.at <= ANSWER_MEMORY_MS ? answer : undefined
  }
  return undefined
}

/** Adds an answer, or replaces the one under the same id. The oldest chunk goes when the memory is full or old. */
export function recordAnswer(ledger: Ledger, id: RequestId, answer: Answer, now: Millis): Ledger {
  let chunks = [...ledger.chunks]
  let chars = ledger.chars + (answer.text?.length ?? 0)
  const held = chunks.findIndex((chunk) => Object.hasOwn(chunk, id))
  const heldChunk = chunks[held]
  if (heldChunk !== undefined) {
    chars -= heldChunk[id]?.text?.length ?? 0
    chunks[held] = withEntry(heldChunk, id, answer)
  } else {
    const last = chunks.at(-1)
    if (last !== undefined && sizeOf(last) < SMALL_CHUNK)
      chunks[chunks.length - 1] = withEntry(last, id, answer)
    else chunks = [...joinSmall(chunks), withEntry({}, id, answer)]
  }
  while (chunks.length > 1) {
    const first = chunks[0] as Chunk
    const full = chunks.length >= FULL_CHUNKS && chunks.length - countSmall(chunks) >= FULL_CHUNKS
    if (!full && !isOld(first, now)) break
    chars -= charsOf(first)
    chunks = chunks.slice(1)
  }
  if (chars <= SESSION_ANSWER_CHARS) return { chunks, chars }
  for (let i = 0; i < chunks.length && chars > SESSION_ANSWER_CHARS - SPARE_CHARS; i++) {
    const chunk = chunks[i] as Chunk
    if (isLean(chunk)) continue
    const lean: Record<RequestId, Answer> = {}
    for (const [key, entry] of Object.entries(chunk)) {
      const drop = entry.text !== null && chars > SESSION_ANSWER_CHARS - SPARE_CHARS && key !== id
      if (drop) chars -= entry.text?.length ?? 0
      define(lean, key, drop ? { ...entry, text: null } : entry)
    }
    chunks[i] = lean
  }
  return { chunks, chars }
}

function isOld(chunk: Chunk, now: Millis): boolean {
  for (const id in chunk) if (now - (chunk[id] as Answer).at <= ANSWER_MEMORY_MS) return false
  return true
}

/** Whether no text is left in it. */
function isLean(chunk: Chunk): boolean {
  for (const id in chunk) if ((chunk[id] as Answer).text !== null) return false
  return true
}

/** The small chunks at the end as one, once they fill it. */
function joinSmall(chunks: readonly Chunk[]): Chunk[] {
  const small = CHUNK / SMALL_CHUNK
  if (countSmall(chunks) < small) return [...chunks]
  const joined: Record<RequestId, Answer> = {}
  for (const chunk of chunks.slice(-small)) {
    for (const [id, answer] of Object.entries(chunk)) define(joined, id, answer)
  }
  return [...chunks.slice(0, -small), joined]
}

/** Chunks at the end that are not full ones. */
function countSmall(chunks: readonly Chunk[]): number {
  let small = 0
  while (small < chunks.length && sizeOf(chunks[chunks.length - 1 - small] as Chunk) <= SMALL_CHUNK) small++
  return small
}

function sizeOf(chunk: Chunk): number {
  return Object.keys(chunk).length
}

/** A computed name defines a member also where it is `__proto__`. */
function withEntry(chunk: Chunk, id: RequestId, answer: Answer): Chunk {
  return { ...chunk, [id]: answer }
}

/** Plain assignment to `__proto__` would set the prototype; peers choose these ids. */
function define(target: Record<RequestId, Answer>, id: RequestId, answer: Answer): void {
  Object.defineProperty(target, id, { value: answer, enumerable: true, configurable: true, writable: true })
}

function charsOf(chunk: Chunk): number {
  let chars = 0
  for (const entry of Object.values(chunk)) chars += entry.text?.length ?? 0
  return chars
}
