/**
 * New entries of the audit log, for those who read along.
 * Never reads the log while nobody reads along, and never more than one page at a time.
 */

import type { Clock } from '@nip46/core'
import type { AuditEntry, AuditLog } from '@nip46/core/remote-signer'
import { AUDIT_TAIL_MS, AUDIT_TAIL_PAGE } from './limits.ts'

export interface AuditTail {
  /** Before somebody comes to read along: what is done once this has resolved is told to them. */
  ready(): Promise<void>
  /** Something was done that is on record. */
  stir(): void
  close(): void
}

export interface AuditTailOptions {
  readonly audit: AuditLog
  readonly clock: Clock
  readonly isWanted: () => boolean
  readonly onEntry: (entry: AuditEntry) => void
  readonly onFault: (cause: unknown) => void
}

export function createAuditTail({ audit, clock, isWanted, onEntry, onFault }: AuditTailOptions): AuditTail {
  let timer: unknown
  /** The last entry that was told, or was there when the first one came to read along. */
  let last = 0
  let isReading = false
  let isStirred = false
  let isClosed = false

  const read = async (): Promise<void> => {
    const { entries } = await audit.readAudit({ after: last, limit: AUDIT_TAIL_PAGE })
    for (const entry of entries) onEntry(entry)
    last = entries.at(-1)?.position ?? last
    if (entries.length === AUDIT_TAIL_PAGE) isStirred = true
  }

  const onTimer = (): void => {
    timer = undefined
    if (!isWanted()) return
    if (isReading) {
      isStirred = true
      return
    }
    isReading = true
    isStirred = false
    read()
      .catch(onFault)
      .finally(() => {
        isReading = false
        if (isStirred) stir()
      })
  }

  const stir = (): void => {
    if (isClosed || !isWanted()) return
    timer ??= clock.setTimer(onTimer, AUDIT_TAIL_MS)
  }

  return {
    async ready() {
      if (isWanted()) return
      const page = await audit.readAudit({ order: 'newest', limit: 1 })
      // Somebody else may have come meanwhile, and be told from there on.
      if (!isWanted()) last = page.entries[0]?.position ?? 0
    },
    stir,
    close() {
      isClosed = true
      clock.clearTimer(timer)
      timer = undefined
    },
  }
}
