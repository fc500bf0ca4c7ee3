/**
 * The load: requests signed beforehand, sent to one bunker over one socket, answers decrypted and matched by id.
 * Never signs while it measures, and never counts an answer it did not read.
 */

import { randomBytes, randomFillSync } from 'node:crypto'
import {
  acceptResult,
  type Crypto,
  encodeEvent,
  type KeyHandle,
  open,
  type SignedEvent,
  seal,
} from '@nip46/core'
import { WebSocket } from 'ws'
import { must } from '../must.ts'
import { fromHex, type Parties } from './parties.ts'

export interface RunResult {
  /** Answered while requests were being sent, and in how many seconds that was. */
  readonly steady: number
  readonly seconds: number
  /** Answered in all. */
  readonly answered: number
  readonly lost: number
  /** Milliseconds from when each request was due to its answer. */
  readonly latencies: readonly number[]
}

export interface Generator {
  /** Signs as many requests; those of before are forgotten. */
  prepare(count: number): void
  /** Dials a bunker's relay and connects every client with its token. */
  connect(name: string, relay: string, tokens: readonly string[]): Promise<void>
  /** Hangs up; harmless if there is none of this name. */
  disconnect(name: string): Promise<void>
  /** So many requests in flight for so long, and for a quarter more answers than that at least. */
  runWindow(name: string, inFlight: number, ms: number): Promise<RunResult>
  /** Requests that arrive as in a Poisson process, answered or not. */
  runOpen(name: string, perSecond: number, ms: number): Promise<RunResult>
}

/** An answer that takes longer is lost. */
const PATIENCE_MS = 30_000
const CONNECT_MS = 20_000
const CONNECT_AGAIN_MS = 1_000
/** Answers of each run whose signatures are checked, beside their decryption. */
const CHECKED = 32
const CONTENT = 'n'.repeat(200)

interface Line {
  readonly socket: WebSocket
  /** The next request that was not sent to this bunker. */
  cursor: number
  run: Run | undefined
  onText: (client: number, text: string, event: SignedEvent) => void
  problem: string | undefined
}

interface Run {
  /** When each request was due, by its number. */
  readonly due: Map<number, number>
  readonly latencies: number[]
  readonly answers: SignedEvent[]
  readonly onAnswer: () => void
  failure: string | undefined
}

export function createGenerator(crypto: Crypto, parties: Parties): Generator {
  const clients = parties.clients.map(({ secretKey }) => crypto.importKey(fromHex(secretKey)))
  const signer = crypto.importKey(fromHex(parties.signer)).pubkey
  const user = crypto.importKey(fromHex(parties.user)).pubkey
  const random = (length: number): Uint8Array => randomFillSync(new Uint8Array(length))
  const conversations = clients.map((client) => must(client.conversation(signer)))
  const lines = new Map<string, Line>()
  let frames: readonly string[] = []
  let batch = ''

  const frameOf = (client: KeyHandle, id: string, method: string, params: readonly string[]): string => {
    const text = JSON.stringify({ id, method, params })
    const message = { text, to: signer, key: client, scheme: 'nip44', createdAt: nowSeconds() } as const
    return `["EVENT",${encodeEvent(must(seal(message, { crypto, random })))}]`
  }

  const lineOf = (name: string): Line => {
    const line = lines.get(name)
    if (line === undefined) throw new Error(`no bunker ${name} is connected`)
    return line
  }

  const receive = (line: Line, frame: string): void => {
    if (frame.startsWith('["OK"')) {
      const [, , taken, reason] = JSON.parse(frame)
      if (taken !== true) fail(line, `the relay refused: ${reason}`)
      return
    }
    if (!frame.startsWith('["EVENT"')) return
    const event = JSON.parse(frame)[2] as SignedEvent
    const to = event.tags[0]?.[1]
    const client = clients.findIndex(({ pubkey }) => pubkey === to)
    const text = conversations[client]?.nip44Decrypt(event.content)
    if (text?.ok === true) line.onText(client, text.value, event)
    else fail(line, 'an answer that no client can read')
  }

  const fail = (line: Line, why: string): void => {
    line.problem ??= why
    if (line.run !== undefined) line.run.failure ??= why
    line.run?.onAnswer()
  }

  const takeAnswer = (line: Line, text: string, event: SignedEvent): void => {
    const { run } = line
    if (run === undefined) return
    const { id, error } = JSON.parse(text) as { readonly id: string; readonly error?: string }
    if (!id.startsWith(batch)) return
    const number = Number.parseInt(id.slice(batch.length), 16)
    const due = run.due.get(number)
    if (due === undefined) return
    run.due.delete(number)
    if (error !== undefined && error !== '' && error !== null) {
      fail(line, `an error instead of a signature: ${error}`)
      return
    }
    run.latencies.push(performance.now() - due)
    if (run.answers.length < CHECKED) run.answers.push(event)
    run.onAnswer()
  }

  const send = (line: Line, run: Run, due: number): boolean => {
    const frame = frames[line.cursor]
    if (frame === undefined) return false
    run.due.set(line.cursor, due)
    line.cursor += 1
    line.socket.send(frame)
    return true
  }

  /** Resolves when nothing is out any more, or patience ran out. */
  const settle = async (run: Run): Promise<void> => {
    const until = performance.now() + PATIENCE_MS
    while (run.due.size > 0 && run.failure === undefined && performance.now() < until) await pause(2)
  }

  const finish = async (
    line: Line,
    run: Run,
    began: number,
    steady: number,
    ended: number,
  ): Promise<RunResult> => {
    await settle(run)
    line.run = undefined
    if (run.failure !== undefined) throw new Error(run.failure)
    for (const event of run.answers) checkAnswer(event)
    return {
      steady,
      seconds: (ended - began) / 1_000,
      answered: run.latencies.length,
      lost: run.due.size,
      latencies: run.latencies,
    }
  }

  /** The carrier verifies and the signed note is the one that was asked for, by the user's key or the signer's own. */
  const checkAnswer = (event: SignedEvent): void => {
    const opened = must(
      open(event, {
        crypto,
        key: (pubkey) => clients.find((client) => client.pubkey === pubkey),
        scheme: () => 'nip44',
        now: nowSeconds(),
      }),
    )
    const { id, result } = JSON.parse(opened.text) as { readonly id: string; readonly result: string }
    const asked = { method: 'sign_event', params: [templateOf(id)] } as const
    const accepted = [user, signer].some(
      (userPubkey) => acceptResult(asked, result, { crypto, userPubkey }).ok,
    )
    if (!accepted) throw new Error(`an answer that no client accepts: ${result.slice(0, 200)}`)
  }

  const begin = (line: Line, onAnswer: () => void): Run => {
    if (line.run !== undefined) throw new Error('this bunker is being measured already')
    if (line.problem !== undefined) throw new Error(line.problem)
    const run: Run = { due: new Map(), latencies: [], answers: [], onAnswer, failure: undefined }
    line.run = run
    return run
  }

  return {
    prepare(count) {
      batch = randomBytes(8).toString('hex')
      const made: string[] = []
      for (let i = 0; i < count; i++) {
        const client = clients[i % clients.length]
        const id = batch + i.toString(16).padStart(16, '0')
        if (client !== undefined) made.push(frameOf(client, id, 'sign_event', [templateOf(id)]))
      }
      frames = made
      for (const line of lines.values()) line.cursor = 0
    },

    async connect(name, relay, tokens) {
      const socket = new WebSocket(relay, { perMessageDeflate: false })
      const line: Line = { socket, cursor: 0, run: undefined, onText: () => undefined, problem: undefined }
      await within(CONNECT_MS, `${name}: its relay does not open`, (done) => socket.once('open', done))
      socket.on('message', (data) => receive(line, String(data)))
      socket.on('close', () => fail(line, 'the relay hung up'))
      socket.on('error', (cause) => fail(line, cause.message))
      const filter = { kinds: [24_133], '#p': clients.map(({ pubkey }) => pubkey) }
      socket.send(JSON.stringify(['REQ', 'bench', filter]))
      for (const [i, client] of clients.entries()) {
        const token = tokens[i] ?? ''
        const id = randomBytes(16).toString('hex')
        const ask = (): void => socket.send(frameOf(client, id, 'connect', [signer, token, 'sign_event:1']))
        // Some bunkers say that they are ready before their subscription is.
        const again = setInterval(ask, CONNECT_AGAIN_MS)
        try {
          await within(CONNECT_MS, `${name}: client ${i} is not let in`, (done) => {
            line.onText = (to, text) => {
              const answer = JSON.parse(text)
              // Bunkers that share one key may have several opinions.
              if (to === i && answer.id === id && [token, 'ack'].includes(answer.result)) done()
            }
            ask()
          })
        } finally {
          clearInterval(again)
        }
      }
      line.onText = (_client, text, event) => takeAnswer(line, text, event)
      lines.set(name, line)
    },

    disconnect(name) {
      const line = lines.get(name)
      lines.delete(name)
      line?.socket.removeAllListeners('close').close()
      return Promise.resolve()
    },

    async runWindow(name, inFlight, ms) {
      const line = lineOf(name)
      let open = true
      let steady = 0
      const least = 1.25 * inFlight
      const began = performance.now()
      return await new Promise<RunResult>((resolve, reject) => {
        const stop = (): void => {
          if (!open) return
          open = false
          clearTimeout(timer)
          finish(line, run, began, steady, performance.now()).then(resolve, reject)
        }
        const run = begin(line, () => {
          steady += open ? 1 : 0
          const late = performance.now() - began >= ms
          if (run.failure !== undefined || (late && steady >= least)) stop()
          else if (open && !send(line, run, performance.now())) stop()
        })
        const timer = setTimeout(stop, Math.max(ms, PATIENCE_MS))
        for (let i = 0; i < inFlight; i++) send(line, run, performance.now())
      })
    },

    async runOpen(name, perSecond, ms) {
      const line = lineOf(name)
      let open = true
      let steady = 0
      const run = begin(line, () => {
        steady += open ? 1 : 0
      })
      const gaps = new Uint32Array(Math.ceil((perSecond * ms) / 1_000) * 2 + 64)
      randomFillSync(gaps)
      const began = performance.now()
      let due = began
      let sent = 0
      while (open && run.failure === undefined) {
        const now = performance.now()
        while (due <= now && due < began + ms) {
          if (!send(line, run, due)) break
          const draw = ((gaps[sent++ % gaps.length] ?? 0) + 1) / 4_294_967_297
          due += (-Math.log(draw) * 1_000) / perSecond
        }
        open = now < began + ms && frames[line.cursor] !== undefined
        if (open) await pause(1)
      }
      return await finish(line, run, began, steady, performance.now())
    },
  }
}

export function templateOf(id: string): string {
  return JSON.stringify({ kind: 1, content: CONTENT, tags: [['id', id]], created_at: 1_767_225_600 })
}

function nowSeconds(): number {
  return Math.floor(Date.now() / 1_000)
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

function within(ms: number, problem: string, start: (done: () => void) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(problem)), ms)
    start(() => {
      clearTimeout(timer)
      resolve()
    })
  })
}
