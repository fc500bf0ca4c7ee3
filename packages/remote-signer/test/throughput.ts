/**
 * Requests in a second, without a relay: `node --conditions=@nip46/source test/throughput.ts [backend] [seconds] [in flight]`.
 * Requests are signed before the clock starts and answers are only counted, so that what is measured is the engine.
 * Not part of the tests; the bench app measures everything around it.
 */

import {
  type Crypto,
  encodeRequest,
  type KeyHandle,
  type Pubkey,
  type RelayUrl,
  type SignedEvent,
  type SubscribeRequest,
  seal,
  type Transport,
} from '@nip46/core'
import { autoCrypto, type BackendName } from '@nip46/crypto/auto'
import { createRemoteSigner, denyAll, limits, localUserSigner, memoryStore } from '../src/index.ts'

export const RELAY = 'wss://relay.example/' as RelayUrl
const CLIENTS = 20

export interface Pipe {
  readonly transport: Transport
  push(event: SignedEvent): void
}

/** A transport that hands every event to every subscription that names its addressee, and takes every answer. */
export function createPipe(onAnswer: (event: SignedEvent) => void): Pipe {
  const byKey = new Map<string, Set<SubscribeRequest>>()
  const keysOf = ({ filters }: SubscribeRequest): readonly string[] =>
    filters.flatMap((filter) => filter['#p'] ?? [])
  return {
    transport: {
      publish(relays, event) {
        onAnswer(event)
        return Promise.resolve({ ok: true, value: { relay: relays[0] ?? RELAY } })
      },
      subscribe(request) {
        for (const key of keysOf(request)) {
          const set = byKey.get(key) ?? new Set()
          byKey.set(key, set.add(request))
        }
        queueMicrotask(() => request.onLive?.(RELAY))
        return {
          close() {
            for (const key of keysOf(request)) byKey.get(key)?.delete(request)
          },
        }
      },
      close: () => Promise.resolve(),
    },
    push(event) {
      for (const request of byKey.get(event.tags[0]?.[1] ?? '') ?? []) request.onEvent(event, RELAY)
    },
  }
}

export const random = (length: number): Uint8Array =>
  globalThis.crypto.getRandomValues(new Uint8Array(length))

export interface Client {
  readonly key: KeyHandle
  readonly to: Pubkey
  readonly secret: string
}

export function sealRequest(
  crypto: Crypto,
  { key, to }: Client,
  id: string,
  method: string,
  params: readonly string[],
): SignedEvent {
  const createdAt = Math.floor(Date.now() / 1_000)
  const text = encodeRequest({ id, method, params })
  const sealed = seal({ text, to, key, scheme: 'nip44', createdAt }, { crypto, random })
  if (!sealed.ok) throw new Error(sealed.error)
  return sealed.value
}

/** Signs `count` sign_event requests of these clients in turn. */
export function sealRequests(
  crypto: Crypto,
  clients: readonly Client[],
  count: number,
  round: number,
): readonly SignedEvent[] {
  return Array.from({ length: count }, (_, i) => {
    const template = {
      kind: 1,
      content: `note ${round} ${i}`,
      tags: [['t', 'nip46']],
      created_at: 1_767_225_600,
    }
    const client = clients[i % clients.length] as Client
    return sealRequest(crypto, client, `${round}-${i}`, 'sign_event', [JSON.stringify(template)])
  })
}

/** Pushes all of them, so many unanswered at a time; resolves with the milliseconds from the first to the last answer. */
export function drive(
  events: readonly SignedEvent[],
  inFlight: number,
  push: (event: SignedEvent) => void,
  onAnswer: (listener: () => void) => void,
): Promise<number> {
  return new Promise((resolve) => {
    let next = 0
    let answered = 0
    let refill = false
    const start = performance.now()
    const fill = (): void => {
      refill = false
      while (next < events.length && next - answered < inFlight) push(events[next++] as SignedEvent)
    }
    onAnswer(() => {
      answered += 1
      if (answered === events.length) resolve(performance.now() - start)
      else if (!refill) {
        refill = true
        setImmediate(fill)
      }
    })
    fill()
  })
}

if (import.meta.main) {
  const [, , backend = 'tiny', seconds = '3', inFlight = '64'] = process.argv
  const { crypto } = await autoCrypto({ backends: [backend as BackendName] })
  const generator = (await autoCrypto()).crypto
  let listener = (): void => undefined
  const pipe = createPipe(() => listener())
  const user = crypto.importKey(random(32))
  const signer = createRemoteSigner({
    crypto,
    transport: pipe.transport,
    userSigner: localUserSigner(user, { crypto }),
    approver: denyAll,
    relays: [RELAY],
    store: memoryStore(),
    rates: limits.UNLIMITED_RATES,
  })
  await signer.start()
  const clients: Client[] = []
  for (let i = 0; i < CLIENTS; i++) {
    const { uri, remoteSigner } = await signer.offer({ granted: [{ method: 'sign_event' }] })
    const secret = new URLSearchParams(uri.split('?')[1]).get('secret') ?? ''
    clients.push({ key: generator.importKey(random(32)), to: remoteSigner, secret })
  }
  await drive(
    clients.map((client) => sealRequest(generator, client, 'connect', 'connect', [client.to, client.secret])),
    20,
    pipe.push,
    (each) => {
      listener = each
    },
  )
  const count = 2_000
  const until = performance.now() + Number(seconds) * 1_000
  const rates: number[] = []
  const cpus: number[] = []
  for (let round = 0; round < 3 || performance.now() < until; round++) {
    const events = sealRequests(generator, clients, count, round)
    const before = process.cpuUsage()
    const took = await drive(events, Number(inFlight), pipe.push, (each) => {
      listener = each
    })
    const { user: busy, system } = process.cpuUsage(before)
    rates.push((count / took) * 1_000)
    cpus.push((busy + system) / count)
  }
  const median = (values: number[]): number => values.sort((a, b) => a - b)[values.length >> 1] ?? 0
  const { performed, dropped } = signer.stats()
  process.stdout.write(
    `${crypto.name}: ${median(rates).toFixed(0)} requests a second, ${median(cpus).toFixed(0)} us of CPU each ` +
      `(medians of ${rates.length} rounds of ${count}, ${inFlight} in flight); performed ${performed}, dropped ${JSON.stringify(dropped)}\n`,
  )
  await signer.close()
}
