/**
 * A WebSocket as the link sees it: text in, text out, one end. The two implementations are `socket-node.ts` and
 * `socket-global.ts`, chosen by the `#socket` import of package.json, so that browser bundles never contain `ws`.
 * Only types, and what both sides use.
 */

/** The close code of a farewell (RFC 6455). */
export const CLOSE_NORMAL = 1000

/** How long we wait for the peer's goodbye, in milliseconds. */
export const CLOSE_GRACE_MS = 50

/** The reason given when a relay's address is one that must not be dialled. */
export const FORBIDDEN_ADDRESS = 'relay/forbidden-address'

export interface SocketListener {
  /** `date`: what the peer said the time is, in Unix milliseconds to the second. Only where the platform shows it. */
  onOpen(date?: number): void
  /** One message; undefined for a binary one, which NIP-01 does not know. */
  onMessage(text: string | undefined): void
  /** A pong. Only where {@link Socket.ping} exists. */
  onPong(): void
  /** Exactly once, also when the connection was never made. Nothing is called after it. */
  onEnd(reason: string): void
}

export interface Socket {
  send(text: string): void
  /** Bytes handed to `send` that have not left yet. */
  buffered(): number
  /** Says goodbye and waits for the peer's; {@link SocketListener.onEnd} follows when it comes. */
  close(): void
  /** Ends at once, as far as the platform lets us. `onEnd` follows. */
  terminate(): void
  readonly ping?: () => void
}

export interface SocketOptions {
  /** Bytes of one message; a larger one ends the connection. */
  readonly maxBytes: number
  /** Asked with each address a name resolved to, before dialling it. Only where the platform has such a hook. */
  readonly allowAddress: (host: string, ip: string) => boolean
}

/**
 * Starts to connect. Throws if that cannot even be tried; what goes wrong later is told through {@link SocketListener.onEnd},
 * never inside this call.
 */
export type OpenSocket = (url: string, listener: SocketListener, options: SocketOptions) => Socket

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
