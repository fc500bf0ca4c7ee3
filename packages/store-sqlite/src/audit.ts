/**
 * Reads the audit log, and whether its chain is whole: the thread walks it, and here its seals are opened.
 * Never changes anything.
 */

import type { AuditQuery, AuditRecord, AuditVerdict, StoreSeal } from '@nip46/core/remote-signer'
import { type Anchor, openAnchor } from './anchor.ts'
import { corruptError, SqliteStoreError } from './error.ts'
import { AUDIT_PAGE } from './limits.ts'
import type { ChainPoint, PlainAuditQuery, VerifyReply } from './message.ts'
import type { ThreadLink } from './thread-link.ts'

/** Whether the chain as it is stored has the place that was sealed. */
export async function fitsAnchor(thread: ThreadLink, anchor: Anchor | undefined): Promise<boolean> {
  if (anchor === undefined) return false
  const { checkpoint } = thread.opened
  if (anchor.seq === checkpoint.seq) return anchor.hash === checkpoint.hash
  if (anchor.seq < checkpoint.seq) return true
  return (await thread.ask<string | null>({ type: 'hash', seq: anchor.seq })).value === anchor.hash
}

/** See `AuditLog.verifyAudit`. */
export async function verifyChain(thread: ThreadLink, seal: StoreSeal): Promise<AuditVerdict> {
  const { id } = thread.opened
  const ask = async (from: ChainPoint): Promise<VerifyReply> =>
    (await thread.ask<VerifyReply>({ type: 'verify', from })).value
  let begin: ChainPoint | undefined
  let entries = 0
  let reply = await ask({ seq: Number.MAX_SAFE_INTEGER, hash: '' })
  let at = reply.checkpoint
  begin = at
  const firstAnchor = openAnchor(seal, id, reply.anchor)
  let seen: string | undefined
  do {
    reply = await ask(at)
    entries += reply.count
    // Retention may have dropped what was next.
    if (reply.fault?.code === 'missing' && at.seq < reply.checkpoint.seq) {
      at = reply.checkpoint
      begin = at
      reply = { ...reply, fault: null, done: false }
      continue
    }
    at = reply.at
  } while (!reply.done || (reply.fault === null && at.seq < reply.head.seq))
  let { fault } = reply
  const { checkpoint, checkpointSeal, head } = reply
  if (fault === null && checkpoint.seq > 0) {
    const sealed = openAnchor(seal, id, checkpointSeal, 'checkpoint')
    if (sealed?.seq !== checkpoint.seq || sealed.hash !== checkpoint.hash)
      fault = { seq: checkpoint.seq, code: 'anchor' }
  }
  if (fault === null) {
    if (firstAnchor === undefined) fault = { seq: at.seq, code: 'anchor' }
    else if (firstAnchor.seq > at.seq) fault = { seq: at.seq + 1, code: 'missing' }
    else if (firstAnchor.seq >= begin.seq) {
      seen =
        firstAnchor.seq === begin.seq
          ? begin.hash
          : ((await thread.ask<string | null>({ type: 'hash', seq: firstAnchor.seq })).value ?? undefined)
      if (seen !== firstAnchor.hash) fault = { seq: firstAnchor.seq, code: 'anchor' }
    }
  }
  const found = fault === null ? head : at
  return {
    ok: fault === null,
    entries,
    chains: [{ chain: id, checkpoint: begin, head: found, fault }],
  }
}

/** Throws `store/usage`. */
export function plainQuery({
  order = 'oldest',
  after,
  limit = AUDIT_PAGE,
  filter = {},
}: AuditQuery): PlainAuditQuery {
  if (!(Number.isSafeInteger(limit) && limit >= 1))
    throw new SqliteStoreError('store/usage', 'the limit of a page is a whole number above 0')
  return {
    newest: order === 'newest',
    after: after ?? null,
    limit: Math.min(limit, AUDIT_PAGE),
    types: filter.types ?? null,
    signerPubkey: filter.signerPubkey ?? null,
    userPubkey: filter.userPubkey ?? null,
    clientPubkey: filter.clientPubkey ?? null,
    since: filter.since ?? null,
    until: filter.until ?? null,
  }
}

export function readRecord(text: string): AuditRecord {
  try {
    return JSON.parse(text) as AuditRecord
  } catch {
    throw corruptError('an audit record')
  }
}
