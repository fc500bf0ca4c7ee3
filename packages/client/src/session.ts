/**
 * Runs one client machine as a session: from its start to the object the host holds, and to its end.
 * Never makes a decision of the protocol; those are the machine's.
 */

import { cleanText, type Failure, type KeyHandle, type RequestId, UsageError } from '@nip46/core'
import type { ClientOutput, ClientState } from '@nip46/core/client'
import type { BunkerSession } from './bunker-session.ts'
import { type Calls, createCalls } from './calls.ts'
import type { ClientKey } from './client-key.ts'
import { createDecrypts } from './decrypts.ts'
import { Nip46Error, withoutSecret } from './error.ts'
import { createEventStream, type EventStream } from './event-stream.ts'
import { freshId } from './fresh-id.ts'
import { quiet } from './host.ts'
import { EVENT_READERS, MESSAGE_CHARS } from './limits.ts'
import { createLoop, type Loop } from './loop.ts'
import type { Ports } from './options.ts'
import { createPatience } from './patience.ts'
import { createHealthBook } from './relay-health.ts'
import type { SessionEvent } from './session-event.ts'
import { createSessionObject, known } from './session-object.ts'
import { createSessionKeeper } from './session-store.ts'

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
  const { random, clock, signal } = ports
  const { promise, resolve, reject } = withResolvers<BunkerSession>()
  const ending = withResolvers<void>()
  let login: 'pending' | 'done' | 'failed' = 'pending'
  let ended: 'logged-out' | 'closed' | undefined

  const readers = new Set<EventStream<SessionEvent>>()
  const onEvent = (event: SessionEvent): void => {
    ports.onEvent(event)
    for (const reader of readers) reader.push(event)
  }
  const keeper = createSessionKeeper(ports.store, clock, () =>
    onEvent({ type: 'alert', code: 'store/failed' }),
  )
  const health = createHealthBook(() => clock.now())

  const finish = (): void => {
    login = 'done'
    signal?.removeEventListener('abort', cancel)
    keeper.save(session.save())
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
    decrypts.close()
    patience.close()
    fail({ code: reason, message: 'the session ended before it was ready' })
    onEvent({ type: 'ended', reason })
    for (const reader of readers) reader.end()
    if (reason === 'logged-out') void keeper.clear().then(ending.resolve)
    else ending.resolve()
  }

  const hear = (output: ClientOutput, state: ClientState): void => {
    switch (output.type) {
      case 'send': {
        const method = state.pending[output.id]?.method
        if (output.kind !== 'request' || method === undefined) return
        const { id, relays } = output
        calls.stage(id, method, { stage: 'sent', relays })
        return
      }
      case 'settle':
        patience.end(output.id)
        calls.settle(output.id, output.outcome)
        return
      case 'auth-url': {
        const { id, url, origin } = output
        const method = state.pending[id]?.method ?? ''
        patience.end(id)
        calls.stage(id, method, { stage: 'auth-url' })
        ports.onAuthUrl({ url, origin, requestId: id })
        return
      }
      case 'ready':
        patience.close()
        onEvent(output)
        finish()
        return
      case 'failed':
        fail(output.failure)
        return
      case 'ended':
        end(output.reason)
        return
      case 'unpaired':
        decrypts.close()
        patience.close()
        onEvent(output)
        return
      case 'relays':
        if (login === 'done') keeper.save(session.save())
        onEvent(output)
        return
      default:
        onEvent(output)
    }
  }

  const ids = Array.from({ length: 4 }, () => freshId(random))
  const first = { ...make(ids, clock.now()), allowLoopbackAuth: ports.allowLoopbackAuth }
  if (first.profile.scheme === 'nip04') expectNip04(key.handle)
  const loop: Loop = createLoop(
    first,
    { ...ports, key: key.handle },
    {
      onOutput: hear,
      onAccepted(id, relay, state) {
        const request = state.pending[id]
        health.accepted(relay, Math.max(0, clock.now() - (request?.sentAt ?? clock.now())))
        if (request === undefined) return
        calls.stage(id, request.method, { stage: 'accepted', relay })
        patience.begin(id, request.method)
      },
      onRefused: (relay) => health.refused(relay),
      onDrop: (code) => onEvent({ type: 'ignored', code }),
      onRelay(relay, live, reason) {
        const why = reason === undefined ? {} : { reason: cleanText(reason, MESSAGE_CHARS) }
        health.live(relay, live, why.reason)
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
    clock,
    concurrency: ports.concurrency,
    onStage: (id, method, stage) => onEvent({ type: 'request', id, method, ...stage }),
  })
  const decrypts = createDecrypts(calls.call, ports.plaintextCache)
  const patience = createPatience(clock, (id, method) => {
    if (loop.state().pending[id] !== undefined) calls.stage(id, method, { stage: 'waiting' })
  })
  const read = (): EventStream<SessionEvent> => {
    if (readers.size >= EVENT_READERS) throw new UsageError(`at most ${EVENT_READERS} readers of events`)
    const reader: EventStream<SessionEvent> = createEventStream(() => void readers.delete(reader))
    readers.add(reader)
    if (ended !== undefined) reader.end()
    return reader
  }
  const session = createSessionObject({
    key,
    loop,
    calls,
    decrypts,
    health,
    read,
    ports,
    ended: () => ended,
    ending: ending.promise,
  })

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
