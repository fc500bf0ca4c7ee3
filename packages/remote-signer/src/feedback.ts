/**
 * What an engine tells the transport it listens on, where that charges relays for what they send before it hands it on.
 * Never needed: a transport without it hands on everything, and the intake alone charges for it.
 */

import type { Pubkey, RelayUrl, Transport } from '@nip46/core'

export interface Feedback {
  /** This is the client key of a session from now on, or of none. */
  serves(pubkey: Pubkey, isServed: boolean): void
  /** So many events that claimed to be of clients were what no honest relay would be charged for; negative: are looked at once more. */
  refund(relay: RelayUrl, events: number): void
}

/** A transport that wants to be told. */
export interface TransportWithFeedback extends Transport {
  readonly feedback: Feedback
}

export function feedbackOf(transport: Transport): Feedback | undefined {
  return (transport as Partial<TransportWithFeedback>).feedback
}
