/**
 * Clients that remember every answer: whether each request got one, whether it got another one, and what it said.
 * Never gives a request up by itself, and never trusts an answer that it did not decrypt.
 */

import { randomBytes, randomFillSync } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Crypto, encodeEvent, type KeyHandle, type SignedEvent, seal } from '@nip46/core'
import { WebSocket } from 'ws'
import { templateOf } from '../src/load/generator.ts'
import { fromHex, type Parties } from '../src/load/parties.ts'
import { must } from '../src/must.ts'

export interface Witness {
  /** Dials the relay and connects every client with its token. */
  connect(relay: string, tokens: readonly string[]): Promise<void>
  /** One client says `connect` with this token, without waiting. Its answer is in {@link Witness.said}. */
  present(client: number, token: string): string
  /** Keeps so many requests waiting, of all clients or one, until `pause()`. */
  load(inFlight: number, client?: number): void
  /** Sends so many requests at once, whatever waits; returns their ids. */
  burst(count: number, client?: number): readonly string[]
  pause(): void
  /** Resolves when nothing waits, or after so long. */
  settle(patienceMs: number): Promise<void>
  /** Waits no longer for what was asked so long ago: the relay has forgotten it. */
  expire(olderThanMs: number): void
  /** Waits no longer for what waits: some strangers are never answered. */
  giveUp(): void
  /** Resolves with the time of the next answer. */
  nextAnswer(): Promise<number>
  /** What a request was answered first. */
  said(id: string): { readonly result: string; readonly error?: string } | undefined
  tally(): Tally
  close(): void
}

export interface Tally {
  readonly sent: number
  /** Ids of the events whose signatures came back. */
  readonly signed: readonly string[]
  /** Requests without an answer. */
  readonly waiting: number
  /** Requests that were given up by `expire`, and answered after that or not. */
  readonly expired: number
  /** Answers to a request that had one: the same, or another. */
  readonly copies: number
  readonly different: number
  /** Errors, by their text. */
  readonly errors: Readonly<Record<string, number>>
  /** Times of the answers, in milliseconds. */
  readonly times: readonly number[]
  readonly slowestMs: number
}

const CONNECT_MS = 120_000

interface Asked {
  readonly at: number
  readonly client: number
  answer: string | undefined
  expired: boolean
}

export function createWitness(crypto: Crypto, parties: Parties): Witness {
  const clients = parties.clients.map(({ secretKey }) => crypto.importKey(fromHex(secretKey)))
  const signer = crypto.importKey(fromHex(parties.signer)).pubkey
  const conversations = clients.map((client) => must(client.conversation(signer)))
  const indexes = new Map<string, number>(clients.map(({ pubkey }, i) => [pubkey, i]))
  const random = (length: number): Uint8Array => randomFillSync(new Uint8Array(length))
  const asked = new Map<string, Asked>()
  const signed: string[] = []
  const errors: Record<string, number> = {}
  const times: number[] = []
  const listeners = new Set<(at: number) => void>()
  let socket: WebSocket | undefined
  let waiting = 0
  let target = 0
  let only: number | undefined
  let next = 0
  let expired = 0
  let copies = 0
  let different = 0
  let slowestMs = 0
  let problem: string | undefined

  const frameOf = (client: KeyHandle, id: string, method: string, params: readonly string[]): string => {
    const text = JSON.stringify({ id, method, params })
    const createdAt = Math.floor(Date.now() / 1_000)
    const message = { text, to: signer, key: client, scheme: 'nip44', createdAt } as const
    return `["EVENT",${encodeEvent(must(seal(message, { crypto, random })))}]`
  }

  const ask = (client: number, method: string, params: (id: string) => readonly string[]): string => {
    const key = clients[client]
    if (key === undefined) throw new Error(`there is no client ${client}`)
    const id = randomBytes(16).toString('hex')
    asked.set(id, { at: performance.now(), client, answer: undefined, expired: false })
    waiting += 1
    socket?.send(frameOf(key, id, method, params(id)))
    return id
  }

  const sign = (client = next++ % clients.length): string =>
    ask(client, 'sign_event', (id) => [templateOf(id)])

  const fill = (): void => {
    while (waiting < target) sign(only)
  }

  const receive = (frame: string): void => {
    if (frame.startsWith('["OK"')) {
      const [, , taken, reason] = JSON.parse(frame)
      if (taken !== true) problem ??= `the relay refused: ${reason}`
      return
    }
    if (!frame.startsWith('["EVENT"')) return
    const event = JSON.parse(frame)[2] as SignedEvent
    const client = indexes.get(event.tags[0]?.[1] ?? '')
    const text = client === undefined ? undefined : conversations[client]?.nip44Decrypt(event.content)
    if (text?.ok !== true) {
      problem ??= 'an answer that no client can read'
      return
    }
    take(text.value)
  }

  const take = (text: string): void => {
    const { id, result, error } = JSON.parse(text) as { id: string; result: string; error?: string }
    const request = asked.get(id)
    if (request === undefined) return
    if (request.answer !== undefined) {
      if (request.answer === text) copies += 1
      else different += 1
      return
    }
    request.answer = text
    if (!request.expired) waiting -= 1
    const at = performance.now()
    times.push(at)
    slowestMs = Math.max(slowestMs, at - request.at)
    if (error !== undefined) errors[error] = (errors[error] ?? 0) + 1
    else if (result.startsWith('{')) signed.push((JSON.parse(result) as { readonly id: string }).id)
    for (const listener of listeners) listener(at)
    listeners.clear()
    fill()
  }

  const settle = async (patienceMs: number): Promise<void> => {
    const until = performance.now() + patienceMs
    while (waiting > 0 && performance.now() < until && problem === undefined) await sleep(5)
    if (problem !== undefined) throw new Error(problem)
  }

  const present = (client: number, token: string): string =>
    ask(client, 'connect', () => [signer, token, 'sign_event:1'])

  return {
    async connect(relay, tokens) {
      const line = new WebSocket(relay, { perMessageDeflate: false })
      socket = line
      await new Promise<void>((resolve, reject) => {
        line.once('open', resolve)
        line.once('error', reject)
      })
      line.on('message', (data) => receive(String(data)))
      line.on('error', (cause) => {
        problem ??= cause.message
      })
      line.send(
        JSON.stringify(['REQ', 'witness', { kinds: [24_133], '#p': clients.map(({ pubkey }) => pubkey) }]),
      )
      const ids = tokens.map((token, client) => present(client, token))
      await settle(CONNECT_MS)
      for (const id of ids) {
        const answer = asked.get(id)?.answer
        if (answer?.includes('"ack"') !== true)
          throw new Error(`a client is not let in: ${answer ?? 'no answer'}`)
      }
    },
    present,
    load(inFlight, client) {
      target = inFlight
      only = client
      fill()
    },
    burst: (count, client) => Array.from({ length: count }, () => sign(client)),
    pause() {
      target = 0
    },
    settle,
    expire(olderThanMs) {
      const before = performance.now() - olderThanMs
      for (const request of asked.values()) {
        if (request.answer !== undefined || request.expired || request.at >= before) continue
        request.expired = true
        expired += 1
        waiting -= 1
      }
      fill()
    },
    giveUp() {
      for (const [id, { answer }] of asked) if (answer === undefined) asked.delete(id)
      waiting = 0
    },
    nextAnswer: () => new Promise((resolve) => listeners.add(resolve)),
    said(id) {
      const answer = asked.get(id)?.answer
      return answer === undefined ? undefined : JSON.parse(answer)
    },
    tally: () => ({
      sent: asked.size,
      signed,
      waiting,
      expired,
      copies,
      different,
      errors,
      times,
      slowestMs,
    }),
    close: () => socket?.removeAllListeners('error').close(),
  }
}
