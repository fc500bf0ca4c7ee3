/**
 * The caller's requests: whose turn it is, how far each is, and its end: a typed result or a `Nip46Error`.
 * Never believes a result that core's `acceptResult` does not, and never asks for the same decrypt twice at a time.
 */

import {
  type AbortSignalLike,
  acceptResult,
  err,
  type Failure,
  isMethod,
  type Json,
  type Method,
  type MethodResults,
  type RequestId,
  type Result,
} from '@nip46/core'
import { CANCELLED, Nip46Error } from './error.ts'
import { freshId } from './fresh-id.ts'
import { callHost, quiet } from './host.ts'
import { QUEUE_WAIT_MS, QUEUED_REQUESTS, RESERVED_SHARE, WAITING_AFTER_MS } from './limits.ts'
import type { Loop } from './loop.ts'
import { checkTimeout, misuse, type Ports } from './options.ts'
import type { RequestStage, SessionEvent } from './session-event.ts'
import type { Timers } from './timers.ts'

/** `low` is for work in bulk: it leaves places free for what a person waits for. */
export type Priority = 'high' | 'low'

/** The last argument of every request method. */
export interface CallOptions {
  /** Rejects with `cancelled`. What was sent is not recalled: the remote signer may still do it. */
  readonly signal?: AbortSignalLike
  /** In milliseconds, from now. Default: the session's `timeouts.request`, from the request's turn on. */
  readonly timeout?: number
  /** Default: `low` for decrypts, which so leave room for what a person waits for; `high` for everything else. */
  readonly priority?: Priority
  /** How far this request is. A decrypt that joins one under way is told from there on. */
  readonly onStage?: (stage: RequestStage) => void
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
  stage(id: RequestId, stage: RequestStage): void
}

/** One request, for all who wait for it. */
interface Call {
  readonly id: RequestId
  readonly method: Method
  readonly params: readonly string[]
  readonly priority: Priority
  /** Under this others may join it; its id if none may. */
  readonly key: string
  /** By the caller's own time-out. */
  readonly endsAt: number | undefined
  readonly waiters: Set<Waiter>
}

interface Waiter {
  readonly onStage: CallOptions['onStage']
  settle(answer: Result<MethodResults[Method], Nip46Error>): void
}

/** No person decides on these. */
const UNASKED = /^(?:ping|switch_relays|describe|logout|disconnect)$/

export function createCalls(
  ports: Ports,
  { feed, state }: Pick<Loop, 'feed' | 'state'>,
  timers: Timers,
  onEvent: (event: SessionEvent) => void,
): Calls {
  const { crypto, random, clock, concurrency, plaintextCache, allowCreatedAtChange } = ports
  /** Places that low priority may take. */
  const lowMax = concurrency - Math.floor(concurrency / RESERVED_SHARE)
  /** By id, and by key. */
  const calls = new Map<string, Call>()
  const waiting = { high: new Set<Call>(), low: new Set<Call>() }
  const running = { high: 0, low: 0 }

  const tell = (
    id: RequestId,
    { method, waiters }: { readonly method: string; readonly waiters?: Call['waiters'] },
    stage: RequestStage,
  ): void => {
    onEvent({ type: 'request', id, method, ...stage })
    for (const { onStage } of waiters ?? []) callHost(() => onStage?.(stage))
  }

  /** Starts what may start, in order, `high` first. A session that has ended takes no request, and so settles all that waited. */
  const pump = (): void => {
    while (running.high + running.low < concurrency) {
      const [call] = waiting.high.size > 0 || running.low >= lowMax ? waiting.high : waiting.low
      if (call === undefined) return
      const { id, priority, endsAt } = call
      waiting[priority].delete(call)
      running[priority] += 1
      timers.clear(id)
      const timeoutMs = endsAt === undefined ? ports.timeouts.request : Math.max(1, endsAt - clock.now())
      feed({ type: 'request', ...call, timeoutMs })
    }
  }

  const judge = ({ method, params }: Call, value: Json): Result<MethodResults[Method], Nip46Error> => {
    const context = { crypto, userPubkey: state().userPubkey ?? undefined, allowCreatedAtChange }
    const accepted = callHost(() => acceptResult({ method, params }, value, context)) ?? err('response/shape')
    if (accepted.ok) return accepted
    const { error: code } = accepted
    return err(new Nip46Error({ code, message: `the answer to ${method} is not believed: ${code}` }))
  }

  const settle = (id: RequestId, outcome: Result<Json, Failure>): void => {
    const call = calls.get(id)
    if (call === undefined) return
    const { key, priority, waiters } = call
    calls.delete(id)
    calls.delete(key)
    timers.clear(id)
    if (!waiting[priority].delete(call)) running[priority] -= 1
    const answer = outcome.ok ? judge(call, outcome.value) : err(new Nip46Error(outcome.error))
    if (answer.ok && key !== id) callHost(() => plaintextCache?.set(key, answer.value as string))
    for (const waiter of waiters) waiter.settle(answer)
    tell(id, call, { stage: 'settled', ...(!answer.ok && { code: answer.error.code }) })
    pump()
  }

  const begin = (
    method: Method,
    params: readonly string[],
    options: CallOptions,
    resolve: (value: MethodResults[Method]) => void,
    reject: (error: Nip46Error) => void,
  ): void => {
    const isDecrypt = method.endsWith('_decrypt')
    const { signal, timeout, priority = isDecrypt ? 'low' : 'high', onStage } = options
    checkTimeout(timeout)
    if (!isMethod(method) || params.some((param) => typeof param !== 'string'))
      misuse(`${method} is no method of NIP-46, or its arguments are no strings`)
    if (waiting[priority] === undefined) misuse('priority is high or low')
    if (signal?.aborted === true) throw new Nip46Error(CANCELLED)

    const fresh = freshId(random)
    // Bytes that come again would be nonces, too: nothing goes out.
    if (calls.has(fresh) || state().settled.includes(fresh)) misuse('random returns the same bytes again')
    // A time-out of one's own is one's own request.
    const key = isDecrypt && timeout === undefined ? [state().userPubkey, method, ...params].join(' ') : fresh
    const known = callHost(() => plaintextCache?.get(key))
    if (known !== undefined) return resolve(known)

    const endsAt = timeout && clock.now() + timeout
    const call = calls.get(key) ?? { id: fresh, method, params, priority, key, endsAt, waiters: new Set() }
    const { id, waiters } = call
    if (id === fresh && waiting.high.size + waiting.low.size >= QUEUED_REQUESTS) {
      throw new Nip46Error({ code: 'request/busy', message: 'too many requests wait for their turn' })
    }
    const leave = (): void => {
      if (waiters.size > 1) {
        waiters.delete(waiter)
        return waiter.settle(err(new Nip46Error(CANCELLED)))
      }
      feed({ type: 'cancel', id })
      settle(id, err(CANCELLED))
    }
    const waiter: Waiter = {
      onStage,
      settle(answer) {
        signal?.removeEventListener('abort', leave)
        if (answer.ok) resolve(answer.value)
        else reject(answer.error)
      },
    }
    waiters.add(waiter)
    signal?.addEventListener('abort', leave)
    if (id !== fresh) return

    calls.set(id, call).set(key, call)
    waiting[priority].add(call)
    timers.set(id, timeout ?? QUEUE_WAIT_MS, () => settle(id, err(NO_TURN)))
    tell(id, call, { stage: 'queued' })
    pump()
  }

  const stage = (id: RequestId, reached: RequestStage): void => {
    const request = calls.get(id) ?? state().pending[id]
    if (request === undefined) return
    tell(id, request, reached)
    timers.clear(id)
    if (reached.stage === 'accepted' && !UNASKED.test(request.method)) {
      timers.set(id, WAITING_AFTER_MS, () => stage(id, { stage: 'waiting' }))
    }
  }

  return {
    call: <M extends Method>(method: M, params: readonly string[], options: CallOptions = {}) =>
      quiet(
        () =>
          new Promise<MethodResults[M]>((resolve, reject) =>
            begin(method, params, options, resolve as (value: MethodResults[Method]) => void, reject),
          ),
      ),
    settle,
    stage,
  }
}

const NO_TURN: Failure = { code: 'timeout/not-sent', message: 'its turn did not come in time' }
