/**
 * Refusals within a draft: everybody is told of each, and so many of one session in a while go on record, the rest as a count.
 * Never lets a client fill the records.
 */

import type { SignerOutput } from '@nip46/core/remote-signer'
import { type Draft, type DraftWorld, record, subjectOf } from './draft.ts'
import { REFUSALS_RECORDED, REFUSALS_WINDOW_MS } from './limits.ts'

/** Everybody is told of every refusal; the records of one session take so many in a while. */
export function refuse(
  draft: Draft,
  { operation, error, rule }: Extract<SignerOutput, { type: 'refused' }>,
  world: DraftWorld,
): void {
  const { session } = draft
  if (session === undefined) return
  const subject = subjectOf(operation, session.userPubkey, world.context.judge)
  draft.notes.push({ type: 'refused', subject, error, rule })
  const { since } = draft.refusals
  if (world.now - since >= REFUSALS_WINDOW_MS || world.now < since) {
    tally(draft, world)
    draft.refusals = { since: world.now, recorded: 0, omitted: 0 }
  }
  const { refusals } = draft
  if (refusals.recorded >= REFUSALS_RECORDED) {
    draft.refusals = { ...refusals, omitted: refusals.omitted + 1 }
    return
  }
  draft.refusals = { ...refusals, recorded: refusals.recorded + 1 }
  record(draft, session.userPubkey, { type: 'refused', subject, error, rule }, world)
}

/** Puts the count of those that are not on record yet on record. */
export function tally(draft: Draft, world: DraftWorld): void {
  const { session, refusals } = draft
  const { since, omitted: count } = refusals
  if (session === undefined || count === 0) return
  record(draft, session.userPubkey, { type: 'refusals-omitted', count, since }, world)
  draft.refusals = { ...refusals, omitted: 0 }
}
