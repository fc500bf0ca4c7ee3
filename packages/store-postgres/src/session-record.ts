/**
 * A session as rows: one that changes with every request, and the full parts of its memory of answers, written once.
 * Never rewrites a part that did not change, and never leaves a plaintext unsealed.
 */

import type { Millis, Pubkey } from '@nip46/core'
import type {
  ChunkSealing,
  LedgerChunk,
  OutboxEntry,
  SessionChange,
  SessionName,
  SignerSession,
  StoreSeal,
} from '@nip46/core/remote-signer'
import { openLedgerChunk, sealLedgerChunk } from '@nip46/core/remote-signer'
import { corruptError } from './error.ts'

/** What has to be written for a change. */
export interface SessionWrite {
  /** Undefined: the session is forgotten. */
  readonly body: Uint8Array | undefined
  readonly chunks: readonly { readonly id: number; readonly body: Uint8Array; readonly chunk: LedgerChunk }[]
  /** Parts that are stored and no longer needed. */
  readonly dropped: readonly number[]
  /** Or, where it is not known what is stored: the only parts to keep. */
  readonly keep: readonly number[] | undefined
}

/** Which stored row each part is. Filled by what was read, and by what was written. */
export type ChunkIds = WeakMap<LedgerChunk, number>

/** Parts are numbered by the revision that wrote them. */
const PARTS_PER_REVISION = 1_024

export function encodeSession(change: SessionChange, ids: ChunkIds, seal: StoreSeal): SessionWrite {
  const { before, after } = change
  if (after === null) return { body: undefined, chunks: [], dropped: [], keep: [] }
  const stored = new Map<LedgerChunk, number>()
  let known = true
  // The last part is in the session's own row.
  for (const chunk of before?.ledger.chunks.slice(0, -1) ?? []) {
    const id = ids.get(chunk)
    if (id === undefined) known = false
    else stored.set(chunk, id)
  }
  const { chunks, chars } = after.ledger
  const fresh: { readonly id: number; readonly body: Uint8Array; readonly chunk: LedgerChunk }[] = []
  const parts = chunks.slice(0, -1).map((chunk) => {
    const id = stored.get(chunk)
    if (id !== undefined) {
      stored.delete(chunk)
      return id
    }
    const next = (change.revision + 1) * PARTS_PER_REVISION + fresh.length
    fresh.push({ id: next, body: sealLedgerChunk(chunk, sealingOf(change, next, seal)), chunk })
    return next
  })
  const record = { ...after, ledger: { chars, parts, last: chunks.at(-1) ?? null } }
  return {
    body: seal.seal(encode(record), sessionContext(change)),
    chunks: fresh,
    dropped: known ? [...stored.values()] : [],
    keep: known ? undefined : parts,
  }
}

export function decodeSession(
  name: SessionName,
  body: Uint8Array,
  parts: ReadonlyMap<number, Uint8Array>,
  ids: ChunkIds,
  seal: StoreSeal,
): SignerSession {
  const record = decode(body, sessionContext(name), 'a session', seal) as Omit<SignerSession, 'ledger'> & {
    readonly ledger: {
      readonly chars: number
      readonly parts: readonly number[]
      readonly last: LedgerChunk | null
    }
  }
  const { chars, last } = record.ledger
  const chunks = record.ledger.parts.map((id) => {
    const part = parts.get(id)
    if (part === undefined) throw corruptError('a part of a session')
    const place = sealingOf(name, id, seal)
    // Stores that were written before chunks were in two pieces have them as one.
    const chunk =
      openLedgerChunk(part, place) ??
      (decode(part, place.context, 'a part of a session', seal) as LedgerChunk)
    ids.set(chunk, id)
    return chunk
  })
  if (last !== null) chunks.push(last)
  return { ...record, ledger: { chunks, chars } }
}

export function encodeOutbox(entry: OutboxEntry, seal: StoreSeal): Uint8Array {
  const { id, at: _, ...rest } = entry
  return seal.seal(encode(rest), `outbox ${id}`)
}

export function decodeOutbox(id: string, at: Millis, body: Uint8Array, seal: StoreSeal): OutboxEntry {
  return { ...(decode(body, `outbox ${id}`, 'an answer', seal) as Omit<OutboxEntry, 'id' | 'at'>), id, at }
}

/** An offer, or whatever else is one sealed value under one name. */
export function encodeValue(value: unknown, context: string, seal: StoreSeal): Uint8Array {
  return seal.seal(encode(value), context)
}

export function decodeValue(body: Uint8Array, context: string, what: string, seal: StoreSeal): unknown {
  return decode(body, context, what, seal)
}

export function offerContext(token: string): string {
  return `offer ${token}`
}

export function keyContext(pubkey: Pubkey): string {
  return `key ${pubkey}`
}

/** Secret bytes of a key; the caller wipes them. */
export function openKey(pubkey: Pubkey, sealed: Uint8Array, seal: StoreSeal): Uint8Array {
  const opened = seal.open(sealed, keyContext(pubkey))
  if (!opened.ok || opened.value.length !== 32) throw corruptError('a key')
  return opened.value
}

function sessionContext({ signerPubkey, clientPubkey }: SessionName): string {
  return `session ${signerPubkey} ${clientPubkey}`
}

function sealingOf({ signerPubkey, clientPubkey }: SessionName, id: number, seal: StoreSeal): ChunkSealing {
  return {
    seal,
    context: `chunk ${signerPubkey} ${clientPubkey} ${id}`,
    encode: (text) => encoder.encode(text),
    decode: (bytes) => decoder.decode(bytes),
  }
}

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true })

function encode(value: unknown): Uint8Array {
  return encoder.encode(JSON.stringify(value))
}

function decode(sealed: Uint8Array, context: string, what: string, seal: StoreSeal): unknown {
  const opened = seal.open(sealed, context)
  if (!opened.ok) throw corruptError(what)
  try {
    return JSON.parse(decoder.decode(opened.value))
  } catch {
    // Authentic and no JSON: not written by this package.
    throw corruptError(what)
  } finally {
    opened.value.fill(0)
  }
}
