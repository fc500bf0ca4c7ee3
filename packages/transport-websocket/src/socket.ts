/**
 * WebSockets as the link sees them: the standard object, and what only some platforms can do. `socket-node.ts` and
 * `socket-global.ts` open them, chosen by the `#socket` import of package.json, so that browser bundles never contain `ws`.
 * Only types, and what both sides use.
 */

/** How long we wait for the peer's goodbye, in milliseconds. */
export const CLOSE_GRACE_MS = 50

/** The reason given when a relay's address is one that must not be dialled. */
export const FORBIDDEN_ADDRESS = 'relay/forbidden-address'

/** The part of the standard WebSocket that is used. */
export interface WebSocketLike {
  binaryType: string
  readonly bufferedAmount: number
  send(data: string): void
  close(code?: number, reason?: string): void
  onopen: ((event: never) => unknown) | null
  onmessage: ((event: never) => unknown) | null
  onclose: ((event: never) => unknown) | null
  onerror: ((event: never) => unknown) | null
}

/** A constructor such as the browser's `WebSocket`. */
export type WebSocketConstructor = new (url: string) => WebSocketLike

export interface Socket extends WebSocketLike {
  /** Asks the peer for a sign of life. Only where the platform lets us. */
  ping?(): void
}

/** What a platform may ask or tell beside the standard events. */
export interface SocketHost {
  /** Whether an address that a name resolved to may be dialled; if none, the socket ends with {@link FORBIDDEN_ADDRESS}. */
  readonly allowAddress: (host: string, ip: string) => boolean
  /** The peer answered a ping. */
  readonly onPong: (data: unknown) => void
  /** The `Date` header of the peer's handshake. */
  readonly onDate: (date: string) => void
}

/** Starts to connect. Throws if that cannot even be tried; everything else is told by events, never inside this call. */
export type OpenSocket = (url: string, host: SocketHost) => Socket
