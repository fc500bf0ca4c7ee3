/** A plain WebSocket client and signed events, for the tests of this package. */

import { createConnection, type Socket } from 'node:net'
import type { KeyHandle, SignedEvent } from '@nip46/core'
import { tinyCrypto } from '@nip46/crypto/tiny'
import { WebSocket } from 'ws'
import { createRelay, type RelayOptions, type RelayServer } from '../src/index.ts'

export const crypto = tinyCrypto()
export const alice = crypto.importKey(new Uint8Array(32).fill(1))
export const bob = crypto.importKey(new Uint8Array(32).fill(2))
const AUX = new Uint8Array(32).fill(9)

/** Nothing here takes as long, on any machine. */
const PATIENCE_MS = 60_000

export const seconds = (): number => Math.floor(Date.now() / 1_000)

export function sign(key: KeyHandle, change: Partial<SignedEvent> = {}): SignedEvent {
  const unsigned = {
    pubkey: key.pubkey as string,
    created_at: seconds(),
    kind: 24133,
    tags: [['p', bob.pubkey as string]] as readonly (readonly string[])[],
    content: 'x',
    ...change,
  }
  const id = crypto.eventId(unsigned)
  return { ...unsigned, id, sig: key.sign(id, AUX) }
}

export interface Client {
  readonly socket: WebSocket
  readonly inbox: unknown[][]
  readonly closed: Promise<{ code: number; reason: string }>
  send(...message: unknown[]): void
  sendText(text: string): void
  /** The first message, from those not yet taken, that passes; waits up to {@link PATIENCE_MS}. */
  take(passes: (message: unknown[]) => boolean): Promise<unknown[]>
  /** The next message of this verb. */
  verb(verb: string): Promise<unknown[]>
  /** Sends an event and waits for its OK. */
  publish(event: SignedEvent): Promise<unknown[]>
  /** Opens a subscription and waits for EOSE or CLOSED. */
  subscribe(id: string, ...filters: unknown[]): Promise<unknown[]>
}

export async function connect(url: string): Promise<Client> {
  const socket = new WebSocket(url, { perMessageDeflate: false })
  const inbox: unknown[][] = []
  let wake = (): void => {}
  socket.on('message', (data) => {
    inbox.push(JSON.parse(String(data)) as unknown[])
    wake()
  })
  socket.on('error', () => {})
  const closed = new Promise<{ code: number; reason: string }>((resolve) => {
    socket.on('close', (code, reason) => resolve({ code, reason: String(reason) }))
  })
  await new Promise<void>((resolve, reject) => {
    socket.once('open', resolve)
    socket.once('error', reject)
  })
  const take = async (passes: (message: unknown[]) => boolean): Promise<unknown[]> => {
    const end = Date.now() + PATIENCE_MS
    for (;;) {
      const index = inbox.findIndex(passes)
      if (index >= 0) return inbox.splice(index, 1)[0] as unknown[]
      if (Date.now() >= end) throw new Error(`no such message; got ${JSON.stringify(inbox).slice(0, 500)}`)
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, end - Date.now())
        wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
  }
  const send = (...message: unknown[]): void => socket.send(JSON.stringify(message))
  return {
    socket,
    inbox,
    closed,
    send,
    sendText: (text) => socket.send(text),
    take,
    verb: (verb) => take((message) => message[0] === verb),
    publish(event) {
      send('EVENT', event)
      return take((message) => message[0] === 'OK' && message[1] === event.id)
    },
    subscribe(id, ...filters) {
      send('REQ', id, ...filters)
      return take((message) => (message[0] === 'EOSE' || message[0] === 'CLOSED') && message[1] === id)
    },
  }
}

/** A raw TCP socket that has sent this text. */
export function rawSocket(port: number, text: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(port, '127.0.0.1', () => {
      socket.write(text)
      resolve(socket)
    })
    socket.once('error', reject)
  })
}

export const HANDSHAKE =
  'GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n'

const opened: RelayServer[] = []

/** A relay with generous rates, closed by {@link closeRelays}. */
export async function start(options: Partial<RelayOptions> = {}) {
  const relay = createRelay({
    crypto,
    onError: (error) => {
      throw error
    },
    ...options,
  })
  opened.push(relay)
  return { relay, ...(await relay.listen()) }
}

export async function closeRelays(): Promise<void> {
  await Promise.all(opened.splice(0).map((relay) => relay.close()))
}

/** Waits until it is true, up to {@link PATIENCE_MS}. */
export async function until(isTrue: () => boolean, what: string): Promise<void> {
  const end = Date.now() + PATIENCE_MS
  while (!isTrue()) {
    if (Date.now() > end) throw new Error(`never: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
