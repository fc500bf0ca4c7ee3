/**
 * Runs one client machine as a session: from its start to the object the host holds, and to its end.
 * Never makes a decision of the protocol; those are the machine's.
 */

import type { Failure, KeyHandle, RequestId } from '@nip46/core'
import type { ClientOutput, ClientState } from '@nip46/core/client'
import type { BunkerSession } from './bunker-session.ts'
import { createCalls, LOGIN_TIMER } from './calls.ts'
import type { ClientKey } from './client-key.ts'
import { Nip46Error, withoutSecret } from './error.ts'
import { createEventStream, type EventStream } from './event-stream.ts'
import { freshIds } from './fresh-id.ts'
import { callHost, quiet } from './host.ts'
import { EVENT_READERS } from './limits.ts'
import { createLoop, type Loop } from './loop.ts'
import { misuse, type Ports } from './options.ts'
import type { SessionEvent } from './session-event.ts'
import { createSessionObject } from './session-object.ts'
import { createSessionKeeper } from './session-store.ts'
import { createTimers } from './timers.ts'

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
  const { random, clock, signal, store, plaintextCache } = ports
  const login = withResolvers<BunkerSession>()
  const ending = withResolvers<void>()
  const timers = createTimers(clock)
  const readers = new Set<EventStream<SessionEvent>>()
  const keeper = createSessionKeeper(store, timers, () => onEvent({ type: 'alert', code: 'store/failed' }))
  let pending = true
  let ended: 'logged-out' | 'closed' | undefined

  const onEvent = (event: SessionEvent): void => {
    callHost(() => ports.onEvent?.(event))
    for (const reader of readers) reader.push(event)
  }
  /** The first outcome counts. */
  const settle = (failure?: Failure): void => {
    pending = false
    signal?.removeEventListener('abort', cancel)
    if (failure === undefined) login.resolve(session)
    else login.reject(new Nip46Error(withoutSecret(failure, secret)))
  }
  const cancel = (): void => {
    if (!pending) return
    settle({ code: 'cancelled', message: 'the login was cancelled' })
    loop.feed({ type: 'close' })
  }
  const end = (output: Extract<ClientOutput, { type: 'ended' }>): void => {
    ended = output.reason
    key.destroy()
    timers.clearAll()
    plaintextCache?.close()
    settle({ code: ended, message: 'the session ended before it was ready' })
    onEvent(output)
    for (const reader of readers) reader.end()
    ending.resolve(ended === 'logged-out' ? keeper.clear() : undefined)
  }

  const hear = (output: ClientOutput): void => {
    switch (output.type) {
      case 'send':
        if (output.kind === 'request') calls.stage(output.id, { stage: 'sent', relays: output.relays })
        return
      case 'settle':
        return calls.settle(output.id, output.outcome)
      case 'auth-url': {
        const { id, url, origin } = output
        calls.stage(id, { stage: 'auth-url' })
        callHost(() => ports.onAuthUrl?.({ url, origin, requestId: id }))
        return
      }
      case 'failed':
        return settle(output.failure)
      case 'ended':
        return end(output)
      case 'unpaired':
        plaintextCache?.close()
        break
      case 'ready':
        timers.clear(LOGIN_TIMER)
        keeper.save(session.save())
        settle()
        break
      case 'relays':
        if (loop.state().phase === 'ready') keeper.save(session.save())
    }
    onEvent(output)
  }

  const first = make(freshIds(random, 4), clock.now())
  if (first.profile.scheme === 'nip04') expectNip04(key.handle)
  const start = { ...first, allowLoopbackAuth: ports.allowLoopbackAuthUrl ?? false }
  const loop: Loop = createLoop(start, key.handle, ports, timers, {
    onOutput: hear,
    onStage: (id, stage) => calls.stage(id, stage),
    onEvent,
  })
  const calls = createCalls(ports, loop, timers, onEvent)
  const session = createSessionObject({
    key,
    loop,
    calls,
    ports,
    ended: () => ended,
    ending: ending.promise,
    read() {
      if (readers.size >= EVENT_READERS) misuse(`at most ${EVENT_READERS} readers of events`)
      const reader: EventStream<SessionEvent> = createEventStream(() => void readers.delete(reader))
      readers.add(reader)
      if (ended !== undefined) reader.end()
      return reader
    },
  })

  if (signal?.aborted === true) {
    cancel()
  } else {
    signal?.addEventListener('abort', cancel)
    // A saved session has nothing to wait for.
    if (first.phase === 'ready') hear({ type: 'ready', userPubkey: session.userPubkey })
    loop.feed({ type: 'wake' })
  }
  return { session: quiet(login.promise), cancel }
}

/** Throws the crypto's own `UsageError` if it was left out there: better now than with the first message. */
function expectNip04(key: KeyHandle): void {
  const own = key.conversation(key.pubkey)
  if (own.ok) own.value.nip04Encrypt('', new Uint8Array(16))
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
