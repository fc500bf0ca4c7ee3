/**
 * @nip46/transport-websocket: Nostr relays over WebSocket as a `Transport` of `@nip46/core`.
 * Never holds a key and never verifies an event: that is the work of those who give it filters and events.
 */

export { BACKOFF_BASE_MS, BACKOFF_CAP_MS } from './backoff.ts'
export { type FrameDrop, type FrameProblem, parseRelayFrame, type RelayFrame } from './frame.ts'
export { createPoolHealth, type LinkHealth, type PoolHealth } from './pool-health.ts'
export type { RelayFact } from './relay-link.ts'
export {
  createRelayPool,
  POOL_LINKS,
  PUBLISH_MS,
  type RelayPool,
  type RelayPoolOptions,
} from './relay-pool.ts'
export type { WebSocketConstructor, WebSocketLike } from './socket.ts'
