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
  /** These changes are on their way to the store, where they may not be seen yet. */
  hold(changes: readonly OfferChange[]): void
  /** They are there, or will not be. */
  letGo(changes: readonly OfferChange[]): void
  /** What another process stored. */
  replace(token: string, stored: Versioned<Offer> | null): void
  /** As `replace`, for what was read since `before`. False if the token changed here meanwhile, or is held: look again later. */
  adopt(token: string, stored: Versioned<Offer> | null, before: Admission): boolean
  load(offers: readonly Versioned<StoredOffer>[]): void
  /** As `load`, but that tokens which changed here since `before`, or are held, stay; returns these: look again later. */
  merge(offers: readonly Versioned<StoredOffer>[], before: Admission): readonly string[]
  /** Forgets the failed connects of a key that is gone. */
  forgetFailures(signerPubkey: Pubkey): void
  readonly size: number
}

export function createOfferBook(): OfferBook {
  let admission: Admission = EMPTY_ADMISSION
  const revisions = new Map<string, number>()
  /** How many changes of a token are on their way. */
  const held = new Map<string, number>()

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

  const hasChanged = (token: string, before: Admission): boolean =>
    held.has(token) || admission.offers[token] !== before.offers[token]

  const replace = (token: string, stored: Versioned<Offer> | null): void => {
    put(token, stored?.value)
    setRevision(token, stored?.revision ?? 0)
  }

  const take = (stored: readonly Versioned<StoredOffer>[], before: Admission): readonly string[] => {
    const left = new Set<string>()
    const loaded: Record<string, Offer> = {}
    for (const { revision, value } of stored) {
      if (hasChanged(value.token, before)) {
        left.add(value.token)
        continue
      }
      loaded[value.token] = value.offer
      revisions.set(value.token, revision)
    }
    for (const [token, offer] of Object.entries(admission.offers)) {
      if (hasChanged(token, before)) {
        loaded[token] = offer
        left.add(token)
      } else if (!Object.hasOwn(loaded, token)) revisions.delete(token)
    }
    admission = { ...admission, offers: loaded }
    return [...left]
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
    hold(changes) {
      for (const { token } of changes) held.set(token, (held.get(token) ?? 0) + 1)
    },
    letGo(changes) {
      for (const { token } of changes) {
        const left = (held.get(token) ?? 0) - 1
        if (left > 0) held.set(token, left)
        else held.delete(token)
      }
    },
    replace,
    adopt(token, stored, before) {
      if (hasChanged(token, before)) return false
      replace(token, stored)
      return true
    },
    load: (offers) => take(offers, admission),
    merge: take,
    forgetFailures(signerPubkey) {
      const { [signerPubkey]: _, ...failures } = admission.failures
      admission = { ...admission, failures }
    },
    get size() {
      return Object.keys(admission.offers).length
    },
  }
}
