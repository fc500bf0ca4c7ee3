/**
 * @nip46/transport-nostr-tools: a nostr-tools SimplePool as a `Transport` of `@nip46/core`.
 * Never holds a key.
 */

export { guardWebSocket } from './guarded-web-socket.ts'
export { createNostrToolsTransport, type NostrToolsTransportOptions } from './nostr-tools-transport.ts'
