/**
 * Which open subscriptions an event could be for, found by its `p` tags.
 * Never matches the other conditions of a filter; the caller does.
 */

import type { SignedEvent } from '@nip46/core'
import type { RelayFilter } from './filter.ts'

export interface IndexedSubscription {
  readonly filters: readonly RelayFilter[]
}

export interface SubscriptionIndex<S extends IndexedSubscription> {
  add(subscription: S): void
  remove(subscription: S): void
  /** Every subscription that could match, each once. A copy: safe while subscriptions come and go. */
  candidates(event: SignedEvent): readonly S[]
  readonly size: number
  /** `p` values that some subscription waits for. */
  readonly keys: number
}

export function createSubscriptionIndex<S extends IndexedSubscription>(): SubscriptionIndex<S> {
  const all = new Set<S>()
  /** Those with a filter that names no `#p`. */
  const unkeyed = new Set<S>()
  const byKey = new Map<string, Set<S>>()

  return {
    add(subscription) {
      all.add(subscription)
      for (const filter of subscription.filters) {
        const keys = filter.tags.get('p')
        if (keys === undefined) unkeyed.add(subscription)
        for (const key of keys ?? []) {
          const holders = byKey.get(key)
          if (holders === undefined) byKey.set(key, new Set([subscription]))
          else holders.add(subscription)
        }
      }
    },
    remove(subscription) {
      all.delete(subscription)
      unkeyed.delete(subscription)
      for (const filter of subscription.filters) {
        for (const key of filter.tags.get('p') ?? []) {
          const holders = byKey.get(key)
          holders?.delete(subscription)
          if (holders?.size === 0) byKey.delete(key)
        }
      }
    },
    candidates(event) {
      const found = new Set(unkeyed)
      for (const tag of event.tags) {
        if (tag[0] !== 'p' || tag[1] === undefined) continue
        for (const subscription of byKey.get(tag[1]) ?? []) found.add(subscription)
      }
      return [...found]
    },
    get size() {
      return all.size
    },
    get keys() {
      return byKey.size
    },
  }
}
