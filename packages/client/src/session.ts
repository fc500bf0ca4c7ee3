/**
 * Runs one client machine as a session: from its start to the object the host holds, and to its end.
 * Never makes a decision of the protocol; those are the machine's.
 */

import { cleanText, type Failure, type RequestId } from '@nip46/core'
import type { ClientOutput, ClientState } from '@nip46/core/client'
import type { BunkerSession } from './bunker-session.ts'
import { type Calls, createCalls } from './calls.ts'
import type { ClientKey } from './client-key.ts'
import { Nip46Error, withoutSecret } from './error.ts'
import { freshId } from './hex.ts'
import { quiet } from './host.ts'
import { MESSAGE_CHARS } from './limits.ts'
import { createLoop, type Loop } from './loop.ts'
import type { Ports } from './options.ts'
import { createSessionObject, known } from './session-object.ts'

export interface Start {
  readonly key: ClientKey
  /** The machine's first state, from at least four fresh ids. */
  readonly make: (ids: readonly RequestId[], now: number) => ClientState
  /** The token's secret, to keep it out of messages. */
  readonly secret: string | null
}

export interface Starting {
  readonly session: Promise<BunkerSession>
  /** Ends the login with `cancelled`; without effect once the session is there. */
  cancel(): void
}

/** Runs the machine until it is ready (then the promise resolves) or has failed (then it rejects), and on to its end. */
export function startSession({ key, make, secret }: Start, ports: Ports): Starting {
  const { random, clock, signal, onEvent } = ports
  const { promise, resolve, reject } = withResolvers<BunkerSession>()
  const ending = withResolvers<void>()
  let login: 'pending' | 'done' | 'failed' = 'pending'
  let ended: 'logged-out' | 'closed' | undefined

  const finish = (): void => {
    login = 'done'
    signal?.removeEventListener('abort', cancel)
    resolve(session)
  }
  const fail = (failure: Failure): void => {
    if (login !== 'pending') return
    login = 'failed'
    signal?.removeEventListener('abort', cancel)
    reject(new Nip46Error(withoutSecret(failure, secret)))
  }
  const cancel = (): void => {
    if (login !== 'pending') return
    fail({ code: 'cancelled', message: 'the login was cancelled' })
    loop.feed({ type: 'close' })
  }
  const end = (reason: 'logged-out' | 'closed'): void => {
    ended = reason
    key.destroy()
    fail({ code: reason, message: 'the session ended before it was ready' })
    onEvent({ type: 'ended', reason })
    ending.resolve()
  }

  const hear = (output: ClientOutput, state: ClientState): void => {
    switch (output.type) {
      case 'send': {
        const method = state.pending[output.id]?.method
        if (output.kind !== 'request' || method === undefined) return
        const { id, relays } = output
        onEvent({ type: 'request', id, method, stage: 'sent', relays })
        return
      }
      case 'settle':
        calls.settle(output.id, output.outcome)
        return
      case 'auth-url': {
        const { id, url, origin } = output
        const method = state.pending[id]?.method ?? ''
        onEvent({ type: 'request', id, method, stage: 'auth-url' })
        ports.onAuthUrl({ url, origin, requestId: id })
        return
      }
      case 'ready':
        onEvent(output)
        finish()
        return
      case 'failed':
        fail(output.failure)
        return
      case 'ended':
        end(output.reason)
        return
      default:
        onEvent(output)
    }
  }

  const ids = Array.from({ length: 4 }, () => freshId(random))
  const loop: Loop = createLoop(
    make(ids, clock.now()),
    { ...ports, key: key.handle },
    {
      onOutput: hear,
      onAccepted(id, relay, state) {
        const method = state.pending[id]?.method
        if (method !== undefined) onEvent({ type: 'request', id, method, stage: 'accepted', relay })
      },
      onDrop: (code) => onEvent({ type: 'ignored', code }),
      onRelay(relay, live, reason) {
        const why = reason === undefined ? {} : { reason: cleanText(reason, MESSAGE_CHARS) }
        onEvent({ type: 'relay', relay, live, ...why })
      },
    },
  )
  const calls: Calls = createCalls({
    crypto: ports.crypto,
    random,
    feed: loop.feed,
    userPubkey: () => loop.state().userPubkey,
    allowCreatedAtChange: ports.allowCreatedAtChange,
    timeout: ports.timeouts.request,
    onQueued: (id, method) => onEvent({ type: 'request', id, method, stage: 'queued' }),
    onSettled: (id, method, code) =>
      onEvent({ type: 'request', id, method, stage: 'settled', ...(code !== undefined && { code }) }),
  })
  const session = createSessionObject({ key, loop, calls, ports, ended: () => ended, ending: ending.promise })

  if (signal?.aborted === true) {
    cancel()
  } else {
    signal?.addEventListener('abort', cancel, { once: true })
    loop.feed({ type: 'wake' })
    const { phase, userPubkey } = loop.state()
    // A saved session has nothing to wait for.
    if (phase === 'ready' && login === 'pending') {
      onEvent({ type: 'ready', userPubkey: known(userPubkey) })
      finish()
    }
  }
  return { session: quiet(promise), cancel }
}

function withResolvers<T>(): {
  readonly promise: Promise<T>
  readonly resolve: (value: T | PromiseLike<T>) => void
  readonly reject: (error: Nip46Error) => void
} {
  let resolve: (value: T | PromiseLike<T>) => void = () => undefined
  let reject: (error: Nip46Error) => void = () => undefined
  const promise = new Promise<T>((onResolve, onReject) => {
    resolve = onResolve
    reject = onReject
  })
  return { promise, resolve, reject }
}
