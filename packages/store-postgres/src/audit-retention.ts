/**
 * Drops the oldest audit records over the bound, chain by chain from its beginning, with a sealed checkpoint in their place.
 * Never drops an entry of a chain that no store of ours began: what somebody else wrote stays to be found.
 */

import type { StoreSeal } from '@nip46/core/remote-signer'
import { sealAnchor } from './anchor.ts'
import type { Database } from './database.ts'
import { READ_MS, SWEEP_ROWS } from './limits.ts'

export interface AuditRetention {
  /** Quoted, as an identifier. */
  readonly schema: string
  readonly seal: StoreSeal
  readonly auditRecords: number
}

/** Resolves with how many records went. Rejects with what `pg` says. */
export async function dropOldAudit(database: Database, retention: AuditRetention): Promise<number> {
  const { schema, seal, auditRecords } = retention
  let dropped = 0
  for (;;) {
    // Of one moment: two members that do this at once find the same.
    const ends = await database.query<{ chain: string; seq: string; hash: Buffer }>(
      `WITH excess AS MATERIALIZED (
         SELECT least(sum(seq - base_seq) - $1, ${SWEEP_ROWS})::bigint AS rows FROM ${schema}.writer
       ), old AS MATERIALIZED (
         SELECT chain, audit.seq, audit.hash
         FROM ${schema}.audit JOIN ${schema}.writer ON writer.id = chain
         ORDER BY position LIMIT (SELECT greatest(rows, 0) FROM excess)
       )
       SELECT DISTINCT ON (chain) chain, seq, hash FROM old ORDER BY chain, seq DESC`,
      [auditRecords],
      READ_MS,
    )
    let gone = 0
    for (const { chain, seq, hash } of ends) {
      const end = { seq: Number(seq), hash: hash.toString('hex') }
      const [row] = await database.query<{ gone: number }>(
        `SELECT ${schema}.drop_audit($1, $2, $3, $4) AS gone`,
        [chain, seq, hash, sealAnchor(end, chain, seal, 'checkpoint')],
        READ_MS,
      )
      gone += row?.gone ?? 0
    }
    dropped += gone
    if (gone < SWEEP_ROWS) return dropped
  }
}
