/**
 * The tokens of a remote signer with the revisions they are stored under. Changes count at once, so that no two clients
 * spend one token; they are taken back if their commit fails.
 * Never holds a secret: tokens are hashes.
 */

import type { Pubkey } from '@nip46/core'
import type { OfferChange, StoredOffer, Versioned } from '@nip46/core/remote-signer'
import { type Admission, EMPTY_ADMISSION, forgetOffer, type Offer } from '@nip46/core/remote-signer'

export interface OfferBook {
  readonly admission: Admission
  /** Takes over what core made of the admission; returns what has to be stored. */
  update(admission: Admission): readonly OfferChange[]
  /** The changes were not stored: the offers are as they were before, unless changed again since. */
  undo(changes: readonly OfferChange[], before: Admission): void
  /** What another process stored. */
  replace(token: string, stored: Versioned<Offer> | null): void
  load(offers: readonly Versioned<StoredOffer>[]): void
  /** Forgets the failed connects of a key that is gone. */
  forgetFailures(signerPubkey: Pubkey): void
  readonly size: number
}

export function createOfferBook(): OfferBook {
  let admission: Admission = EMPTY_ADMISSION
  const revisions = new Map<string, number>()

  const setRevision = (token: string, revision: number): void => {
    if (revision === 0) revisions.delete(token)
    else revisions.set(token, revision)
  }

  const put = (token: string, offer: Offer | undefined): void => {
    admission =
      offer === undefined
        ? forgetOffer(admission, token)
        : { ...admission, offers: { ...admission.offers, [token]: offer } }
  }

  return {
    get admission() {
      return admission
    },
    update(next) {
      const before = admission.offers
      const after = next.offers
      admission = next
      if (before === after) return []
      const changes: OfferChange[] = []
      for (const token of new Set([...Object.keys(before), ...Object.keys(after)])) {
        if (before[token] === after[token]) continue
        const revision = revisions.get(token) ?? 0
        changes.push({ token, revision, after: after[token] ?? null })
        setRevision(token, after[token] === undefined ? 0 : revision + 1)
      }
      return changes
    },
    undo(changes, before) {
      for (const { token, revision, after } of changes) {
        if ((admission.offers[token] ?? null) !== after) continue
        put(token, before.offers[token])
        setRevision(token, revision)
      }
    },
    replace(token, stored) {
      put(token, stored?.value)
      setRevision(token, stored?.revision ?? 0)
    },
    load(offers) {
      const loaded: Record<string, Offer> = {}
      for (const { revision, value } of offers) {
        loaded[value.token] = value.offer
        revisions.set(value.token, revision)
      }
      admission = { ...admission, offers: loaded }
    },
    forgetFailures(signerPubkey) {
      const { [signerPubkey]: _, ...failures } = admission.failures
      admission = { ...admission, failures }
    },
    get size() {
      return Object.keys(admission.offers).length
    },
  }
}
