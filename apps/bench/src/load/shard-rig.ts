/**
 * Our remote signer over worker threads, fed by a transport that costs next to nothing: no socket, no relay.
 * Never counts an answer that was not published, and opens a sample of them.
 */

import { randomBytes } from 'node:crypto'
import { Worker } from 'node:worker_threads'
import {
  acceptResult,
  type Crypto,
  type KeyHandle,
  ok,
  open,
  type Pubkey,
  parseRelayUrl,
  type SignedEvent,
  type SubscribeRequest,
  seal,
  type Transport,
} from '@nip46/core'
import { pooledRandom } from '@nip46/crypto'
import { createShardedSigner } from '@nip46/remote-signer/sharded'
import { must } from '../must.ts'
import { sourcePath } from '../process/child.ts'
import type { ShardData } from './worker-entry.ts'

export interface ShardRig {
  /** Answers a second, and microseconds of processor time for each, of this process with all its threads. */
  run(count: number, inFlight: number): Promise<{ readonly perSecond: number; readonly cpu: number }>
  close(): Promise<void>
}

interface Client {
  readonly key: KeyHandle
  readonly signer: Pubkey
}

const RELAY = must(parseRelayUrl('wss://relay.example'))
const CONTENT = 'n'.repeat(200)
const CHECKED = 16
const PATIENCE_MS = 60_000

/** `crypto` is the clients'. */
export async function createShardRig(
  crypto: Crypto,
  backend: string,
  workers: number,
  clients: number,
): Promise<ShardRig> {
  const random = pooledRandom()
  const userSecret = randomBytes(32)
  const userPubkey = crypto.importKey(userSecret).pubkey
  const pipe = createPipe()
  const workerData: ShardData = { backend, relay: RELAY, userSecret }
  const signer = createShardedSigner({
    shards: workers,
    transport: pipe.transport,
    createWorker: () => new Worker(sourcePath('load/worker-entry'), { workerData }),
  })
  await signer.start()

  const sealFor = ({ key, signer: to }: Client, id: string, method: string, params: readonly string[]) => {
    const text = JSON.stringify({ id, method, params })
    const createdAt = Math.floor(Date.now() / 1_000)
    return must(seal({ text, to, key, scheme: 'nip44', createdAt }, { crypto, random }))
  }
  const everyone: Client[] = []
  for (let i = 0; i < clients; i++) {
    const { uri, remoteSigner } = await signer.offer({ granted: [{ method: 'sign_event', kind: 1 }] })
    const token = new URL(uri.replace('bunker:', 'http:')).searchParams.get('secret') ?? ''
    const client = { key: crypto.importKey(randomBytes(32)), signer: remoteSigner }
    everyone.push(client)
    await drive(pipe, [sealFor(client, 'connect', 'connect', [remoteSigner, token])], 1)
  }

  const check = (answer: SignedEvent): void => {
    const opened = open(answer, {
      crypto,
      key: (pubkey) => everyone.find(({ key }) => key.pubkey === pubkey)?.key,
      scheme: () => 'nip44',
      now: answer.created_at,
    })
    const { id, result } = JSON.parse(must(opened).text)
    const asked = { method: 'sign_event', params: [templateOf(id)] } as const
    if (!acceptResult(asked, result, { crypto, userPubkey }).ok)
      throw new Error('an answer that no client accepts')
  }

  return {
    async run(count, inFlight) {
      const events = Array.from({ length: count }, (_, i) => {
        const client = everyone[i % everyone.length] as Client
        const id = randomBytes(16).toString('hex')
        return sealFor(client, id, 'sign_event', [templateOf(id)])
      })
      const before = process.cpuUsage()
      const began = performance.now()
      const answers = await drive(pipe, events, inFlight)
      const seconds = (performance.now() - began) / 1_000
      const { user: inUser, system } = process.cpuUsage(before)
      for (const answer of answers.slice(0, CHECKED)) check(answer)
      return { perSecond: count / seconds, cpu: (inUser + system) / count }
    },
    close: () => signer.close(),
  }
}

interface Pipe {
  readonly transport: Transport
  push(event: SignedEvent): void
  onPublish: (event: SignedEvent) => void
}

function createPipe(): Pipe {
  const byKey = new Map<string, SubscribeRequest>()
  const pipe: Pipe = {
    onPublish: () => undefined,
    push(event) {
      byKey.get(event.tags[0]?.[1] ?? '')?.onEvent(event, RELAY)
    },
    transport: {
      publish(_relays, event) {
        pipe.onPublish(event)
        return Promise.resolve(ok({ relay: RELAY }))
      },
      subscribe(request) {
        for (const { '#p': keys = [] } of request.filters) for (const key of keys) byKey.set(key, request)
        queueMicrotask(() => request.onLive?.(RELAY))
        return {
          close() {
            for (const [key, owner] of byKey) if (owner === request) byKey.delete(key)
          },
        }
      },
      close: () => Promise.resolve(),
    },
  }
  return pipe
}

/** Pushes all events, `inFlight` at a time; resolves with the answers. */
function drive(
  pipe: Pipe,
  events: readonly SignedEvent[],
  inFlight: number,
): Promise<readonly SignedEvent[]> {
  return new Promise((resolve, reject) => {
    const answers: SignedEvent[] = []
    let next = 0
    const push = (): void => {
      const event = events[next++]
      if (event !== undefined) pipe.push(event)
    }
    const timer = setTimeout(() => {
      pipe.onPublish = () => undefined
      reject(new Error(`${events.length - answers.length} of ${events.length} requests were not answered`))
    }, PATIENCE_MS)
    pipe.onPublish = (event) => {
      answers.push(event)
      if (answers.length < events.length) {
        push()
        return
      }
      clearTimeout(timer)
      resolve(answers)
    }
    for (let i = 0; i < inFlight; i++) push()
  })
}

function templateOf(id: string): string {
  return JSON.stringify({ kind: 1, content: CONTENT, tags: [['id', id]], created_at: 1_767_225_600 })
}
