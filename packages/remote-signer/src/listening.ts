/**
 * What the sessions and the tokens want to hear, told to the subscriptions whenever that changes.
 * Never stops listening for a session that ended before its client was told so.
 */

import { type Admission, wants } from '@nip46/core/remote-signer'
import type { Lane } from './lane.ts'
import type { Lanes } from './lanes.ts'
import type { OfferBook } from './offer-book.ts'
import type { Subscriptions } from './subscriptions.ts'

export interface Listening {
  /** Listens for what a session wants. */
  toLane(lane: Lane): void
  /** Listens for what the offers want. */
  toOffers(): void
}

export interface ListeningHost {
  readonly lanes: Lanes
  readonly offers: OfferBook
  readonly subscriptions: Subscriptions
}

export function createListening({ lanes, offers, subscriptions }: ListeningHost): Listening {
  let synced: Admission['offers'] = {}

  return {
    toLane(lane) {
      const { session } = lane
      // A late result of a session that went must not silence the one that came after it.
      const current = lanes.byKey.get(lane.key)
      if (current !== undefined && current !== lane) return
      if (session === undefined) subscriptions.want(lane.key, undefined)
      // One that ended is heard out for a while, so that its client learns of it.
      else
        subscriptions.want(
          lane.key,
          wants(session).listen ?? { relays: session.relays, to: session.signerPubkey },
        )
    },
    toOffers() {
      const current = offers.admission.offers
      if (current === synced) return
      for (const token of Object.keys(synced)) {
        if (!Object.hasOwn(current, token)) subscriptions.want(`offer:${token}`, undefined)
      }
      for (const [token, offer] of Object.entries(current)) {
        if (synced[token] === offer) continue
        subscriptions.want(`offer:${token}`, { relays: offer.relays, to: offer.signerPubkey })
      }
      synced = current
    },
  }
}
