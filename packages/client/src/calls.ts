/**
 * The caller's requests in flight: each promise settles once, with a typed result or a `Nip46Error`.
 * Never believes a result that core's `acceptResult` does not.
 */

import {
  type AbortSignalLike,
  acceptResult,
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
import { freshId } from './hex.ts'
import { callHost } from './host.ts'
import { checkTimeout } from './options.ts'

/** The last argument of every request method. */
export interface CallOptions {
  /** Rejects with `cancelled`. What was sent is not recalled: the remote signer may still do it. */
  readonly signal?: AbortSignalLike
  /** In milliseconds, from now. Default: the session's `timeouts.request`. */
  readonly timeout?: number
}

export interface CallsPort {
  readonly crypto: Crypto
  readonly random: RandomBytes
  readonly feed: (input: ClientInput) => void
  readonly userPubkey: () => Pubkey | null
  readonly allowCreatedAtChange: boolean
  readonly timeout: number | undefined
  readonly onQueued: (id: RequestId, method: string) => void
  readonly onSettled: (id: RequestId, method: string, code: ErrorCode | undefined) => void
}

export interface Calls {
  call<M extends Method>(
    method: M,
    params: readonly string[],
    options?: CallOptions,
  ): Promise<MethodResults[M]>
  /** What became of one request. */
  settle(id: RequestId, outcome: Result<Json, Failure>): void
}

interface Call {
  readonly method: string
  settle(outcome: Result<Json, Failure>): ErrorCode | undefined
}

export function createCalls(port: CallsPort): Calls {
  /** Never more than the machine's `limits.CLIENT_PENDING`: it settles the rest at once. */
  const calls = new Map<RequestId, Call>()

  const start = <M extends Method>(
    method: M,
    params: readonly string[],
    { signal, timeout = port.timeout }: CallOptions,
    resolve: (value: MethodResults[M]) => void,
    reject: (error: Nip46Error) => void,
  ): void => {
    checkTimeout(timeout)
    if (!params.every((param) => typeof param === 'string')) {
      throw new UsageError(`the arguments of ${method} are strings`)
    }
    if (signal?.aborted === true) {
      reject(new Nip46Error({ code: 'cancelled', message: 'cancelled by the caller' }))
      return
    }
    const id = freshId(port.random)
    const onAbort = (): void => port.feed({ type: 'cancel', id })
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
    calls.set(id, { method, settle })
    signal?.addEventListener('abort', onAbort, { once: true })
    port.onQueued(id, method)
    port.feed({ type: 'request', id, method, params, ...(timeout !== undefined && { timeoutMs: timeout }) })
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
      if (call === undefined) return
      calls.delete(id)
      port.onSettled(id, call.method, call.settle(outcome))
    },
  }
}
