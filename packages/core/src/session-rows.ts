/**
 * A session as rows of a store: a small one that changes with every request, its head, and those of its memory of answers, each
 * written once. An answer is sealed when it is given, and once more with all those of its chunk when that is full.
 * Never writes a row that is there already, and never leaves a plaintext unsealed.
 */

import { type LedgerChunk, openLedgerChunk, sealLedgerChunk } from './ledger-chunk.ts'
import { type Entry, layOut, type Part } from './ledger-layout.ts'
import { SESSION_ROWS } from './limits.ts'
import type { JsonSeal } from './sealed-json.ts'
import type { SignerSession } from './signer-state.ts'
import type { SessionChange, SessionName } from './signer-store.ts'
import { UsageError } from './value.ts'

/** What has to be written for a change. */
export interface SessionWrite {
  /** Null: the session is forgotten. */
  readonly head: Uint8Array | null
  readonly parts: readonly { readonly id: number; readonly body: Uint8Array }[]
  /** Parts that are stored and no longer needed; `all` where it is not known what is stored. They go before `parts` come. */
  readonly dropped: readonly number[] | 'all'
}

/** What is stored, and under which revision. */
export interface SessionRead extends SessionName {
  readonly revision: number
  readonly head: Uint8Array
  readonly parts: ReadonlyMap<number, Uint8Array>
}

/** The places that the rows of a session are sealed for. */
export interface SessionPlaces {
  head(name: SessionName, revision: number): string
  part(name: SessionName, id: number): string
}

/** Sessions as rows, and back. It knows what it read and wrote, by the very objects; two stores need one each. */
export interface SessionRows {
  /** Throws `UsageError` if the memory takes more than `limits.SESSION_ROWS` rows. */
  write(change: SessionChange): SessionWrite
  /** What was written for this change is stored now. */
  remember(change: SessionChange): void
  /**
   * Undefined if something is missing, or does not open. The texts of full chunks are opened when they are needed; with `whole` they
   * are opened now, and have to.
   */
  read(stored: SessionRead, whole?: boolean): SignerSession | undefined
}

type Head = Omit<SignerSession, 'ledger'> & {
  readonly ledger: {
    readonly chars: number
    readonly parts: readonly Part[]
    /** Of stores that kept the chunk that was being filled here. */
    readonly last?: LedgerChunk | null
  }
}

/** `places` names the places that rows are sealed for: each another, and always the same. */
export function createSessionRows(json: JsonSeal, places: SessionPlaces): SessionRows {
  /** In which rows the parts of a session's memory are, by the very object that is stored. */
  const stored = new WeakMap<SignerSession, { readonly revision: number; readonly parts: readonly Part[] }>()
  /** Where they will be, once the change is stored. */
  const planned = new WeakMap<SignerSession, readonly Part[]>()

  return {
    write(change) {
      const { revision, before, after } = change
      if (after === null) return { head: null, parts: [], dropped: 'all' }
      const known = before === null ? undefined : stored.get(before)
      const isKnown = known?.revision === revision
      const { chunks, chars } = after.ledger
      // Numbered by the revision that writes them: none is ever written twice.
      const firstRow = (revision + 1) * SESSION_ROWS
      const { parts, fresh, dropped } = layOut(
        chunks,
        isKnown ? { chunks: before?.ledger.chunks ?? [], parts: known.parts } : { chunks: [], parts: [] },
        firstRow,
      )
      const rows = parts.reduce<number>((sum, part) => sum + (typeof part === 'number' ? 1 : part.length), 0)
      if (Math.max(rows, chunks.length) > SESSION_ROWS)
        throw new UsageError(`a session's memory of answers takes at most ${SESSION_ROWS} rows`)
      const head: Head = { ...after, ledger: { chars, parts } }
      planned.set(after, parts)
      return {
        head: json.seal(head, places.head(change, revision + 1)),
        parts: fresh.map((value, i) => {
          const id = firstRow + i
          const place = places.part(change, id)
          return { id, body: isEntry(value) ? json.seal(value, place) : sealLedgerChunk(value, json, place) }
        }),
        dropped: isKnown ? dropped : 'all',
      }
    },
    remember({ revision, after }) {
      if (after === null) return
      const parts = planned.get(after)
      if (parts !== undefined) stored.set(after, { revision: revision + 1, parts })
    },
    read(row, whole) {
      const opened = json.open(row.head, places.head(row, row.revision))
      if (opened === undefined) return undefined
      const head = opened as Head
      const { chars, parts, last } = head.ledger
      const chunks: LedgerChunk[] = []
      for (const part of parts) {
        const chunk = typeof part === 'number' ? openChunk(row, part, whole) : openEntries(row, part)
        if (chunk === undefined) return undefined
        chunks.push(chunk)
      }
      if (last != null) chunks.push(last)
      const session: SignerSession = { ...head, ledger: { chunks, chars } }
      if (last === undefined) stored.set(session, { revision: row.revision, parts })
      return session
    },
  }

  function openChunk(row: SessionRead, id: number, whole: boolean | undefined): LedgerChunk | undefined {
    const part = row.parts.get(id)
    if (part === undefined) return undefined
    const place = places.part(row, id)
    // Stores that were written before chunks were in two pieces have them as one.
    return openLedgerChunk(part, json, place, whole) ?? (json.open(part, place) as LedgerChunk | undefined)
  }

  function openEntries(row: SessionRead, ids: readonly number[]): LedgerChunk | undefined {
    const entries: Entry[] = []
    for (const id of ids) {
      const part = row.parts.get(id)
      const entry = part === undefined ? undefined : json.open(part, places.part(row, id))
      if (entry === undefined) return undefined
      entries.push(entry as Entry)
    }
    return Object.fromEntries(entries)
  }
}

function isEntry(value: LedgerChunk | Entry): value is Entry {
  return Array.isArray(value)
}
