/**
 * What a REQ and an EVENT on one relay link have in common: a phase with one timer, one AUTH for each connection, and longer
 * waits the more often the relay tells us to slow down.
 * Never knows what is wanted: that is `link-subscriptions.ts` and `link-publications.ts`.
 */

import type { Authenticate, Clock, RandomBytes, RelayUrl } from '@nip46/core'
import { slowdownMs } from './backoff.ts'
import { arm } from './host.ts'
import type { RelayAuth } from './relay-auth.ts'

/** What wants ask of their link. */
export interface LinkPort {
  readonly relay: RelayUrl
  readonly clock: Clock
  readonly randomBytes: RandomBytes
  /** A new subscription id for the wire. */
  readonly newId: () => string
  readonly isOpen: () => boolean
  /** Whether a subscription of this link is on its way to be live. */
  readonly isStarting: () => boolean
  readonly send: (frame: string) => void
  /** Bytes that wait in the socket. */
  readonly buffered: () => number
  /** On the present connection; `done` is not called once that is gone. */
  readonly authenticate: RelayAuth['authenticate']
  /** A relay refused an event, for health. */
  readonly onRefusal: (reason: string) => void
  /** Something became live, came, or went. */
  readonly onChange: () => void
}

/** Subscriptions are `down`, `sent`, `live`; events `waiting` for subscriptions, `due` without waiting, `sent`. */
export type WantPhase = 'down' | 'waiting' | 'due' | 'sent' | 'live' | 'authenticating' | 'slow' | 'over'

export interface Want {
  phase: WantPhase
  /** Belongs to the phase. */
  timer: unknown
  /** On this connection. */
  authTried: boolean
  slowdowns: number
}

export function newWant(phase: WantPhase): Want {
  return { phase, timer: undefined, authTried: false, slowdowns: 0 }
}

/** Whatever the phase before waited for is off. */
export function enter(port: LinkPort, want: Want, phase: WantPhase, afterMs = 0, run?: () => void): void {
  want.phase = phase
  arm(port.clock, want, afterMs, run)
}

/** Once for each connection: then `again`, or `refuse` with what the relay says, or with `reason` if there is no key to use. */
export function authenticate(
  port: LinkPort,
  want: Want,
  by: Authenticate | undefined,
  reason: string,
  again: () => void,
  refuse: (reason: string) => void,
): void {
  if (by === undefined || want.authTried) return refuse(reason)
  want.authTried = true
  enter(port, want, 'authenticating')
  port.authenticate(by, (refusal) => {
    if (want.phase !== 'authenticating') return
    if (refusal === undefined) again()
    else refuse(refusal)
  })
}

export function slowDown(port: LinkPort, want: Want, again: () => void): void {
  enter(port, want, 'slow', slowdownMs(want.slowdowns, port.randomBytes), again)
  want.slowdowns += 1
}
