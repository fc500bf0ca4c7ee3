/**
 * In which rows a session's memory of answers is: a young answer in one of its own, a full chunk of them in one together. So an answer
 * is written when it is given and when its chunk is full, and not with every answer in between.
 * Never writes what is there already, which is known by the very object that was written.
 */

import { type Answer, SMALL_CHUNK } from './ledger.ts'
import type { LedgerChunk } from './ledger-chunk.ts'
import type { RequestId } from './value.ts'

/** An answer and what it is an answer to. */
export type Entry = readonly [requestId: RequestId, answer: Answer]

/** Where a chunk is: in one row, or each of its answers in one, in their order. */
export type Part = number | readonly number[]

export interface Layout {
  /** Of each chunk. */
  readonly parts: readonly Part[]
  /** What the new rows hold, from `firstRow` on. */
  readonly fresh: readonly (LedgerChunk | Entry)[]
  /** Rows that are not needed any more. */
  readonly dropped: readonly number[]
}

/** `stored` is what is there. New rows are numbered from `firstRow` on. */
export function layOut(
  chunks: readonly LedgerChunk[],
  stored: { readonly chunks: readonly LedgerChunk[]; readonly parts: readonly Part[] },
  firstRow: number,
): Layout {
  let same = 0
  while (same < stored.chunks.length && chunks[same] === stored.chunks[same]) same += 1
  const parts = stored.parts.slice(0, same)
  const wholes = new Map<LedgerChunk, number>()
  const singles = new Map<Answer, { readonly requestId: RequestId; readonly row: number }>()
  const unused = new Set<number>()
  for (let i = same; i < stored.chunks.length; i++) {
    const chunk = stored.chunks[i] as LedgerChunk
    const part = stored.parts[i] as Part
    if (typeof part === 'number') {
      wholes.set(chunk, part)
      unused.add(part)
      continue
    }
    Object.entries(chunk).forEach(([requestId, answer], k) => {
      const row = part[k] as number
      singles.set(answer, { requestId, row })
      unused.add(row)
    })
  }

  const fresh: (LedgerChunk | Entry)[] = []
  const write = (value: LedgerChunk | Entry): number => firstRow + fresh.push(value) - 1
  const reuse = (row: number): number => {
    unused.delete(row)
    return row
  }
  for (const chunk of chunks.slice(same)) {
    const whole = wholes.get(chunk)
    const entries = whole === undefined ? Object.entries(chunk) : []
    if (whole !== undefined && unused.has(whole)) parts.push(reuse(whole))
    else if (entries.length > SMALL_CHUNK) parts.push(write(chunk))
    else
      parts.push(
        entries.map(([requestId, answer]) => {
          const single = singles.get(answer)
          const isThere = single?.requestId === requestId && unused.has(single.row)
          return isThere ? reuse(single.row) : write([requestId, answer])
        }),
      )
  }
  return { parts, fresh, dropped: [...unused] }
}
