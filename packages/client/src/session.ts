/**
 * Runs one client machine as a session: from its start to the object the host holds, and to its end.
 * Never makes a decision of the protocol; those are the machine's.
 */

import { type Failure, type Millis, seal } from '@nip46/core'
import type { ClientFacts, ClientState } from '@nip46/core/client'
import type { BunkerSession } from './bunker-session.ts'
import { createCalls } from './calls.ts'
import type { ClientKey } from './client-key.ts'
import { CANCELLED, Nip46Error, withoutSecret } from './error.ts'
import { freshId } from './fresh-id.ts'
import { callHost, quiet } from './host.ts'
import { EVENT_LISTENERS, STORE_MS } from './limits.ts'
import { createLoop, type Loop, type LoopNews } from './loop.ts'
import { misuse, type Ports } from './options.ts'
import { readSaved } from './saved-session.ts'
import type { SessionEvent } from './session-event.ts'
import { createSessionObject } from './session-object.ts'
import { createTimers } from './timers.ts'

/** What a machine is told of this connection: its key, and what to name its requests after. */
export type StartFacts = Pick<ClientFacts, 'clientPubkey' | 'seed'>

export interface Starting {
  readonly session: Promise<BunkerSession>
  /** Ends the login with `cancelled`; without effect once the session is there. */
  cancel(): void
}

/**
 * Runs the machine until it is ready (then the promise resolves) or has failed (then it rejects), and on to its end.
 * `secret` is the token's, to keep it out of messages. Throws what `make` throws, and destroys the key then.
 */
export function startSession(
  ports: Ports,
  key: ClientKey,
  secret: string | null,
  make: (facts: StartFacts, now: Millis) => ClientState,
): Starting {
  const { clock, signal, store, plaintextCache } = ports
  const first = beginWith(ports, key, make)
  const timers = createTimers(clock)
  const listeners = new Set([ports.onEvent])
  let stored: Promise<unknown> = Promise.resolve()
  let pending = true

  const onEvent = (event: SessionEvent): void => {
    for (const listener of listeners) callHost(() => listener?.(event))
  }

  /** The first outcome counts. */
  let settle!: (failure?: Failure) => void
  const login = new Promise<BunkerSession>((resolve, reject) => {
    settle = (failure) => {
      pending = false
      signal?.removeEventListener('abort', cancel)
      if (failure === undefined) resolve(session)
      else reject(new Nip46Error(withoutSecret(failure, secret)))
    }
  })
  const cancel = (): void => {
    if (!pending) return
    settle(CANCELLED)
    loop.feed({ type: 'close' })
  }

  /** One after the other, so that the last word wins. Nothing waits for it but {@link BunkerSession.logout}. */
  const write = (run: () => unknown): void => {
    stored = stored.then(run).catch(() => onEvent({ type: 'alert', code: 'store/failed' }))
  }
  const keep = (): void => {
    if (loop.state().phase !== 'ready') return
    const saved = session.save()
    write(() => store?.save(saved))
  }
  let finish!: () => void
  const ending = new Promise<void>((resolve) => {
    finish = () => {
      timers.clearAll()
      resolve()
    }
  })
  const end = (failure: Failure): void => {
    const reason = failure.code === 'logged-out' ? failure.code : 'closed'
    key.destroy()
    timers.clearAll()
    callHost(() => plaintextCache?.clear())
    settle(failure)
    onEvent({ type: 'ended', reason })
    if (reason === 'closed') return finish()
    write(() => store?.clear())
    timers.set('store', STORE_MS, finish)
    void stored.then(finish)
  }

  const hear = (output: LoopNews): void => {
    switch (output.type) {
      case 'settle':
        return calls.settle(output.id, output.outcome)
      case 'auth-url': {
        const { id: requestId, url, origin } = output
        calls.stage(requestId, { stage: 'auth-url' })
        callHost(() => ports.onAuthUrl?.({ url, origin, requestId }))
        return
      }
      case 'ended':
        return end(output.failure)
      case 'unpaired':
        callHost(() => plaintextCache?.clear())
        break
      case 'ready':
        keep()
        settle()
        break
      case 'relays':
        keep()
    }
    onEvent(output)
  }

  const start = { ...first, allowLoopbackAuth: ports.allowLoopbackAuthUrl ?? false }
  const loop: Loop = createLoop(start, key.handle, ports, timers, {
    onNews: hear,
    onStage: (...news) => calls.stage(...news),
  })
  const calls = createCalls(ports, loop, timers, onEvent)
  const session = createSessionObject(calls.call, loop, clock, {
    clientPubkey: key.handle.pubkey,
    listen(listener) {
      if (listeners.size > EVENT_LISTENERS) misuse(`at most ${EVENT_LISTENERS} listen to a session`)
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    save() {
      const state = loop.state()
      if (state.end !== null && state.phase !== 'unpaired') throw new Nip46Error(state.end)
      return readSaved({ v: 1, clientSecretKey: key.exportHex(), session: state })
    },
    logout() {
      loop.feed({ type: 'logout' })
      return ending
    },
    close: () => loop.feed({ type: 'close' }),
  })

  if (signal?.aborted === true) {
    cancel()
  } else {
    signal?.addEventListener('abort', cancel)
    // A saved session has nothing to wait for.
    if (first.phase === 'ready') hear({ type: 'ready', userPubkey: session.userPubkey })
    loop.feed({ type: 'wake' })
  }
  return { session: quiet(() => login), cancel }
}

/** Nobody else holds the key yet: it is not left behind by what throws. */
function beginWith(
  ports: Ports,
  { handle: key, destroy }: ClientKey,
  make: Parameters<typeof startSession>[3],
): ClientState {
  try {
    const { pubkey } = key
    const state = make({ clientPubkey: pubkey, seed: freshId(ports.random) }, ports.clock.now())
    const { scheme } = state.profile
    // Throws the crypto's own `UsageError` if NIP-04 was left out there: better now than with the first message.
    if (scheme === 'nip04') seal({ text: '', to: pubkey, key, scheme, createdAt: 0 }, ports)
    return state
  } catch (error) {
    destroy()
    throw error
  }
}
