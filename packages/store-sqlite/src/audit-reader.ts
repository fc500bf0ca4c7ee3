/**
 * Reads the audit chain, and computes it anew.
 * Never needs the key: the log can be read and verified without it.
 */

import type { DatabaseSync } from 'node:sqlite'
import type { AuditFault } from '@nip46/core/remote-signer'
import { numberOf, textOf, toHex } from './blob.ts'
import { hashEntry } from './group-writer.ts'
import { AUDIT_SCAN, VERIFY_RECORDS } from './limits.ts'
import type { ChainPoint, PlainAuditPage, PlainAuditQuery } from './message.ts'

export interface AuditReader {
  page(query: PlainAuditQuery): PlainAuditPage
  /** The next records behind `from`; `head` is where the chain ends by what the store says. */
  verify(from: ChainPoint, head: ChainPoint): AuditProgress
  hashAt(seq: number): string | null
}

export interface AuditProgress {
  readonly count: number
  readonly at: ChainPoint
  readonly fault: AuditFault | null
  readonly done: boolean
}

export function createAuditReader(database: DatabaseSync, id: string): AuditReader {
  const forward = database.prepare('SELECT * FROM audit WHERE seq > ? ORDER BY seq LIMIT ?')
  const backward = database.prepare('SELECT * FROM audit WHERE seq < ? ORDER BY seq DESC LIMIT ?')
  const hash = database.prepare('SELECT hash FROM audit WHERE seq = ?')

  return {
    page(query) {
      const { newest, after, limit } = query
      const from = after ?? (newest ? Number.MAX_SAFE_INTEGER : 0)
      const entries: PlainAuditPage['entries'][number][] = []
      let seen = 0
      let last = from
      const rows = (newest ? backward : forward).iterate(from, AUDIT_SCAN + 1)
      for (const row of rows) {
        if (seen === AUDIT_SCAN || entries.length === limit) return { entries, next: last }
        seen += 1
        last = numberOf(row, 'seq')
        const record = textOf(row, 'record')
        if (!matches(record, query)) continue
        entries.push({ seq: last, prev: toHex(row['prev']), hash: toHex(row['hash']), record })
      }
      return { entries, next: null }
    },
    verify(from, head) {
      let at = from
      let count = 0
      for (const row of forward.iterate(from.seq, VERIFY_RECORDS)) {
        const seq = numberOf(row, 'seq')
        const expected = at.seq + 1
        const fail = (code: AuditFault['code'], place: number): AuditProgress => ({
          count,
          at,
          fault: { seq: place, code },
          done: true,
        })
        if (seq !== expected) return fail('missing', expected)
        const prev = toHex(row['prev'])
        const stored = toHex(row['hash'])
        count += 1
        if (hashEntry(id, prev, textOf(row, 'record'), seq) !== stored) return fail('hash', seq)
        if (prev !== at.hash) return fail('link', seq)
        at = { seq, hash: stored }
      }
      const done = count < VERIFY_RECORDS
      if (done && at.seq < head.seq)
        return { count, at, fault: { seq: at.seq + 1, code: 'missing' }, done: true }
      if (done && (at.seq > head.seq || at.hash !== head.hash))
        return { count, at, fault: { seq: at.seq, code: 'anchor' }, done: true }
      return { count, at, fault: null, done }
    },
    hashAt(seq) {
      const found = hash.get(seq)?.['hash']
      return found === undefined ? null : toHex(found)
    },
  }
}

function matches(text: string, query: PlainAuditQuery): boolean {
  const { types, signerPubkey, userPubkey, clientPubkey, since, until } = query
  // Most records are passed over without being parsed.
  for (const pubkey of [signerPubkey, userPubkey, clientPubkey])
    if (pubkey !== null && !text.includes(pubkey)) return false
  if (types === null && signerPubkey === null && userPubkey === null && clientPubkey === null)
    if (since === null && until === null) return true
  let record: Readonly<Record<string, unknown>>
  try {
    record = JSON.parse(text) as Readonly<Record<string, unknown>>
  } catch {
    // `verifyAudit` tells of it.
    return false
  }
  const at = Number(record['at'])
  return (
    (types === null || types.some((type) => type === record['type'])) &&
    (signerPubkey === null || record['signerPubkey'] === signerPubkey) &&
    (userPubkey === null || record['userPubkey'] === userPubkey) &&
    (clientPubkey === null || record['clientPubkey'] === clientPubkey) &&
    (since === null || at >= since) &&
    (until === null || at <= until)
  )
}
