/**
 * The caller's requests in flight: each promise settles once, with a typed result or a `Nip46Error`.
 * Never believes a result that core's `acceptResult` does not.
 */

import {
  type AbortSignalLike,
  acceptResult,
  type Clock,
  type Crypto,
  err,
  type Failure,
  type Json,
  type Method,
  type MethodResults,
  type Pubkey,
  type RandomBytes,
  type RequestId,
  type Result,
  UsageError,
} from '@nip46/core'
import type { ClientInput } from '@nip46/core/client'
import { type ErrorCode, Nip46Error, resultError } from './error.ts'
import { freshId } from './fresh-id.ts'
import { callHost } from './host.ts'
import { QUEUE_WAIT_MS, QUEUED_REQUESTS, RESERVED_SHARE } from './limits.ts'
import { checkTimeout } from './options.ts'
import { createRequestQueue, type Priority } from './request-queue.ts'
import type { RequestStage } from './session-event.ts'

/** The last argument of every request method. */
export interface CallOptions {
  /** Rejects with `cancelled`. What was sent is not recalled: the remote signer may still do it. */
  readonly signal?: AbortSignalLike
  /** In milliseconds, from now. Default: the session's `timeouts.request`, from the request's turn on. */
  readonly timeout?: number
  /** Default: `low` for decrypts, which so leave room for what a person waits for; `high` for everything else. */
  readonly priority?: Priority
  /** How far this request is. Of decrypts that were merged, only the first one is told. */
  readonly onStage?: (stage: RequestStage) => void
}

export interface CallsPort {
  readonly crypto: Crypto
  readonly random: RandomBytes
  readonly feed: (input: ClientInput) => void
  readonly userPubkey: () => Pubkey | null
  readonly allowCreatedAtChange: boolean
  readonly timeout: number | undefined
  readonly clock: Clock
  /** Requests under way at the same time. */
  readonly concurrency: number
  readonly onStage: (id: RequestId, method: string, stage: RequestStage) => void
}

export interface Calls {
  call<M extends Method>(
    method: M,
    params: readonly string[],
    options?: CallOptions,
  ): Promise<MethodResults[M]>
  /** What became of one request. */
  settle(id: RequestId, outcome: Result<Json, Failure>): void
  /** Tells how far a request is, whoever made it. */
  stage(id: RequestId, method: string, stage: RequestStage): void
}

interface Call {
  readonly id: RequestId
  readonly method: string
  readonly params: readonly string[]
  /** Of the caller's own. */
  readonly timeout: number | undefined
  readonly startedAt: number
  readonly onStage: CallOptions['onStage']
  /** While it waits for its turn. */
  timer: unknown
  settle(outcome: Result<Json, Failure>): ErrorCode | undefined
}

export function createCalls(port: CallsPort): Calls {
  const { clock, concurrency } = port
  const calls = new Map<RequestId, Call>()
  const queue = createRequestQueue<Call>({
    concurrency,
    reserved: Math.floor(concurrency / RESERVED_SHARE),
    max: QUEUED_REQUESTS,
  })

  const start = <M extends Method>(
    method: M,
    params: readonly string[],
    { signal, timeout, priority = 'high', onStage }: CallOptions,
    resolve: (value: MethodResults[M]) => void,
    reject: (error: Nip46Error) => void,
  ): void => {
    checkTimeout(timeout)
    if (!params.every((param) => typeof param === 'string')) {
      throw new UsageError(`the arguments of ${method} are strings`)
    }
    if (priority !== 'high' && priority !== 'low') throw new UsageError('priority is high or low')
    if (signal?.aborted === true) {
      reject(new Nip46Error(CANCELLED))
      return
    }
    const id = freshId(port.random)
    const onAbort = (): void => {
      if (queue.isWaiting(call)) settleCall(call, err(CANCELLED))
      else port.feed({ type: 'cancel', id })
    }
    const settle = (outcome: Result<Json, Failure>): ErrorCode | undefined => {
      signal?.removeEventListener('abort', onAbort)
      if (!outcome.ok) {
        reject(new Nip46Error(outcome.error))
        return outcome.error.code
      }
      const accepted = accept({ method, params }, outcome.value)
      if (accepted.ok) resolve(accepted.value)
      else reject(resultError(method, accepted.error))
      return accepted.ok ? undefined : accepted.error
    }
    const call: Call = {
      id,
      method,
      params,
      timeout,
      startedAt: clock.now(),
      onStage,
      timer: undefined,
      settle,
    }
    if (!queue.add(call, priority)) {
      const message = `more than ${QUEUED_REQUESTS} requests wait for their turn`
      reject(new Nip46Error({ code: 'request/busy', message }))
      return
    }
    calls.set(id, call)
    signal?.addEventListener('abort', onAbort, { once: true })
    tell(call, { stage: 'queued' })
    pump()
    if (queue.isWaiting(call)) {
      call.timer = clock.setTimer(() => settleCall(call, err(NO_TURN)), timeout ?? QUEUE_WAIT_MS)
    }
  }

  const tell = ({ id, method, onStage }: Call, stage: RequestStage): void => {
    port.onStage(id, method, stage)
    if (onStage !== undefined) callHost(() => onStage(stage))
  }

  /** Starts what may start. A session that has ended takes no request, and so settles all that waited. */
  const pump = (): void => {
    for (let call = queue.take(); call !== undefined; call = queue.take()) {
      const { id, method, params, timeout, startedAt } = call
      if (call.timer !== undefined) clock.clearTimer(call.timer)
      const timeoutMs =
        timeout === undefined ? port.timeout : Math.max(1, Math.ceil(timeout - (clock.now() - startedAt)))
      port.feed({ type: 'request', id, method, params, ...(timeoutMs !== undefined && { timeoutMs }) })
    }
  }

  const settleCall = (call: Call, outcome: Result<Json, Failure>): void => {
    if (!calls.delete(call.id)) return
    if (call.timer !== undefined) clock.clearTimer(call.timer)
    queue.end(call)
    const code = call.settle(outcome)
    tell(call, { stage: 'settled', ...(code !== undefined && { code }) })
    pump()
  }

  const accept = <M extends Method>(
    request: { readonly method: M; readonly params: readonly string[] },
    value: Json,
  ): ReturnType<typeof acceptResult<M>> => {
    const { crypto, allowCreatedAtChange } = port
    const userPubkey = port.userPubkey() ?? undefined
    const accepted = callHost(() =>
      acceptResult(request, value, { crypto, userPubkey, allowCreatedAtChange }),
    )
    return accepted ?? err('response/shape')
  }

  return {
    call: (method, params, options = {}) =>
      new Promise((resolve, reject) => start(method, params, options, resolve, reject)),
    settle(id, outcome) {
      const call = calls.get(id)
      if (call !== undefined) settleCall(call, outcome)
    },
    stage(id, method, stage) {
      const call = calls.get(id)
      if (call === undefined) port.onStage(id, method, stage)
      else tell(call, stage)
    },
  }
}

const CANCELLED: Failure = { code: 'cancelled', message: 'cancelled by the caller' }
const NO_TURN: Failure = { code: 'timeout/not-sent', message: 'its turn did not come in time' }
