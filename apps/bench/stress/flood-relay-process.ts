/**
 * A relay as hostile as relays come: hands on unread whatever it gets to whoever listens for the key it names, and floods them on request.
 * Never waits for a reader, and costs little itself: what it takes of the machine is missing to whom it floods.
 */

import { once } from 'node:events'
import type { AddressInfo, Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { type WebSocket, WebSocketServer } from 'ws'
import type { Parties } from '../src/load/parties.ts'
import { serve, usage } from '../src/process/serve.ts'
import { loadBackend } from '../src/subject/backends.ts'
import { type Flood, makeFlood } from './flood-events.ts'

const P_TAG = /\[\["p","([0-9a-f]{64})"/
/** What a reader has not read yet; one that is slower loses events, as with every relay. */
const LOADED_BYTES = 1_048_576
const TICK_MS = 5

interface Listener {
  readonly socket: WebSocket
  /** Beneath it: a whole flood goes out in few writes. */
  readonly line: Socket
  readonly subscription: string
}

/** By the key that is listened for. */
const listeners = new Map<string, Set<Listener>>()

serve({
  async start() {
    const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false })
    await once(server, 'listening')
    server.on('connection', (socket, { socket: line }) => {
      socket.on('message', (data) => receive(socket, line, String(data)))
      socket.on('error', () => undefined)
    })
    return { url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}/` }
  },
  /** Made before it is sent: that takes seconds. */
  async prepare({ backend, kind, parties }: PrepareArgument) {
    events = makeFlood(await (await loadBackend(backend)).create(), kind, parties)
  },
  /** Begins, until `calm`. */
  flood({ perSecond }: { readonly perSecond: number }) {
    if (victim() === undefined) throw new Error('nobody listens to be flooded')
    running = pour(perSecond)
  },
  async calm() {
    const flood = running
    running = undefined
    return await flood
  },
  usage,
})

interface PrepareArgument {
  readonly backend: string
  readonly kind: Flood
  readonly parties: Parties
}

interface Poured {
  readonly sent: number
  readonly seconds: number
}

let events: readonly string[] = []
let running: Promise<Poured> | undefined

/** Who listens for what the flood is addressed to, at present: a bunker may ask anew. */
function victim(): Listener | undefined {
  const [listener] = listeners.get(P_TAG.exec(events[0] ?? '')?.[1] ?? '') ?? []
  return listener
}

async function pour(perSecond: number): Promise<Poured> {
  let listener: Listener | undefined
  let { bytes, ends } = framesOf(events, '')
  const began = performance.now()
  let [due, sent] = [0, 0]
  do {
    const now = Math.floor(((performance.now() - began) / 1_000) * perSecond)
    // What is late is not made up for: whoever is kept from its core for a while does not flood twice as fast after that.
    let count = Math.min(now - due, ends.length)
    due = now
    const present = victim()
    if (present !== listener && present !== undefined)
      ({ bytes, ends } = framesOf(events, present.subscription))
    listener = present
    while (count > 0 && listener !== undefined && listener.line.writableLength < LOADED_BYTES) {
      const from = sent % ends.length
      const to = Math.min(from + count, ends.length)
      listener.line.write(bytes.subarray(from === 0 ? 0 : ends[from - 1], ends[to - 1]))
      sent += to - from
      count -= to - from
    }
    await sleep(TICK_MS)
  } while (running !== undefined)
  return { sent, seconds: (performance.now() - began) / 1_000 }
}

function receive(socket: WebSocket, line: Socket, frame: string): void {
  if (frame.startsWith('["EVENT",')) {
    const event = frame.slice('["EVENT",'.length, -1)
    for (const { socket: to, subscription } of listeners.get(P_TAG.exec(event)?.[1] ?? '') ?? [])
      if (to.bufferedAmount < LOADED_BYTES) to.send(`["EVENT",${JSON.stringify(subscription)},${event}]`)
    const id = /"id":"([^"]*)"/.exec(event)?.[1] ?? ''
    socket.send(`["OK","${id}",true,""]`)
  } else if (frame.startsWith('["REQ",')) {
    const [, subscription, ...filters] = JSON.parse(frame)
    const listener: Listener = { socket, line, subscription }
    for (const key of filters.flatMap((filter: { '#p'?: string[] }) => filter['#p'] ?? [])) {
      const there = listeners.get(key) ?? new Set()
      there.add(listener)
      listeners.set(key, there)
    }
    socket.on('close', () => forget((each) => each === listener))
    socket.send(JSON.stringify(['EOSE', subscription]))
  } else if (frame.startsWith('["CLOSE",')) {
    const [, subscription] = JSON.parse(frame)
    forget((each) => each.socket === socket && each.subscription === subscription)
  }
}

function forget(isGone: (listener: Listener) => boolean): void {
  for (const there of listeners.values())
    for (const listener of there) if (isGone(listener)) there.delete(listener)
}

/** As unmasked WebSocket text frames, one after the other, with where each ends. */
function framesOf(
  events: readonly string[],
  subscription: string,
): { bytes: Buffer; ends: readonly number[] } {
  const parts: Buffer[] = []
  const ends: number[] = []
  let end = 0
  for (const event of events) {
    const payload = Buffer.from(`["EVENT",${JSON.stringify(subscription)},${event}]`)
    if (payload.length < 126 || payload.length > 65_535) throw new Error('a frame of another form')
    const head = Buffer.from([0x81, 126, payload.length >> 8, payload.length & 0xff])
    parts.push(head, payload)
    end += head.length + payload.length
    ends.push(end)
  }
  return { bytes: Buffer.concat(parts), ends }
}
