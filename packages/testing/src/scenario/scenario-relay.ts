/**
 * A relay on a loopback socket that takes anything a client library sends, passes it on and keeps nothing.
 * Can be told to refuse, to swallow, to ask for a login, to drop everybody, to go and to come back. Never verifies a
 * signature: that is left to whoever is tested.
 */

import { createServer } from 'node:http'
import {
  AUTH_KIND,
  limits,
  parseRelayUrl,
  parseSignedEvent,
  type RelayUrl,
  type SignedEvent,
  UsageError,
} from '@nip46/core'
import { WebSocket, WebSocketServer } from 'ws'
import { retakePort } from '../retake-port.ts'

export interface ScenarioRelayOptions {
  /** Serve nobody before a kind 22242 event named this relay and the challenge (NIP-42). */
  readonly auth?: boolean
}

export interface ScenarioRelay {
  readonly url: RelayUrl
  readonly connections: number
  /** Subscriptions open now, over all connections. */
  readonly subscriptions: number
  /** Hears every event that was accepted. */
  listen(hear: (event: SignedEvent) => void): void
  /** Sends an event to whoever subscribed to it. */
  deliver(event: SignedEvent): void
  /** Answers each event with OK false and this text; undefined: no longer. */
  refuse(reason: string | undefined): void
  /** Answers each event with OK true and passes it on to nobody. */
  swallow(on: boolean): void
  /** Ends every connection without a goodbye, and goes on listening. */
  drop(): void
  /** Ends every connection and listens no more, until `up`. */
  down(): Promise<void>
  up(): Promise<void>
  close(): Promise<void>
}

/** Subscriptions of one connection; the next one is answered with CLOSED. */
export const SCENARIO_SUBSCRIPTIONS = 1_000

interface Visitor {
  readonly socket: WebSocket
  readonly challenge: string
  readonly keys: Set<string>
  readonly subscriptions: Map<string, readonly Readonly<Record<string, unknown>>[]>
}

export async function startScenarioRelay(options: ScenarioRelayOptions = {}): Promise<ScenarioRelay> {
  const visitors = new Set<Visitor>()
  const hearers: ((event: SignedEvent) => void)[] = []
  let refusal: string | undefined
  let swallowing = false
  let port = 0
  let visits = 0
  let server: WebSocketServer | undefined

  const say = ({ socket }: Visitor, ...frame: readonly unknown[]): void => {
    if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(frame))
  }

  const receive = (socket: WebSocket): void => {
    visits += 1
    const visitor: Visitor = {
      socket,
      challenge: `challenge-${visits}`,
      keys: new Set(),
      subscriptions: new Map(),
    }
    visitors.add(visitor)
    socket.on('error', ignore)
    socket.on('close', () => visitors.delete(visitor))
    socket.on('message', (data) => answer(visitor, readFrame(String(data))))
    if (options.auth === true) say(visitor, 'AUTH', visitor.challenge)
  }

  const answer = (visitor: Visitor, [verb, first, ...rest]: readonly unknown[]): void => {
    const shut = options.auth === true && visitor.keys.size === 0
    if (verb === 'CLOSE') visitor.subscriptions.delete(String(first))
    else if (verb === 'EVENT') publish(visitor, first, shut)
    else if (verb === 'AUTH') authenticate(visitor, first)
    else if (verb !== 'REQ') say(visitor, 'NOTICE', 'this relay knows REQ, EVENT, CLOSE and AUTH')
    else if (shut) say(visitor, 'CLOSED', first, 'auth-required: who are you?')
    else if (visitor.subscriptions.size >= SCENARIO_SUBSCRIPTIONS)
      say(visitor, 'CLOSED', first, 'error: full')
    else {
      visitor.subscriptions.set(String(first), rest.filter(isObject))
      say(visitor, 'EOSE', first)
    }
  }

  const publish = (visitor: Visitor, value: unknown, shut: boolean): void => {
    const parsed = parseSignedEvent(value)
    if (!parsed.ok) {
      say(visitor, 'OK', (value as { id?: unknown } | null)?.id ?? '', false, `invalid: ${parsed.error}`)
      return
    }
    const event = parsed.value
    if (shut) say(visitor, 'OK', event.id, false, 'auth-required: who are you?')
    else if (refusal !== undefined) say(visitor, 'OK', event.id, false, refusal)
    else {
      say(visitor, 'OK', event.id, true, '')
      if (swallowing) return
      deliver(event)
      for (const hear of hearers) hear(event)
    }
  }

  const authenticate = (visitor: Visitor, value: unknown): void => {
    const parsed = parseSignedEvent(value)
    if (!parsed.ok) return
    const { id, kind, tags, pubkey } = parsed.value
    const tag = (name: string): string => tags.find(([first]) => first === name)?.[1] ?? ''
    const named = parseRelayUrl(tag('relay'))
    const good =
      kind === AUTH_KIND && tag('challenge') === visitor.challenge && named.ok && named.value === url
    if (good) visitor.keys.add(pubkey)
    say(visitor, 'OK', id, good, good ? '' : 'restricted: wrong kind, relay or challenge')
  }

  const deliver = (event: SignedEvent): void => {
    for (const visitor of visitors) {
      for (const [id, filters] of visitor.subscriptions) {
        if (filters.some((filter) => matches(filter, event))) say(visitor, 'EVENT', id, event)
      }
    }
  }

  const drop = (): void => {
    for (const { socket } of visitors) socket.terminate()
    visitors.clear()
  }

  const up = async (): Promise<void> => {
    if (server !== undefined) return
    const next = await retakePort(() => listenOn(port))
    next.on('connection', receive)
    server = next
    const address = next.address()
    if (typeof address === 'object' && address !== null) port = address.port
  }

  const down = async (): Promise<void> => {
    const last = server
    if (last === undefined) return
    server = undefined
    const closed = new Promise<void>((resolve) => last.close(() => resolve()))
    drop()
    await closed
  }

  await up()
  const url = loopbackUrl(port)

  return {
    url,
    get connections() {
      return visitors.size
    },
    get subscriptions() {
      return [...visitors].reduce((sum, { subscriptions }) => sum + subscriptions.size, 0)
    },
    listen: (hear) => void hearers.push(hear),
    deliver,
    refuse(reason) {
      refusal = reason
    },
    swallow(on) {
      swallowing = on
    },
    drop,
    down,
    up,
    close: down,
  }
}

/** A loopback URL where nobody listens: connections are refused. */
export async function deadRelayUrl(): Promise<RelayUrl> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  if (address === null || typeof address === 'string') throw new UsageError('no port on 127.0.0.1 is free')
  return loopbackUrl(address.port)
}

function loopbackUrl(port: number): RelayUrl {
  const parsed = parseRelayUrl(`ws://127.0.0.1:${port}`)
  if (!parsed.ok) throw new UsageError(`port ${port} is no port`)
  return parsed.value
}

function listenOn(port: number): Promise<WebSocketServer> {
  return new Promise((resolve, reject) => {
    const server = new WebSocketServer({
      host: '127.0.0.1',
      port,
      maxPayload: limits.FRAME_BYTES,
      perMessageDeflate: false,
    })
    server.once('listening', () => resolve(server))
    server.once('error', reject)
  })
}

/** A client that breaks off is what this relay is for; the close that follows is handled. */
function ignore(): void {}

function readFrame(text: string): readonly unknown[] {
  try {
    const frame: unknown = JSON.parse(text)
    return Array.isArray(frame) ? frame : []
  } catch (cause) {
    if (cause instanceof SyntaxError) return []
    throw cause
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** NIP-01, for the members that clients of NIP-46 use. */
function matches(filter: Readonly<Record<string, unknown>>, event: SignedEvent): boolean {
  const has = (member: string, value: unknown): boolean => {
    const list = filter[member]
    return !Array.isArray(list) || list.includes(value)
  }
  const { since, until } = filter
  const named = filter['#p']
  return (
    has('kinds', event.kind) &&
    has('authors', event.pubkey) &&
    has('ids', event.id) &&
    (!Array.isArray(named) || event.tags.some(([name, value]) => name === 'p' && named.includes(value))) &&
    (typeof since !== 'number' || event.created_at >= since) &&
    (typeof until !== 'number' || event.created_at <= until)
  )
}
