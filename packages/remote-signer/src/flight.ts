/**
 * A draft on its way to the store: what is stored for it, in one change, and what leaves once that is done.
 * Never holds anything that leaves without having been in that change first.
 */

import type { Millis } from '@nip46/core'
import type { Admission, OfferChange, OutboxEntry, StoreChange } from '@nip46/core/remote-signer'
import type { Draft, DraftSend } from './draft.ts'

export interface Flight {
  readonly draft: Draft
  /** What it did to the tokens, and how they were before. */
  readonly offerChanges: readonly OfferChange[]
  readonly admissionBefore: Admission
  readonly change: StoreChange
  readonly sends: readonly FlightSend[]
}

/** A message to the client, with the outbox entry that is stored for it. */
export interface FlightSend {
  readonly send: DraftSend
  readonly outboxId: string | undefined
}

/** All that has to be stored of a draft, so that it is done as a whole or not at all. */
export function changeOf(
  draft: Draft,
  offerChanges: readonly OfferChange[],
  sends: readonly FlightSend[],
  at: Millis,
): StoreChange {
  const { lane, session, claims, audit } = draft
  const { signerPubkey, clientPubkey } = lane
  const before = lane.session
  // Only one that was heard: an offer may name anybody's key.
  const isHeard = draft.notes.some((note) => note.type === 'confirmed' || note.type === 'opened')
  const outbox = sends.flatMap(({ send, outboxId }): OutboxEntry[] => {
    if (outboxId === undefined) return []
    const { relays, scheme, text } = send
    return [{ id: outboxId, signerPubkey, to: clientPubkey, relays, scheme, text, at }]
  })
  return {
    ...(session !== before && {
      session: {
        signerPubkey,
        clientPubkey,
        revision: lane.revision,
        before: before ?? null,
        after: session ?? null,
      },
    }),
    ...(offerChanges.length > 0 && { offers: offerChanges }),
    ...(claims.length > 0 && { claims }),
    ...(audit.length > 0 && { audit }),
    ...(outbox.length > 0 && { outbox }),
    ...(isHeard && session?.phase === 'open' && { clients: [clientPubkey] }),
  }
}

/** Later changes of one token replace earlier ones; what is stored still has the first one's revision. */
export function mergeOffers(changes: OfferChange[], more: readonly OfferChange[]): void {
  for (const change of more) {
    const earlier = changes.findIndex(({ token }) => token === change.token)
    const first = changes[earlier]
    if (first === undefined) changes.push(change)
    else changes[earlier] = { ...change, revision: first.revision }
  }
}
