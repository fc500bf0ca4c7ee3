/**
 * What the relay counts. Numbers only: no address, key or content of anybody.
 */

/** Why something was not done. Each has a counter in {@link RelayStats.dropped}. */
export type DropCode =
  // connections
  | 'connections'
  | 'connections-per-address'
  | 'handshake'
  | 'silent'
  | 'unused'
  | 'slow-reader'
  | 'socket-error'
  | 'protocol'
  | 'frame-bytes'
  | 'flood'
  | 'internal'
  // messages
  | 'binary'
  | 'json'
  | 'message'
  | 'rate-limited'
  // subscriptions
  | 'subscription-id'
  | 'subscriptions'
  | 'filters'
  | 'filter'
  | 'filter-values'
  // events
  | 'event-shape'
  | 'event-too-large'
  | 'event-kind'
  | 'event-time'
  | 'event-duplicate'
  | 'event-id'
  | 'event-signature'
  | 'event-mute'
  // authentication
  | 'auth-required'
  | 'auth-invalid'
  | 'auth-restricted'

/** What a relay counts, since it was made. */
export interface RelayStats {
  /** WebSockets open now. */
  readonly connections: number
  /** WebSockets opened so far. */
  readonly connected: number
  /** Subscriptions open now. */
  readonly subscriptions: number
  /** Messages received so far. */
  readonly received: number
  /** Events accepted so far. */
  readonly accepted: number
  /** Events sent to live subscriptions so far. */
  readonly delivered: number
  /** Events kept now, and their bytes. */
  readonly stored: number
  readonly storedBytes: number
  /** How often each thing was refused or cut off. A code that never occurred is absent. */
  readonly dropped: Readonly<Partial<Record<DropCode, number>>>
}

export interface Counters {
  connected: number
  received: number
  accepted: number
  delivered: number
  readonly dropped: Map<DropCode, number>
}

export function createCounters(): Counters {
  return { connected: 0, received: 0, accepted: 0, delivered: 0, dropped: new Map() }
}

export function countDrop(counters: Counters, code: DropCode): void {
  counters.dropped.set(code, (counters.dropped.get(code) ?? 0) + 1)
}
