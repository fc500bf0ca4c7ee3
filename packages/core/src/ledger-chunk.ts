/**
 * One chunk of a session's memory as a store writes it, in two sealed pieces: what every new request is compared with, and the
 * texts of the answers, which only a repeat needs.
 * Never opens the texts before somebody looks at one, so that a start does not wait for them.
 */

import type { Answer, Ledger } from './ledger.ts'
import type { JsonSeal } from './sealed-json.ts'
import type { Millis, RelayUrl, RequestId } from './value.ts'

/** Some answers by their request ids, see `Ledger`. */
export type LedgerChunk = Ledger['chunks'][number]

/** Id, digest, time, which of the relay lists, resends, and which of the texts; null where none is kept. */
type IndexEntry = readonly [
  id: RequestId,
  digest: string,
  at: Millis,
  relays: number,
  resends: number,
  text: number | null,
]

interface ChunkIndex {
  readonly entries: readonly IndexEntry[]
  /** Each list once: most answers of a session have the same. */
  readonly relays: readonly (readonly RelayUrl[])[]
}

const HEADER_BYTES = 4

/** The length of the sealed index (4 bytes, the highest first), the sealed index, the sealed texts. `context` names the place. */
export function sealLedgerChunk(chunk: LedgerChunk, json: JsonSeal, context: string): Uint8Array {
  const entries: IndexEntry[] = []
  const relays: (readonly RelayUrl[])[] = []
  const places = new Map<string, number>()
  const texts: string[] = []
  for (const [id, { digest, text, at, relays: from, resends }] of Object.entries(chunk)) {
    const key = JSON.stringify(from)
    const place = places.get(key) ?? relays.push(from) - 1
    places.set(key, place)
    entries.push([id, digest, at, place, resends, text === null ? null : texts.push(text) - 1])
  }
  const index = json.seal({ entries, relays } satisfies ChunkIndex, `${context} index`)
  const body = json.seal(texts, `${context} texts`)
  const sealed = new Uint8Array(HEADER_BYTES + index.length + body.length)
  new DataView(sealed.buffer).setUint32(0, index.length)
  sealed.set(index, HEADER_BYTES)
  sealed.set(body, HEADER_BYTES + index.length)
  return sealed
}

/**
 * The chunk as it was; undefined if it does not open. Its texts stay sealed until one is looked at; if they do not open then, they
 * count as no longer kept. With `whole` they are opened at once, and have to.
 */
export function openLedgerChunk(
  sealed: Uint8Array,
  json: JsonSeal,
  context: string,
  whole = false,
): LedgerChunk | undefined {
  if (sealed.length < HEADER_BYTES) return undefined
  const view = new DataView(sealed.buffer, sealed.byteOffset, sealed.byteLength)
  const textsAt = HEADER_BYTES + view.getUint32(0)
  const opened = json.open(sealed.subarray(HEADER_BYTES, textsAt), `${context} index`)
  if (opened === undefined) return undefined
  const { entries, relays } = opened as ChunkIndex
  // A copy, since the bytes it is part of are those of many chunks.
  let body: Uint8Array | undefined = new Uint8Array(sealed.subarray(textsAt))
  let texts: readonly string[] | undefined
  const readTexts = (): readonly string[] | undefined => {
    if (body === undefined) return texts
    texts = json.open(body, `${context} texts`) as readonly string[] | undefined
    body = undefined
    return texts
  }
  if (whole && readTexts() === undefined) return undefined

  const chunk: Record<RequestId, Answer> = {}
  for (const [id, digest, at, place, resends, text] of entries) {
    const from = relays[place] ?? []
    const answer: Answer =
      text === null
        ? { digest, text, at, relays: from, resends }
        : {
            digest,
            get text() {
              return readTexts()?.[text] ?? null
            },
            at,
            relays: from,
            resends,
          }
    // Peers choose these ids, and plain assignment to this one would set the prototype.
    if (id === '__proto__')
      Object.defineProperty(chunk, id, {
        value: answer,
        enumerable: true,
        configurable: true,
        writable: true,
      })
    else chunk[id] = answer
  }
  return chunk
}
