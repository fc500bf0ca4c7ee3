/**
 * Reads the audit log in the order of its positions, and computes its chains anew.
 * Never skips an entry that another process is about to make visible, and never changes anything.
 */

import { createHash } from 'node:crypto'
import { type Pubkey, UsageError } from '@nip46/core'
import {
  type AuditChainVerdict,
  type AuditEntry,
  type AuditFault,
  type AuditLog,
  type AuditPage,
  type AuditQuery,
  type AuditRecord,
  type AuditVerdict,
  canonicalJson,
  type StoreSeal,
} from '@nip46/core/remote-signer'
import { openAnchor } from './anchor.ts'
import { type Database, persist } from './database.ts'
import { corruptError } from './error.ts'
import { READ_AUDIT, READ_MS } from './limits.ts'

interface EntryRow {
  readonly position: string
  readonly chain: string
  readonly seq: string
  readonly at: string
  readonly type: string
  readonly signer: Buffer
  readonly usr: Buffer
  readonly client: Buffer | null
  readonly record: Buffer
  readonly prev: Buffer
  readonly hash: Buffer
}

interface ChainRow {
  readonly chain: string
  readonly base_seq: string
  readonly base_hash: Buffer
  /** Of the base, if something was dropped. */
  readonly base_seal: Buffer | null
  readonly seq: string
  readonly hash: Buffer
  readonly anchor: Buffer | null
  /** False for entries of which nobody knows who wrote them. */
  readonly known: boolean
}

interface ChainFound {
  readonly verdict: AuditChainVerdict
  /** Entries that were looked at. */
  readonly count: number
}

export function createAuditLog(database: Database, schema: string, seal: StoreSeal): AuditLog {
  const query = <R extends object>(text: string, values: readonly unknown[]) =>
    persist(READ_MS, (left) => database.query<R & Record<string, unknown>>(text, values, left))

  async function readAudit(wanted: AuditQuery = {}): Promise<AuditPage> {
    const { order = 'oldest', after, limit = READ_AUDIT, filter = {} } = wanted
    if (!Number.isInteger(limit) || limit < 1 || limit > READ_AUDIT)
      throw new UsageError(`limit is a whole number from 1 to ${READ_AUDIT}`)
    if (after !== undefined && !Number.isSafeInteger(after)) throw new UsageError('after is a position')
    const values: unknown[] = []
    const conditions: string[] = []
    const where = (condition: string, value: unknown): void => {
      values.push(value)
      conditions.push(condition.replace('?', `$${values.length}`))
    }
    const bytes = (pubkey: Pubkey): Buffer => Buffer.from(pubkey, 'hex')
    if (order === 'oldest') {
      const [row] = await query<{ horizon: string }>(`SELECT ${schema}.audit_horizon() AS horizon`, [])
      where('position <= ?', row?.horizon)
    }
    if (after !== undefined) where(order === 'oldest' ? 'position > ?' : 'position < ?', after)
    if (filter.types !== undefined) where('type = ANY (?)', filter.types)
    if (filter.signerPubkey !== undefined) where('signer = ?', bytes(filter.signerPubkey))
    if (filter.userPubkey !== undefined) where('usr = ?', bytes(filter.userPubkey))
    if (filter.clientPubkey !== undefined) where('client = ?', bytes(filter.clientPubkey))
    if (filter.since !== undefined) where('at >= ?', filter.since)
    if (filter.until !== undefined) where('at <= ?', filter.until)
    const rows = await query<EntryRow>(
      `SELECT * FROM ${schema}.audit ${conditions.length > 0 ? `WHERE ${conditions.join(' AND ')}` : ''}
       ORDER BY position ${order === 'oldest' ? '' : 'DESC'} LIMIT ${limit + 1}`,
      values,
    )
    const entries = rows.slice(0, limit).map(entryOf)
    return { entries, next: rows.length > limit ? (entries.at(-1)?.position ?? null) : null }
  }

  const knownChains = `
    SELECT id AS chain, base_seq, base_hash, base_seal, seq, hash, anchor, true AS known FROM ${schema}.writer`

  async function verifyAudit(): Promise<AuditVerdict> {
    // Entries that come later are not looked at: nothing but appending ever happens to a chain.
    const rows = await query<ChainRow>(
      `${knownChains} WHERE seq > 0 OR anchor IS NOT NULL
       UNION ALL
       SELECT DISTINCT chain, 0, decode(repeat('00', 32), 'hex'), NULL::bytea, ${Number.MAX_SAFE_INTEGER}, NULL::bytea, NULL::bytea,
           false
         FROM ${schema}.audit WHERE NOT EXISTS (SELECT 1 FROM ${schema}.writer WHERE id = chain)
       ORDER BY chain`,
      [],
    )
    const chains: AuditChainVerdict[] = []
    let entries = 0
    for (const row of rows) {
      const { verdict, count } = await verifyChain(row)
      chains.push(verdict)
      entries += count
    }
    return { ok: chains.every(({ fault }) => fault === null), entries, chains }
  }

  async function verifyChain(row: ChainRow): Promise<ChainFound> {
    for (let chain = row; ; ) {
      const found = await verifyOnce(chain)
      if (found.verdict.fault === null || !chain.known) return found
      const [now] = await query<ChainRow>(`${knownChains} WHERE id = $1`, [chain.chain])
      // Retention may have dropped what was next.
      if (now === undefined || now.base_seq === chain.base_seq) return found
      chain = now
    }
  }

  async function verifyOnce(chain: ChainRow): Promise<ChainFound> {
    const checkpoint = { seq: Number(chain.base_seq), hash: chain.base_hash.toString('hex') }
    const anchor = chain.anchor === null ? undefined : openAnchor(chain.anchor, chain.chain, seal)
    let head = checkpoint
    let count = 0
    let fault: AuditFault | null = null
    const blame = (seq: number, code: AuditFault['code']): void => {
      fault ??= { seq, code }
    }
    if (checkpoint.seq > 0) {
      const { base_seal } = chain
      const base = base_seal === null ? undefined : openAnchor(base_seal, chain.chain, seal, 'checkpoint')
      if (base?.seq !== checkpoint.seq || base.hash !== checkpoint.hash) blame(checkpoint.seq, 'anchor')
    }
    if (anchor?.seq === checkpoint.seq && anchor.hash !== checkpoint.hash) blame(checkpoint.seq, 'anchor')
    for (let more = true; more; ) {
      const rows = await query<EntryRow>(
        `SELECT * FROM ${schema}.audit WHERE chain = $1 AND seq > $2 AND seq <= $3 ORDER BY seq LIMIT ${READ_AUDIT}`,
        [chain.chain, head.seq, chain.seq],
      )
      more = rows.length === READ_AUDIT
      for (const row of rows) {
        const seq = Number(row.seq)
        count += 1
        if (seq !== head.seq + 1) blame(head.seq + 1, 'missing')
        else if (row.prev.toString('hex') !== head.hash) blame(seq, 'link')
        if (!isIntact(row)) blame(seq, 'hash')
        head = { seq, hash: row.hash.toString('hex') }
        if (anchor?.seq === seq && anchor.hash !== head.hash) blame(seq, 'anchor')
      }
    }
    const written = chain.known ? Number(chain.seq) : head.seq
    if (head.seq < Math.max(written, anchor?.seq ?? 0)) blame(head.seq + 1, 'missing')
    // The first commit writes the first anchor: without one that opens, somebody else wrote the chain.
    if (anchor === undefined && head.seq > 0) blame(head.seq, 'anchor')
    else if (chain.known && chain.hash.toString('hex') !== head.hash) blame(head.seq, 'anchor')
    return { verdict: { chain: chain.chain, checkpoint, head, fault }, count }
  }

  return { readAudit, verifyAudit }
}

function entryOf(row: EntryRow): AuditEntry {
  return {
    position: Number(row.position),
    chain: row.chain,
    seq: Number(row.seq),
    prev: row.prev.toString('hex'),
    hash: row.hash.toString('hex'),
    record: recordOf(row),
  }
}

function recordOf(row: EntryRow): AuditRecord {
  try {
    return JSON.parse(row.record.toString('utf8')) as AuditRecord
  } catch {
    throw corruptError(`entry ${row.seq} of chain ${row.chain} of the audit log`)
  }
}

/** Whether the entry is what was hashed, and its columns say what its record says. */
function isIntact(row: EntryRow): boolean {
  const text = row.record.toString('utf8')
  const prev = row.prev.toString('hex')
  const hashed = `{"chain":${JSON.stringify(row.chain)},"prev":"${prev}","record":${text},"seq":${row.seq}}`
  if (createHash('sha256').update(hashed).digest('hex') !== row.hash.toString('hex')) return false
  try {
    const record = JSON.parse(text) as AuditRecord
    return (
      canonicalJson(record) === text &&
      record.at === Number(row.at) &&
      record.type === row.type &&
      record.signerPubkey === row.signer.toString('hex') &&
      record.userPubkey === row.usr.toString('hex') &&
      record.clientPubkey === (row.client?.toString('hex') ?? null)
    )
  } catch {
    return false
  }
}
