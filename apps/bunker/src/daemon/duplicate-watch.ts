/**
 * Whether somebody else answers with our keys: an event of one of our remote-signer keys that this daemon did not send.
 * Never believes a relay: what it alerts about was verified.
 */

import {
  CARRIER_KIND,
  type Clock,
  type Crypto,
  type Filter,
  parseSignedEvent,
  type RelayUrl,
  type SignedEvent,
  type Subscription,
  type Transport,
} from '@nip46/core'
import type { SessionInfo } from '@nip46/remote-signer'
import { OWN_EVENTS, WATCHED_PER_FILTER, WATCHED_SESSIONS } from './limits.ts'

export interface DuplicateWatch {
  /** To be called with each event before it is published. */
  sent(event: SignedEvent): void
  /** Listens for the answers of these sessions, and no others. */
  watch(sessions: readonly SessionInfo[]): void
  close(): void
}

export interface DuplicateOptions {
  readonly transport: Transport
  readonly crypto: Crypto
  readonly clock: Clock
  readonly onForeign: (event: SignedEvent, relay: RelayUrl) => void
}

export function createDuplicateWatch({
  transport,
  crypto,
  clock,
  onForeign,
}: DuplicateOptions): DuplicateWatch {
  const own = new Set<string>()
  // What this daemon sent before it was started again is not somebody else's.
  const since = Math.floor(clock.now() / 1_000) + 1
  let subscriptions: readonly Subscription[] = []
  let watched = ''

  const stop = (): void => {
    for (const subscription of subscriptions) subscription.close()
    subscriptions = []
  }

  const onEvent = (signers: ReadonlySet<string>, json: unknown, relay: RelayUrl): void => {
    const parsed = parseSignedEvent(json)
    if (!parsed.ok) return
    const event = parsed.value
    if (!signers.has(event.pubkey) || own.has(event.id) || event.created_at < since) return
    if (crypto.eventId(event) !== event.id || !crypto.verify(event)) return
    sent(event)
    onForeign(event, relay)
  }

  const sent = (event: SignedEvent): void => {
    own.add(event.id)
    const [oldest] = own
    if (own.size > OWN_EVENTS && oldest !== undefined) own.delete(oldest)
  }

  return {
    sent,
    watch(sessions) {
      const some = sessions.slice(0, WATCHED_SESSIONS)
      const name = some
        .map(({ signerPubkey, clientPubkey, relays }) => `${signerPubkey}${clientPubkey}${relays}`)
        .join()
      if (name === watched) return
      watched = name
      stop()
      if (some.length === 0) return
      const signers = new Set<string>(some.map(({ signerPubkey }) => signerPubkey))
      const byRelay = new Map<RelayUrl, SessionInfo[]>()
      for (const session of some) {
        for (const relay of session.relays) byRelay.set(relay, [...(byRelay.get(relay) ?? []), session])
      }
      subscriptions = [...byRelay].map(([relay, there]) =>
        transport.subscribe({
          relays: [relay],
          filters: filtersFor(there, since),
          onEvent: (event) => onEvent(signers, event, relay),
        }),
      )
    },
    close: stop,
  }
}

function filtersFor(sessions: readonly SessionInfo[], since: number): readonly Filter[] {
  const filters: Filter[] = []
  for (let at = 0; at < sessions.length; at += WATCHED_PER_FILTER) {
    const some = sessions.slice(at, at + WATCHED_PER_FILTER)
    filters.push({
      kinds: [CARRIER_KIND],
      authors: [...new Set(some.map(({ signerPubkey }) => signerPubkey))],
      '#p': [...new Set(some.map(({ clientPubkey }) => clientPubkey))],
      since,
    })
  }
  return filters
}
