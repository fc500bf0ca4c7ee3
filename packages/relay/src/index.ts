/**
 * @nip46/relay: a small Nostr relay for kind 24133, to embed in a program or a test.
 */

export type { RelayCrypto } from './hub.ts'
export { AUTH_WINDOW_SECONDS, BYTES_PER_TOKEN, DEFAULT_LIMITS, type RelayLimits } from './limits.ts'
export { createRelay, type RelayServer } from './relay.ts'
export type { RelayInfo } from './relay-info.ts'
export type { RelayAuthOptions, RelayOptions } from './relay-options.ts'
export type { RetentionOptions } from './retention.ts'
export type { DropCode, RelayStats } from './stats.ts'
