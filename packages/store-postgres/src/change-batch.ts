/**
 * Changes as what `commit_changes` takes: groups of records, and all sealed bodies in one piece.
 * Never puts two changes with a record in common into one group: a later one must see what an earlier one wrote.
 */

import type { Millis } from '@nip46/core'
import {
  canonicalJson,
  type SessionChange,
  type SharedChange,
  type StoreChange,
} from '@nip46/core/remote-signer'
import { notesOf, toldOf } from './note.ts'
import type { RecordCodec } from './record.ts'

/** The changes of one call, encoded. */
export interface EncodedCall {
  readonly now: Millis
  readonly changes: readonly EncodedChange[]
}

interface EncodedChange {
  readonly pieces: readonly Piece[]
  readonly touched: readonly string[]
  readonly told: SharedChange | undefined
  readonly session: SessionChange | undefined
}

/** One record to write: what kind, what is said of it, and its sealed body. */
interface Piece {
  readonly kind: string
  readonly row: Row
  readonly body?: Uint8Array
}

type Row = Readonly<Record<string, unknown>>

/** Throws what the seal throws, for a record that is too large. */
export function encodeCall(changes: readonly StoreChange[], now: Millis, codec: RecordCodec): EncodedCall {
  return { now, changes: changes.map((change) => encodeChange(change, codec)) }
}

function encodeChange(change: StoreChange, codec: RecordCodec): EncodedChange {
  const pieces: Piece[] = []
  const add = (kind: string, row: Row, body?: Uint8Array): void => {
    pieces.push({ kind, row, ...(body !== undefined && { body }) })
  }
  const claims = new Map(change.claims?.map((claim) => [claim.eventId, claim]))
  for (const { eventId: e, signerPubkey: s, clientPubkey: c, requestId, at: a } of claims.values())
    add('claims', { e, s, c, a }, encoder.encode(JSON.stringify(requestId)))
  const { session } = change
  if (session !== undefined) {
    const { signerPubkey: s, clientPubkey: c, revision: r } = session
    const { head, parts, dropped } = codec.encodeSession(session)
    add('sessions', { s, c, r, ...(dropped === 'all' && { k: [] }) }, head ?? undefined)
    for (const d of dropped === 'all' ? [] : dropped) add('dropped', { s, c, d })
    for (const { id: d, body } of parts) add('chunks', { s, c, d }, body)
  }
  for (const { token: t, revision: r, after } of change.offers ?? [])
    add('offers', { t, r }, after === null ? undefined : codec.encodeOffer(t, after))
  for (const { pubkey: k, secret, createdAt: a } of change.keys ?? [])
    add('keys', { k, a }, codec.encodeKey(k, secret))
  for (const k of change.forgetKeys ?? []) add('forgotten', { k })
  for (const k of new Set(change.clients)) add('clients', { k })
  for (const entry of change.outbox ?? [])
    add('outbox', { d: entry.id, a: entry.at }, codec.encodeAnswer(entry))
  for (const d of change.published ?? []) add('published', { d })
  for (const record of change.audit ?? []) {
    const { at: a, type: t, signerPubkey: s, userPubkey: u, clientPubkey: c } = record
    add('audit', { a, t, s, u, c }, encoder.encode(canonicalJson(record)))
  }
  return { pieces, touched: touchedBy(change), told: toldOf(change), session }
}

interface Group {
  now: Millis
  size: number
  readonly touched: Set<string>
  readonly rows: Record<string, Row[]>
  readonly told: SharedChange[]
}

/** Calls that are written in one transaction. */
export class ChangeBatch {
  readonly #writer: string
  readonly #groups: Group[] = []
  readonly #bodies: Uint8Array[] = []
  readonly #sessions: (SessionChange | undefined)[] = []
  /** Where each change is: its group, its number there. */
  readonly places: { readonly group: number; readonly n: number }[] = []
  /** Bytes of all bodies. */
  bytes = 0
  /** Whether there are audit records in it. */
  records = false

  /** `writer` is who commits, so that it can tell its own notifications. */
  constructor(writer: string) {
    this.#writer = writer
  }

  add({ now, changes }: EncodedCall): void {
    for (const change of changes) {
      let group = this.#groups.at(-1)
      if (group === undefined || change.touched.some((name) => group?.touched.has(name) === true)) {
        group = { now, size: 0, touched: new Set(), rows: {}, told: [] }
        this.#groups.push(group)
      }
      // The earliest: what counts as claimed then counts for all.
      group.now = Math.min(group.now, now)
      const n = group.size++
      for (const { kind, row, body } of change.pieces) {
        group.rows[kind] ??= []
        group.rows[kind].push({ n, ...row, ...(body !== undefined && this.#place(body)) })
        if (kind === 'audit') this.records = true
      }
      for (const name of change.touched) group.touched.add(name)
      if (change.told !== undefined) group.told.push(change.told)
      this.#sessions.push(change.session)
      this.places.push({ group: this.#groups.length - 1, n })
    }
  }

  /** JSON for `commit_changes`. */
  groups(): string {
    return JSON.stringify(
      this.#groups.map(({ now, rows, told }) => {
        // Everybody locks in one order, so that two cannot wait for each other.
        rows.claims?.sort((a, b) => order(a.e, b.e))
        rows.sessions?.sort((a, b) => order(a.s, b.s) || order(a.c, b.c))
        rows.offers?.sort((a, b) => order(a.t, b.t))
        return { now, ...rows, ...(told.length > 0 && { notes: notesOf(told, this.#writer) }) }
      }),
    )
  }

  bodies(): Uint8Array {
    const whole = new Uint8Array(this.bytes)
    let at = 0
    for (const body of this.#bodies) {
      whole.set(body, at)
      at += body.length
    }
    return whole
  }

  /** Notes which rows the parts of a session are in, once the change at `index` was made. */
  remember(index: number, codec: RecordCodec): void {
    const session = this.#sessions[index]
    if (session !== undefined) codec.remember(session)
  }

  /** Where a body begins, from 1, and how long it is. */
  #place(body: Uint8Array): { readonly o: number; readonly l: number } {
    this.#bodies.push(body)
    this.bytes += body.length
    return { o: this.bytes - body.length + 1, l: body.length }
  }
}

function order(a: unknown, b: unknown): number {
  return String(a) < String(b) ? -1 : a === b ? 0 : 1
}

/** Names of all records that this change reads or writes. */
function touchedBy(change: StoreChange): readonly string[] {
  const { session } = change
  return [
    ...(change.claims ?? []).map(({ eventId }) => `event ${eventId}`),
    ...(session === undefined ? [] : [`session ${session.signerPubkey} ${session.clientPubkey}`]),
    ...(change.offers ?? []).map(({ token }) => `offer ${token}`),
    ...(change.keys ?? []).map(({ pubkey }) => `key ${pubkey}`),
    ...(change.forgetKeys ?? []).map((pubkey) => `key ${pubkey}`),
    ...(change.clients ?? []).map((pubkey) => `client ${pubkey}`),
    ...(change.outbox ?? []).map(({ id }) => `outbox ${id}`),
    ...(change.published ?? []).map((id) => `outbox ${id}`),
  ]
}

const encoder = new TextEncoder()
