/**
 * Finds records by name, or page by page.
 * Never opens a seal, and never writes.
 */

import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { blobOf, numberOf, type Row, textOf, toBlob, toHex } from './blob.ts'
import { PAGE_BYTES, PAGE_ROWS } from './limits.ts'
import type {
  PagedTable,
  PlainClaim,
  PlainFound,
  PlainWanted,
  StoredKeyRow,
  StoredOfferRow,
  StoredSession,
} from './message.ts'
import type { Packer } from './packer.ts'

export interface RowReader {
  session(signer: string, client: string, packer: Packer): StoredSession | undefined
  offer(token: string, packer: Packer): StoredOfferRow | undefined
  claim(eventId: Uint8Array, packer: Packer): PlainClaim | undefined
  isClaimed(eventId: Uint8Array): boolean
  find(wanted: PlainWanted, packer: Packer): PlainFound
  page(table: PagedTable, after: number, packer: Packer): PlainFound
}

const NOTHING: PlainFound = {
  sessions: [],
  offers: [],
  keys: [],
  clients: [],
  claims: [],
  outbox: [],
  next: null,
}

export function createRowReader(database: DatabaseSync): RowReader {
  const sessionByName = database.prepare('SELECT * FROM sessions WHERE signer = ? AND client = ?')
  const partsOf = database.prepare('SELECT id, body FROM parts WHERE session = ? ORDER BY id')
  const offerByToken = database.prepare('SELECT * FROM offers WHERE token = ?')
  const keyByPubkey = database.prepare('SELECT * FROM keys WHERE pubkey = ?')
  const claimByEvent = database.prepare('SELECT * FROM claims WHERE event_id = ?')
  const placeByEvent = database.prepare('SELECT place FROM claims WHERE event_id = ?')
  const pages = new Map<PagedTable, StatementSync>()

  const toSession = (row: Row, packer: Packer): StoredSession => ({
    signer: toHex(row['signer']),
    client: toHex(row['client']),
    revision: numberOf(row, 'revision'),
    head: packer.add(blobOf(row, 'head')),
    parts: partsOf
      .all(numberOf(row, 'place'))
      .map((part) => [numberOf(part, 'id'), packer.add(blobOf(part, 'body'))] as const),
  })
  const toOffer = (row: Row, packer: Packer): StoredOfferRow => ({
    token: textOf(row, 'token'),
    revision: numberOf(row, 'revision'),
    body: packer.add(blobOf(row, 'body')),
  })
  const toKey = (row: Row, packer: Packer): StoredKeyRow => ({
    pubkey: toHex(row['pubkey']),
    createdAt: numberOf(row, 'created_at'),
    secret: packer.add(blobOf(row, 'secret')),
  })
  const toClaim = (row: Row, packer: Packer): PlainClaim => ({
    eventId: toHex(row['event_id']),
    signer: toHex(row['signer']),
    client: toHex(row['client']),
    at: numberOf(row, 'at'),
    body: packer.add(blobOf(row, 'body')),
  })

  const convert: { readonly [T in PagedTable]: (row: Row, packer: Packer) => PlainFound[T][number] } = {
    sessions: toSession,
    offers: toOffer,
    keys: toKey,
    claims: toClaim,
    clients: (row, packer) => ({ pubkey: toHex(row['pubkey']), body: packer.add(blobOf(row, 'body')) }),
    outbox: (row, packer) => ({
      id: textOf(row, 'id'),
      at: numberOf(row, 'at'),
      body: packer.add(blobOf(row, 'body')),
    }),
  }

  const session: RowReader['session'] = (signer, client, packer) => {
    const row = sessionByName.get(toBlob(signer), toBlob(client))
    return row === undefined ? undefined : toSession(row, packer)
  }
  const offer: RowReader['offer'] = (token, packer) => {
    const row = offerByToken.get(token)
    return row === undefined ? undefined : toOffer(row, packer)
  }

  return {
    session,
    offer,
    claim(eventId, packer) {
      const row = claimByEvent.get(eventId)
      return row === undefined ? undefined : toClaim(row, packer)
    },
    isClaimed: (eventId) => placeByEvent.get(eventId) !== undefined,
    find(wanted, packer) {
      return {
        ...NOTHING,
        sessions: wanted.sessions.flatMap(({ signer, client }) => session(signer, client, packer) ?? []),
        offers: wanted.offers.flatMap((token) => offer(token, packer) ?? []),
        keys: wanted.keys.flatMap((pubkey) => {
          const row = keyByPubkey.get(toBlob(pubkey))
          return row === undefined ? [] : toKey(row, packer)
        }),
      }
    },
    page(table, after, packer) {
      let statement = pages.get(table)
      if (statement === undefined) {
        statement = database.prepare(`SELECT * FROM ${table} WHERE place > ? ORDER BY place`)
        pages.set(table, statement)
      }
      const items: unknown[] = []
      let next: number | null = null
      let last = after
      let rows = 0
      for (const row of statement.iterate(after)) {
        if (rows >= PAGE_ROWS || packer.length >= PAGE_BYTES) {
          next = last
          break
        }
        items.push(convert[table](row, packer))
        last = numberOf(row, 'place')
        rows += 1
      }
      return { ...NOTHING, [table]: items, next }
    },
  }
}
