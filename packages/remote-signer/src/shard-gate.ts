/**
 * What relays may make the main thread of a sharded signer do for nothing: charged before an event is looked at, by the same
 * budgets as in the intake of each worker. Workers tell whom they serve, and what of a client's events was none.
 * Never charges a relay for what a client sent over it, and never looks into an event that its relay cannot pay for.
 */

import type { Millis, Pubkey, RelayUrl } from '@nip46/core'
import { createRelayBudgets } from './budget.ts'

export interface ShardGate {
  /** Takes a permit of this relay for an event. As whose it is looked at; undefined if there is no permit left. */
  admit(event: unknown, relay: RelayUrl): 'client' | 'stranger' | undefined
  /** So many permits for events of clients are given back; negative: taken. */
  refund(relay: RelayUrl, events: number): void
  /** A worker serves this client, or does not any more. */
  serve(pubkey: Pubkey, isServed: boolean): void
}

export function createShardGate(now: () => Millis): ShardGate {
  const budgetOf = createRelayBudgets()
  /** By how many workers each client is served. */
  const clients = new Map<string, number>()

  return {
    admit(event, relay) {
      const { claims, looks } = budgetOf(relay)
      const isClient = clients.has(pubkeyIn(event))
      if (!(isClient ? claims : looks).take(now())) return undefined
      return isClient ? 'client' : 'stranger'
    },
    refund: (relay, events) => budgetOf(relay).claims.refund(events),
    serve(pubkey, isServed) {
      const count = (clients.get(pubkey) ?? 0) + (isServed ? 1 : -1)
      if (count > 0) clients.set(pubkey, count)
      else clients.delete(pubkey)
    },
  }
}

/** What an event says of itself, before it is known to be one. */
function pubkeyIn(event: unknown): string {
  const pubkey = typeof event === 'object' && event !== null && 'pubkey' in event ? event.pubkey : undefined
  return typeof pubkey === 'string' ? pubkey : ''
}
