/**
 * The signing worker as seen from the main thread: starts it, hands it batches, ends it when it is silent, starts another.
 * Never passes on what a dying worker said, and never leaves a caller without an answer.
 */

import { Worker } from 'node:worker_threads'
import { type Clock, err, type Operation, ok, type Pubkey, type Result } from '@nip46/core'
import type { FromWorker, Outcome, ToWorker, WorkerAnswer, WorkerCall } from './key-message.ts'
import {
  OPERATION_BATCH,
  OPERATION_CHARS,
  OPERATIONS,
  WORKER_BATCHES,
  WORKER_DEATHS,
  WORKER_DEATHS_MS,
  WORKER_KDF_MS,
  WORKER_SILENCE_MS,
} from './limits.ts'
import { VaultError } from './vault-error.ts'

export const LOCKED = 'unavailable: the key is locked'
const BUSY = 'unavailable: too many operations are under way'
const LOST = 'unavailable: the signing worker was lost; try again'
const FAILED = 'internal: the key could not be used'

export interface WorkerLink {
  /** Operations that have no answer yet. */
  readonly underWay: number
  /** The crypto backend that the worker took; null until it is ready. */
  readonly backend: string | null
  /** Resolves with an error text in the wire's form if it cannot be done. Never rejects. */
  perform(pubkey: Pubkey, operation: Operation): Promise<Result<string, string>>
  /** Moves the bytes of `call` to the worker. Rejects with `vault/failed` if the worker is lost, or silent for too long. */
  call(call: WorkerCall): Promise<WorkerAnswer>
  /** Ends the worker; what waits is answered. Twice is harmless. */
  close(): Promise<void>
}

export interface WorkerLinkOptions {
  readonly clock: Clock
  /** Every unlocked key is gone. `restarted` is false if there are too many deaths for another worker. */
  readonly onLost: (reason: string, restarted: boolean) => void
  /** For tests: another entry, or one that misbehaves. */
  readonly createWorker?: () => Worker
}

interface Asked {
  readonly pubkey: Pubkey
  readonly text: string
  readonly resolve: (outcome: Result<string, string>) => void
}

interface Batch {
  readonly asked: readonly Asked[]
  readonly timer: unknown
}

interface Call {
  readonly resolve: (answer: WorkerAnswer) => void
  readonly reject: (cause: VaultError) => void
  readonly timer: unknown
}

export function createWorkerLink(options: WorkerLinkOptions): WorkerLink {
  const { clock, onLost, createWorker = startWorker } = options
  let worker: Worker | undefined
  let backend: string | null = null
  let waiting: Asked[] = []
  let pumping = false
  let chars = 0
  let nextId = 0
  const batches = new Map<number, Batch>()
  const calls = new Map<number, Call>()
  let deaths: number[] = []
  let closed: Promise<void> | undefined

  function start(): void {
    const started = createWorker()
    worker = started
    started.on('message', (message: FromWorker) => {
      if (worker === started) take(message)
    })
    // What it says of itself may hold anything: it is read, so that it can go on, and forgotten.
    started.stdout.resume()
    started.stderr.resume()
    started.on('error', () => undefined)
    started.on('exit', () => lose(started, 'it ended'))
  }

  function lose(lost: Worker, reason: string): void {
    if (worker !== lost) return
    worker = undefined
    backend = null
    const now = clock.now()
    deaths = [...deaths.filter((at) => now - at < WORKER_DEATHS_MS), now]
    const restarted = closed === undefined && deaths.length < WORKER_DEATHS
    if (restarted) start()
    settleAll()
    lost.terminate().catch(() => undefined)
    if (closed === undefined) onLost(reason, restarted)
  }

  function settleAll(): void {
    const asked = [...[...batches.values()].flatMap((batch) => batch.asked), ...waiting]
    for (const { timer } of batches.values()) clock.clearTimer(timer)
    batches.clear()
    waiting = []
    chars = 0
    for (const { resolve } of asked) resolve(err(LOST))
    const owed = [...calls.values()]
    calls.clear()
    for (const { timer, reject } of owed) {
      clock.clearTimer(timer)
      reject(new VaultError('vault/failed', 'the signing worker was lost: try again'))
    }
  }

  /** Runs unless the answer came before. */
  function expectAnswer(ms: number): unknown {
    const expected = worker
    return clock.setTimer(() => {
      if (expected !== undefined) lose(expected, 'it did not answer')
    }, ms)
  }

  function take(message: FromWorker): void {
    switch (message.type) {
      case 'ready':
        backend = message.backend
        return
      case 'results': {
        const batch = batches.get(message.first)
        if (batch === undefined) return
        batches.delete(message.first)
        clock.clearTimer(batch.timer)
        pump()
        batch.asked.forEach(({ text, resolve }, i) => {
          chars -= text.length
          resolve(outcomeOf(message.outcomes[i], message.texts[i]))
        })
        return
      }
      case 'answer': {
        const call = calls.get(message.id)
        if (call === undefined) return
        calls.delete(message.id)
        clock.clearTimer(call.timer)
        call.resolve(message.answer)
      }
    }
  }

  /** While the worker has batches to do, what comes in meanwhile makes the next ones larger. */
  function pump(): void {
    pumping = false
    while (worker !== undefined && waiting.length > 0 && batches.size < WORKER_BATCHES) {
      const asked = waiting.slice(0, OPERATION_BATCH)
      waiting = waiting.slice(OPERATION_BATCH)
      const first = nextId
      nextId += asked.length
      batches.set(first, { asked, timer: expectAnswer(WORKER_SILENCE_MS) })
      const message: ToWorker = {
        type: 'operations',
        first,
        keys: asked.map(({ pubkey }) => pubkey),
        operations: asked.map(({ text }) => text),
      }
      worker.postMessage(message)
    }
  }

  const underWay = (): number =>
    [...batches.values()].reduce((sum, { asked }) => sum + asked.length, waiting.length)

  start()
  return {
    get underWay() {
      return underWay()
    },
    get backend() {
      return backend
    },
    perform(pubkey, operation) {
      if (worker === undefined) return Promise.resolve(err(LOST))
      const text = JSON.stringify(operation)
      if (underWay() >= OPERATIONS || chars + text.length > OPERATION_CHARS) return Promise.resolve(err(BUSY))
      chars += text.length
      return new Promise((resolve) => {
        waiting.push({ pubkey, text, resolve })
        if (pumping) return
        pumping = true
        queueMicrotask(pump)
      })
    },
    call(call) {
      if (worker === undefined)
        return Promise.reject(new VaultError('vault/failed', 'the signing worker does not run: start again'))
      const id = nextId++
      const ms = call.type === 'lock' ? WORKER_SILENCE_MS : WORKER_KDF_MS
      return new Promise((resolve, reject) => {
        calls.set(id, { resolve, reject, timer: expectAnswer(ms) })
        const message: ToWorker = { type: 'call', id, call }
        worker?.postMessage(message, movedOf(call))
      })
    },
    close() {
      closed ??= (async () => {
        const last = worker
        worker = undefined
        settleAll()
        await last?.terminate()
      })()
      return closed
    },
  }
}

function outcomeOf(outcome: Outcome | undefined, text: string | undefined): Result<string, string> {
  switch (outcome) {
    case 'done':
      return ok(text ?? '')
    case 'refused':
      return err(text ?? FAILED)
    case 'locked':
      return err(LOCKED)
    default:
      return err(FAILED)
  }
}

/** The buffers that go along: they are empty here afterwards. */
function movedOf(call: WorkerCall): ArrayBuffer[] {
  return (Object.values(call) as readonly unknown[]).flatMap((value) =>
    value instanceof Uint8Array && value.buffer instanceof ArrayBuffer ? [value.buffer] : [],
  )
}

/** From sources under the condition that finds the sources of the packages, from `dist` as it is. Without an environment. */
function startWorker(): Worker {
  const fromSource = import.meta.url.endsWith('.ts')
  return new Worker(new URL(`./signing-worker.${fromSource ? 'ts' : 'js'}`, import.meta.url), {
    name: 'nip46-signing',
    argv: [],
    env: {},
    execArgv: fromSource ? ['--conditions=@nip46/source'] : [],
    stdin: false,
    stdout: true,
    stderr: true,
  })
}
