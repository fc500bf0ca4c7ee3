/**
 * Whoever floods a bunker: so many events a second of one kind, made beforehand.
 * Never waits for an answer.
 */

import { randomBytes, randomFillSync } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Crypto, encodeEvent, type Pubkey, type SignedEvent, seal } from '@nip46/core'
import { WebSocket } from 'ws'
import { must } from '../src/must.ts'
import { serve, usage } from '../src/process/serve.ts'
import { loadBackend } from '../src/subject/backends.ts'

export type Flood = 'garbage' | 'bad signatures' | 'valid strangers'

/** Different events of a flood; then they come again under other ids where they can. */
const EVENTS = 3_000
const TICK_MS = 5
/** What the relay has not read yet: more would only wait in this process. */
const UNREAD_BYTES = 4_194_304

let socket: WebSocket | undefined
let running = false

serve({
  async connect({ relay }: { readonly relay: string }) {
    const line = new WebSocket(relay, { perMessageDeflate: false })
    socket = line
    await new Promise((resolve, reject) => {
      line.once('open', resolve)
      line.once('error', reject)
    })
  },
  async flood({ backend, to, kind, perSecond, ms }: FloodArgument) {
    const crypto = await (await loadBackend(backend)).create()
    const frames = makeFrames(crypto, to, kind)
    running = true
    const began = performance.now()
    let sent = 0
    while (running && performance.now() < began + ms) {
      const due = Math.floor(((performance.now() - began) / 1_000) * perSecond)
      while (sent < due && (socket?.bufferedAmount ?? 0) < UNREAD_BYTES)
        socket?.send(frames[sent++ % frames.length] ?? '')
      await sleep(TICK_MS)
    }
    return { sent, seconds: (performance.now() - began) / 1_000 }
  },
  usage,
})

interface FloodArgument {
  readonly backend: string
  readonly to: Pubkey
  readonly kind: Flood
  readonly perSecond: number
  readonly ms: number
}

function makeFrames(crypto: Crypto, to: Pubkey, kind: Flood): readonly string[] {
  const random = (length: number): Uint8Array => randomFillSync(new Uint8Array(length))
  const createdAt = Math.floor(Date.now() / 1_000)
  return Array.from({ length: EVENTS }, (_, i) => {
    const key = crypto.importKey(random(32))
    const text = JSON.stringify({ id: `f${i}`, method: 'get_public_key', params: [] })
    const event = must(seal({ text, to, key, scheme: 'nip44', createdAt }, { crypto, random }))
    key.destroy()
    return `["EVENT",${encodeEvent(spoiled(event, kind))}]`
  })
}

function spoiled(event: SignedEvent, kind: Flood): SignedEvent {
  if (kind === 'garbage') return { ...event, id: randomBytes(32).toString('hex') }
  if (kind === 'bad signatures') return { ...event, sig: randomBytes(64).toString('hex') }
  return event
}
