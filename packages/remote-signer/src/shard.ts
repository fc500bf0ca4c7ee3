/**
 * One worker as the main thread sees it: started, called, started again after it died, ended.
 * Never holds a key, and never repeats a call: what a worker was doing when it died is not known to be done.
 */

import type { Clock, Millis, Transport } from '@nip46/core'
import { closedError, RemoteSignerError } from './error.ts'
import { deferBy } from './host.ts'
import {
  SHARD_CALL_MS,
  SHARD_CALLS,
  SHARD_CLOSE_MS,
  SHARD_PAUSES_MS,
  SHARD_STABLE_MS,
  SHARD_START_MS,
} from './limits.ts'
import type { ShardGate } from './shard-gate.ts'
import {
  createPoster,
  type FromShard,
  readError,
  type ShardCalls,
  type ShardMethod,
  type ShardPort,
  type ToShard,
} from './shard-message.ts'
import { createShardRelay, type ShardRelay } from './shard-relay.ts'

/** A `Worker` of node:worker_threads, or what behaves like one. */
export interface ShardWorker extends ShardPort {
  on(event: 'message', listener: (value: unknown) => void): unknown
  on(event: 'error', listener: (cause: unknown) => void): unknown
  on(event: 'exit', listener: (exitCode: number) => void): unknown
  terminate(): Promise<unknown>
}

export type ShardState = 'starting' | 'running' | 'down' | 'closed'

export type ShardEvent =
  | { readonly type: 'shard-started'; readonly shard: number }
  /** It is started again after `restartInMs`. */
  | {
      readonly type: 'shard-died'
      readonly shard: number
      readonly cause: unknown
      readonly restartInMs: Millis
    }

export interface Shard {
  /** Resolves once its signer started; rejects, and is down for good, if it cannot. */
  start(): Promise<void>
  call<M extends ShardMethod>(
    method: M,
    ...args: Parameters<ShardCalls[M]>
  ): Promise<ReturnType<ShardCalls[M]>>
  ownsAny(keys: ReadonlySet<string>): boolean
  close(): Promise<void>
  readonly state: ShardState
  readonly restarts: number
  readonly dropped: number
  /** Events that the worker has not taken, and calls that it has not answered. */
  readonly waiting: { readonly events: number; readonly calls: number }
}

export interface ShardHost {
  readonly shard: number
  readonly createWorker: (shard: number) => ShardWorker
  readonly transport: Transport
  readonly clock: Clock
  /** One for all shards. */
  readonly gate: ShardGate
  readonly tell: (event: ShardEvent) => void
  readonly isElsewhere: (keys: ReadonlySet<string>) => boolean
}

/** One worker from its start to its end. */
interface Life {
  readonly worker: ShardWorker
  readonly send: (message: ToShard) => void
  readonly relay: ShardRelay
  readonly calls: Map<number, Call>
  readonly startedAt: Millis
  timer: unknown
  isOver: boolean
  onStopped: () => void
}

interface Call {
  readonly resolve: (value: unknown) => void
  readonly reject: (cause: unknown) => void
  readonly timer: unknown
}

export function createShard(host: ShardHost): Shard {
  const { shard, clock } = host
  let state: ShardState = 'down'
  let life: Life | undefined
  let serial = 0
  let failures = 0
  let restarts = 0
  let dropped = 0
  let restartTimer: unknown
  let starting: { readonly resolve: () => void; readonly reject: (cause: unknown) => void } | undefined

  const spawn = (): void => {
    state = 'starting'
    let worker: ShardWorker
    try {
      worker = host.createWorker(shard)
    } catch (cause) {
      recover(cause, 0)
      return
    }
    const send = createPoster<ToShard>(worker, deferBy(clock))
    const onDrop = (): void => {
      dropped += 1
    }
    const relay = createShardRelay({
      transport: host.transport,
      clock,
      send,
      gate: host.gate,
      isElsewhere: host.isElsewhere,
      onDrop,
    })
    const born: Life = {
      worker,
      send,
      relay,
      calls: new Map(),
      startedAt: clock.now(),
      timer: undefined,
      isOver: false,
      onStopped: () => undefined,
    }
    born.timer = clock.setTimer(
      () => die(born, new Error('the worker did not start in time')),
      SHARD_START_MS,
    )
    life = born
    worker.on('message', (messages) => {
      if (born.isOver) return
      for (const message of messages as readonly FromShard[]) take(born, message)
    })
    worker.on('error', (cause) => die(born, cause))
    worker.on('exit', (exitCode) => die(born, new Error(`the worker ended with exit code ${exitCode}`)))
  }

  const take = (from: Life, message: FromShard): void => {
    switch (message.type) {
      case 'started':
        clock.clearTimer(from.timer)
        if (state === 'starting') state = 'running'
        host.tell({ type: 'shard-started', shard })
        starting?.resolve()
        starting = undefined
        return
      case 'failed':
        die(from, readError(message.error))
        return
      case 'stopped':
        from.onStopped()
        return
      case 'answer': {
        const call = from.calls.get(message.id)
        from.calls.delete(message.id)
        clock.clearTimer(call?.timer)
        if (message.outcome.ok) call?.resolve(message.outcome.value)
        else call?.reject(readError(message.outcome.error))
        return
      }
      default:
        from.relay.take(message)
    }
  }

  /** Ends everything of a worker that is gone, or has to go. */
  const bury = (dead: Life, error: Error): void => {
    dead.isOver = true
    clock.clearTimer(dead.timer)
    dead.relay.close()
    for (const { reject, timer } of dead.calls.values()) {
      clock.clearTimer(timer)
      reject(error)
    }
    dead.calls.clear()
    dead.onStopped()
    dead.worker.terminate().then(
      () => undefined,
      () => undefined,
    )
  }

  const die = (dead: Life, cause: unknown): void => {
    if (dead.isOver) return
    bury(dead, downError(shard))
    if (life === dead) life = undefined
    if (state !== 'closed') recover(cause, clock.now() - dead.startedAt)
  }

  const recover = (cause: unknown, livedMs: Millis): void => {
    state = 'down'
    if (starting !== undefined) {
      // The host called start() and is told: it is not tried again behind its back.
      starting.reject(cause)
      starting = undefined
      return
    }
    if (livedMs >= SHARD_STABLE_MS) failures = 0
    const pause = SHARD_PAUSES_MS[Math.min(failures, SHARD_PAUSES_MS.length - 1)] ?? 0
    failures += 1
    restartTimer = clock.setTimer(() => {
      restarts += 1
      spawn()
    }, pause)
    host.tell({ type: 'shard-died', shard, cause, restartInMs: pause })
  }

  return {
    start: () =>
      new Promise((resolve, reject) => {
        starting = { resolve, reject }
        spawn()
      }),
    call(method, ...args) {
      const current = life
      if (current === undefined || state !== 'running')
        return Promise.reject(state === 'closed' ? closedError() : downError(shard))
      const { calls, send } = current
      if (calls.size >= SHARD_CALLS)
        return Promise.reject(
          new RemoteSignerError('shard/busy', `shard ${shard} has ${SHARD_CALLS} calls to answer`),
        )
      const id = serial++
      return new Promise((resolve, reject) => {
        const timer = clock.setTimer(() => {
          calls.delete(id)
          reject(new RemoteSignerError('shard/timeout', `shard ${shard} did not answer in time`))
        }, SHARD_CALL_MS)
        // The worker's half answers each method with what ShardCalls says.
        calls.set(id, { resolve: resolve as (value: unknown) => void, reject, timer })
        send({ type: 'call', id, method, args })
      })
    },
    ownsAny: (keys) => life?.relay.ownsAny(keys) === true,
    async close() {
      state = 'closed'
      clock.clearTimer(restartTimer)
      starting?.reject(closedError())
      starting = undefined
      const current = life
      if (current === undefined) return
      await new Promise<void>((resolve) => {
        const timer = clock.setTimer(resolve, SHARD_CLOSE_MS)
        current.onStopped = () => {
          clock.clearTimer(timer)
          resolve()
        }
        current.send({ type: 'stop' })
      })
      if (!current.isOver) bury(current, closedError())
      life = undefined
    },
    get state() {
      return state
    },
    get restarts() {
      return restarts
    },
    get dropped() {
      return dropped
    },
    get waiting() {
      return { events: life?.relay.waiting ?? 0, calls: life?.calls.size ?? 0 }
    },
  }
}

function downError(shard: number): RemoteSignerError {
  return new RemoteSignerError('shard/down', `shard ${shard} is being started again: try later`)
}
