/**
 * A proxy in front of a real relay that spoils what passes: refuses, hangs, drops, delays, repeats, lies.
 * Works with any client and any relay. Never verifies anything, and listens on 127.0.0.1 only.
 */

import { createServer, type IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { AUTH_KIND, isHex64, parseRelayUrl, type RelayUrl, UsageError } from '@nip46/core'
import { WebSocket, WebSocketServer } from 'ws'
import { retakePort } from './retake-port.ts'

/** What goes wrong. By default nothing does. */
export interface RelayFaults {
  /** Answer every handshake with this HTTP status, such as 503. */
  readonly refuseStatus?: number
  /** Accept TCP connections and never answer the handshake. */
  readonly hangHandshake?: boolean
  /** Accept WebSockets and never answer anything. */
  readonly mute?: boolean
  /** Drop every connection so many milliseconds after it was made, without a goodbye. */
  readonly dropEveryMs?: number
  /** Answer each EVENT with OK false and this text. */
  readonly rejectEvents?: string
  /** Answer each EVENT with OK true, and pass it on to nobody. */
  readonly swallowEvents?: boolean
  /** Pass each EVENT on, and lose its OK. */
  readonly loseOk?: boolean
  /** Hold back each frame to the client for so many milliseconds; their order stays. */
  readonly delayMs?: number
  /** Sent before each frame to the client, one after the other: text, or bytes as a binary message. */
  readonly garbage?: readonly (string | Uint8Array)[]
  /** Send each EVENT to the client so many times. Default 1. */
  readonly copies?: number
  /** Never pass on an EOSE. */
  readonly loseEose?: boolean
  /** Answer each REQ with CLOSED and this text. */
  readonly closeRequests?: string
  /** Refuse EVENT and REQ with `auth-required:` until a kind 22242 event named this URL and the challenge. */
  readonly requireAuth?: boolean
}

export interface FaultyRelayOptions {
  /** The relay behind. */
  readonly target: string
  readonly faults?: RelayFaults
  /** Default 0: any free port. */
  readonly port?: number
  /** Told of each text that a client sends, and that the relay behind does, before anything is done with it. */
  readonly onText?: (from: 'client' | 'relay', text: string) => void
}

export interface FaultyRelay {
  readonly url: RelayUrl
  /** Connections open now. */
  readonly connections: number
  /** Handshakes asked for so far. */
  readonly attempts: number
  /** Subscriptions that clients asked for and did not close, as they said them. */
  readonly requests: readonly OpenRequest[]
  /** Replaces all faults, also for the connections that are open. */
  setFaults(faults: RelayFaults): void
  /** Sends to every client that is connected. */
  send(data: string | Uint8Array): void
  /** Ends every connection without a goodbye, and goes on listening. */
  drop(): void
  /** Ends every connection and refuses new ones at TCP, until `up`. */
  down(): Promise<void>
  /** Listens again, on the same port. */
  up(): Promise<void>
  close(): Promise<void>
}

export interface OpenRequest {
  readonly id: string
  readonly filters: readonly unknown[]
}

/** Frames of a client that wait for the relay behind to be reached. */
const WAITING_FRAMES = 1_000

/**
 * ```ts
 * const faulty = await startFaultyRelay({ target: real.url, faults: { dropEveryMs: 2_000 } })
 * ```
 */
export async function startFaultyRelay(options: FaultyRelayOptions): Promise<FaultyRelay> {
  let faults = options.faults ?? {}
  let attempts = 0
  let port = options.port ?? 0
  let listening = false
  const sockets = new Set<Duplex>()
  const clients = new Map<WebSocket, Map<string, OpenRequest>>()
  const webSockets = new WebSocketServer({ noServer: true, clientTracking: false, perMessageDeflate: false })
  const server = createServer((_request, response) => response.writeHead(426).end())

  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.on('error', ignore)
    socket.once('close', () => sockets.delete(socket))
  })
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    attempts += 1
    if (faults.hangHandshake === true) return
    if (faults.refuseStatus !== undefined) {
      socket.end(`HTTP/1.1 ${faults.refuseStatus} Refused\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`)
      return
    }
    webSockets.handleUpgrade(request, socket, head, passOn)
  })

  const passOn = (client: WebSocket): void => {
    const behind = new WebSocket(options.target, { perMessageDeflate: false })
    const challenge = `challenge-${attempts}`
    const waiting: string[] = []
    const requests = new Map<string, OpenRequest>()
    const timers = new Set<NodeJS.Timeout>()
    let authenticated = false

    const later = (ms: number, run: () => void): void => {
      const timer = setTimeout(() => {
        timers.delete(timer)
        run()
      }, ms)
      timers.add(timer)
    }
    const write = (data: string | Uint8Array): void => {
      if (client.readyState === WebSocket.OPEN) client.send(data)
    }
    const toClient = (text: string): void => {
      if (faults.mute === true) return
      const frames = [...(faults.garbage ?? []), text]
      const { delayMs } = faults
      if (delayMs === undefined) frames.forEach(write)
      else later(delayMs, () => frames.forEach(write))
    }
    const say = (...frame: readonly unknown[]): void => toClient(JSON.stringify(frame))
    const toRelay = (text: string): void => {
      if (behind.readyState === WebSocket.OPEN) behind.send(text)
      else if (waiting.length < WAITING_FRAMES) waiting.push(text)
    }

    client.on('message', (data) => {
      if (faults.mute === true) return
      const text = String(data)
      options.onText?.('client', text)
      const { verb, first, rest } = readFrame(text)
      if (verb === 'REQ') requests.set(String(first), { id: String(first), filters: rest })
      if (verb === 'CLOSE') requests.delete(String(first))
      const id = verb === 'REQ' ? first : (first as { readonly id?: unknown } | undefined)?.id
      if (faults.requireAuth === true && verb === 'AUTH') {
        authenticated ||= provesKey(first, url, challenge)
        say('OK', id, authenticated, authenticated ? '' : 'restricted: wrong kind, relay or challenge')
      } else if (verb === 'EVENT') {
        if (faults.requireAuth === true && !authenticated) say('OK', id, false, 'auth-required: who are you?')
        else if (faults.rejectEvents !== undefined) say('OK', id, false, faults.rejectEvents)
        else if (faults.swallowEvents === true) say('OK', id, true, '')
        else toRelay(text)
      } else if (verb === 'REQ') {
        if (faults.requireAuth === true && !authenticated) say('CLOSED', id, 'auth-required: who are you?')
        else if (faults.closeRequests !== undefined) say('CLOSED', id, faults.closeRequests)
        else toRelay(text)
      } else {
        toRelay(text)
      }
    })
    behind.on('open', () => {
      for (const text of waiting.splice(0)) behind.send(text)
    })
    behind.on('message', (data) => {
      const text = String(data)
      options.onText?.('relay', text)
      const { verb } = readFrame(text)
      if (verb === 'EOSE' && faults.loseEose === true) return
      if (verb === 'OK' && faults.loseOk === true) return
      const copies = verb === 'EVENT' ? (faults.copies ?? 1) : 1
      for (let i = 0; i < copies; i += 1) toClient(text)
    })

    clients.set(client, requests)
    const end = (): void => {
      clients.delete(client)
      for (const timer of timers) clearTimeout(timer)
      client.terminate()
      behind.terminate()
    }
    for (const socket of [client, behind]) {
      socket.on('error', ignore)
      socket.on('close', end)
    }
    if (faults.dropEveryMs !== undefined) later(faults.dropEveryMs, end)
    if (faults.requireAuth === true) say('AUTH', challenge)
  }

  const up = async (): Promise<void> => {
    if (listening) return
    await retakePort(
      () =>
        new Promise<void>((resolve, reject) => {
          server.once('error', reject)
          server.listen({ host: '127.0.0.1', port }, () => {
            server.off('error', reject)
            resolve()
          })
        }),
    )
    listening = true
    const address = server.address()
    if (typeof address === 'object' && address !== null) port = address.port
  }

  const drop = (): void => {
    for (const client of clients.keys()) client.terminate()
    for (const socket of sockets) socket.destroy()
  }

  const down = async (): Promise<void> => {
    if (!listening) return
    listening = false
    const closed = new Promise<void>((resolve) => server.close(() => resolve()))
    drop()
    await closed
  }

  await up()
  const parsed = parseRelayUrl(`ws://127.0.0.1:${port}`)
  if (!parsed.ok) throw new UsageError(`port ${port} is no port`)
  const url = parsed.value

  return {
    url,
    get connections() {
      return clients.size
    },
    get attempts() {
      return attempts
    },
    get requests() {
      return [...clients.values()].flatMap((requests) => [...requests.values()])
    },
    setFaults(next) {
      faults = next
    },
    send(data) {
      for (const client of clients.keys()) client.send(data)
    },
    drop,
    down,
    up,
    close: down,
  }
}

/** An end that breaks is what this relay is for; the close that follows is handled. */
function ignore(): void {}

interface Frame {
  readonly verb: unknown
  readonly first: unknown
  readonly rest: readonly unknown[]
}

function readFrame(text: string): Frame {
  try {
    const frame = JSON.parse(text) as unknown
    const [verb, first, ...rest] = Array.isArray(frame) ? (frame as readonly unknown[]) : []
    return { verb, first, rest }
  } catch (cause) {
    // Whether this is to be refused is for the relay behind to say.
    if (cause instanceof SyntaxError) return { verb: undefined, first: undefined, rest: [] }
    throw cause
  }
}

function provesKey(value: unknown, url: RelayUrl, challenge: string): boolean {
  const { kind, pubkey, tags } = (value ?? {}) as Readonly<Record<string, unknown>>
  if (kind !== AUTH_KIND || !isHex64(pubkey) || !Array.isArray(tags)) return false
  const tag = (name: string): string => String((tags as unknown[][]).find((one) => one?.[0] === name)?.[1])
  const relay = parseRelayUrl(tag('relay'))
  return relay.ok && relay.value === url && tag('challenge') === challenge
}
