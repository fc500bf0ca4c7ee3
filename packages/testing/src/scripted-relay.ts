/**
 * A relay on a real socket that does what a test tells it: accept, refuse, stay silent, demand AUTH, drop, come back.
 * Never verifies a signature, and never opens a socket by itself: the host brings the WebSocket server.
 */

import {
  AUTH_KIND,
  type Filter,
  parseRelayUrl,
  parseSignedEvent,
  type RelayUrl,
  type SignedEvent,
  UsageError,
} from '@nip46/core'
import { retakePort } from './retake-port.ts'

/** The server's end of one WebSocket. */
export interface ServerSocket {
  send(data: string | Uint8Array): void
  close(code: number): void
  /** Ends the TCP connection without a goodbye. */
  terminate(): void
}

export interface ServerSocketListener {
  onText(text: string): void
  onEnd(code: number): void
}

/**
 * Listens for WebSockets on a port of 127.0.0.1 (0 for any free one), and hands each connection to `accept`.
 * `close` stops listening and drops what is connected.
 */
export type Listen = (
  accept: (socket: ServerSocket) => ServerSocketListener,
  port: number,
) => Promise<{ readonly port: number; close(): Promise<void> }>

/** One frame a client sent. */
export interface ReceivedFrame {
  /** Which connection of this relay, from 1. */
  readonly connection: number
  /** Milliseconds of the host's clock. */
  readonly at: number
  readonly frame: readonly unknown[]
}

/** What the relay does about one frame. All by default: accept, deliver, keep, and answer. */
export interface RelayScript {
  /** `undefined` accepts the event; a text refuses it with OK false; `silent` says and delivers nothing. */
  readonly onEvent?: (
    event: SignedEvent,
    connection: number,
  ) => string | undefined | { readonly silent: true }
  /** `undefined` serves the REQ; a text answers CLOSED; `silent` serves without ever saying EOSE. */
  readonly onRequest?: (
    id: string,
    filters: readonly Filter[],
    connection: number,
  ) => string | undefined | { readonly silent: true }
  /** A connection was made. */
  readonly onConnect?: (
    connection: number,
    send: (data: string | Uint8Array) => void,
    drop: () => void,
  ) => void
  /** Milliseconds before EOSE. Default 0. */
  readonly eoseDelayMs?: number
  /**
   * Serve a REQ only to those who authenticated with each key of its `#p`, and take an event only from those who
   * authenticated with its key (NIP-42).
   */
  readonly auth?: boolean
}

export interface ScriptedRelay {
  readonly url: RelayUrl
  /** Everything received, in order. */
  readonly frames: readonly ReceivedFrame[]
  /** Events accepted, in order, repeats too. */
  readonly events: readonly SignedEvent[]
  /** Connections made so far, and those that are open. */
  readonly connections: number
  readonly open: number
  /** Why connections ended, in order: WebSocket close codes. */
  readonly endCodes: readonly number[]
  /** Frames of one verb. */
  received(verb: string): readonly ReceivedFrame[]
  /** Sends to every connection. */
  send(data: string | Uint8Array): void
  /** Takes in an event as if somebody had published it: delivers and keeps it. */
  deliver(event: SignedEvent): void
  /** Ends every connection, and goes on listening. */
  drop(): void
  /** Ends every connection, and listens no more until `up`. */
  down(): Promise<void>
  up(): Promise<void>
  close(): Promise<void>
}

interface Visitor {
  readonly number: number
  readonly socket: ServerSocket
  readonly challenge: string
  readonly keys: Set<string>
  readonly subscriptions: Map<string, readonly Filter[]>
}

/** Starts a scripted relay on the host's WebSocket server. */
export async function startScriptedRelay(listen: Listen, script: RelayScript = {}): Promise<ScriptedRelay> {
  const frames: ReceivedFrame[] = []
  const events: SignedEvent[] = []
  const kept = new Map<string, SignedEvent>()
  const endCodes: number[] = []
  const visitors = new Set<Visitor>()
  let connections = 0
  let url: RelayUrl

  const say = (visitor: Visitor, ...frame: readonly unknown[]): void =>
    visitor.socket.send(JSON.stringify(frame))

  const accept = (socket: ServerSocket): ServerSocketListener => {
    connections += 1
    const number = connections
    const visitor: Visitor = {
      number,
      socket,
      challenge: `challenge-${number}`,
      keys: new Set(),
      subscriptions: new Map(),
    }
    visitors.add(visitor)
    if (script.auth === true) say(visitor, 'AUTH', visitor.challenge)
    script.onConnect?.(
      number,
      (data) => socket.send(data),
      () => socket.terminate(),
    )
    return {
      onText(text) {
        const frame = JSON.parse(text) as readonly unknown[]
        frames.push({ connection: number, at: Date.now(), frame })
        answer(visitor, frame)
      },
      onEnd(code) {
        visitors.delete(visitor)
        endCodes.push(code)
      },
    }
  }

  const answer = (visitor: Visitor, frame: readonly unknown[]): void => {
    const [verb, first, ...rest] = frame
    if (verb === 'REQ') request(visitor, String(first), rest as readonly Filter[])
    else if (verb === 'CLOSE') visitor.subscriptions.delete(String(first))
    else if (verb === 'EVENT') take(visitor, readEvent(first))
    else if (verb === 'AUTH') authenticate(visitor, readEvent(first))
    else throw new Error(`the client sent ${JSON.stringify(frame).slice(0, 100)}`)
  }

  const request = (visitor: Visitor, id: string, filters: readonly Filter[]): void => {
    visitor.subscriptions.delete(id)
    const verdict = script.onRequest?.(id, filters, visitor.number)
    if (typeof verdict === 'string') {
      say(visitor, 'CLOSED', id, verdict)
      return
    }
    if (
      script.auth === true &&
      !filters.every((filter) => (filter['#p'] ?? []).every((key) => visitor.keys.has(key)))
    ) {
      say(visitor, 'CLOSED', id, 'auth-required: prove that these are your keys')
      return
    }
    visitor.subscriptions.set(id, filters)
    for (const event of kept.values()) {
      if (filters.some((filter) => filter.limit !== 0 && matches(filter, event)))
        say(visitor, 'EVENT', id, event)
    }
    if (verdict?.silent === true) return
    const eose = (): void => say(visitor, 'EOSE', id)
    if (script.eoseDelayMs === undefined) eose()
    else setTimeout(eose, script.eoseDelayMs)
  }

  const take = (visitor: Visitor, event: SignedEvent): void => {
    const verdict = script.onEvent?.(event, visitor.number)
    if (typeof verdict === 'string') say(visitor, 'OK', event.id, false, verdict)
    else if (verdict?.silent === true) return
    else if (script.auth === true && !visitor.keys.has(event.pubkey)) {
      say(visitor, 'OK', event.id, false, 'auth-required: prove that this is your key')
    } else {
      events.push(event)
      say(visitor, 'OK', event.id, true, '')
      deliver(event)
    }
  }

  const authenticate = (visitor: Visitor, event: SignedEvent): void => {
    const tag = (name: string): string | undefined => event.tags.find(([first]) => first === name)?.[1]
    const good = event.kind === AUTH_KIND && tag('challenge') === visitor.challenge && tag('relay') === url
    if (good) visitor.keys.add(event.pubkey)
    say(visitor, 'OK', event.id, good, good ? '' : 'restricted: wrong kind, challenge or relay')
  }

  const deliver = (event: SignedEvent): void => {
    kept.set(event.id, event)
    for (const visitor of visitors) {
      for (const [id, filters] of visitor.subscriptions) {
        if (filters.some((filter) => matches(filter, event))) say(visitor, 'EVENT', id, event)
      }
    }
  }

  let server = await listen(accept, 0)
  const parsed = parseRelayUrl(`ws://127.0.0.1:${server.port}`)
  if (!parsed.ok) throw new UsageError(`port ${server.port} is no port`)
  url = parsed.value
  let isUp = true

  const down = async (): Promise<void> => {
    if (!isUp) return
    isUp = false
    await server.close()
  }

  return {
    url,
    frames,
    events,
    endCodes,
    get connections() {
      return connections
    },
    get open() {
      return visitors.size
    },
    received: (verb) => frames.filter(({ frame }) => frame[0] === verb),
    send(data) {
      for (const { socket } of visitors) socket.send(data)
    },
    deliver,
    drop() {
      for (const { socket } of visitors) socket.terminate()
    },
    down,
    async up() {
      if (isUp) return
      const { port } = server
      server = await retakePort(() => listen(accept, port))
      isUp = true
    },
    close: down,
  }
}

// -- helpers -------------------------------------------------------------------------------------

function readEvent(value: unknown): SignedEvent {
  const event = parseSignedEvent(value)
  if (!event.ok) throw new Error(`the client sent an event that is none: ${event.error}`)
  return event.value
}

function matches(filter: Filter, event: SignedEvent): boolean {
  return (
    filter.kinds.includes(event.kind) &&
    (filter['#p'] === undefined ||
      event.tags.some(([name, value]) => name === 'p' && filter['#p']?.includes(value ?? '') === true)) &&
    (filter.authors === undefined || filter.authors.includes(event.pubkey)) &&
    (filter.since === undefined || event.created_at >= filter.since)
  )
}
