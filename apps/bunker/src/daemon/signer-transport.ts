/**
 * The pool as the remote signer gets it: what it publishes is known to be ours, and what comes while the daemon stops is left alone.
 * Never changes an event.
 */

import type { Transport } from '@nip46/core'
import type { DuplicateWatch } from './duplicate-watch.ts'

export interface SignerTransportHost {
  /** Undefined where other daemons are meant to answer with the same keys. */
  readonly duplicates: Pick<DuplicateWatch, 'sent'> | undefined
  readonly isDraining: () => boolean
}

export function createSignerTransport(
  pool: Transport,
  { duplicates, isDraining }: SignerTransportHost,
): Transport {
  return {
    publish(relays, event, options) {
      duplicates?.sent(event)
      return pool.publish(relays, event, options)
    },
    // What comes while the daemon stops is left to the next one: relays and clients send it again.
    subscribe: (request) =>
      pool.subscribe({
        ...request,
        onEvent: (event, relay) => {
          if (!isDraining()) request.onEvent(event, relay)
        },
      }),
    close: () => pool.close(),
  }
}
