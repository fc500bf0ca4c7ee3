/**
 * The transport of a worker: what its engine publishes and listens for goes to the main thread, which has the relays.
 * Never opens a connection, and never lets more than a bound wait for the main thread.
 */

import {
  type Authenticate,
  err,
  type RelayUrl,
  type SignedEvent,
  type SubscribeRequest,
  UsageError,
} from '@nip46/core'
import type { TransportWithFeedback } from './feedback.ts'
import { SHARD_PUBLISHES } from './limits.ts'
import type { FromShard, PublishResult, ToShard } from './shard-message.ts'

export interface PortTransport {
  readonly transport: TransportWithFeedback
  /** A message of the main thread; those for others are ignored. */
  take(message: ToShard): void
}

interface Publishing {
  readonly authenticate: Authenticate | undefined
  readonly settle: (result: PublishResult) => void
}

export function createPortTransport(send: (message: FromShard) => void): PortTransport {
  const subscriptions = new Map<number, SubscribeRequest>()
  const publishing = new Map<number, Publishing>()
  let serial = 0
  let taken = 0
  const refunds = new Map<RelayUrl, number>()
  let closed = false

  const acknowledge = (): void => {
    send({ type: 'took', events: taken })
    taken = 0
  }

  const giveBack = (): void => {
    for (const [relay, events] of refunds) if (events !== 0) send({ type: 'refund', relay, events })
    refunds.clear()
  }

  const settle = (id: number, result: PublishResult): void => {
    const entry = publishing.get(id)
    publishing.delete(id)
    entry?.settle(result)
  }

  const transport: TransportWithFeedback = {
    publish(relays, event, options = {}) {
      const refuse = (reason: string): PublishResult => err(relays.map((relay) => ({ relay, reason })))
      if (closed) return Promise.resolve(refuse('closed'))
      if (options.signal?.aborted === true) return Promise.resolve(refuse('aborted'))
      if (publishing.size >= SHARD_PUBLISHES) return Promise.resolve(refuse('queue-full'))
      const id = serial++
      return new Promise((resolve) => {
        const abort = (): void => {
          send({ type: 'abort', id })
          settle(id, refuse('aborted'))
        }
        publishing.set(id, {
          authenticate: options.authenticate,
          settle(result) {
            options.signal?.removeEventListener('abort', abort)
            resolve(result)
          },
        })
        options.signal?.addEventListener('abort', abort, { once: true })
        send({ type: 'publish', id, relays, event, timeoutMs: options.timeoutMs })
      })
    },
    subscribe(request) {
      if (closed) throw new UsageError('this transport was closed')
      const id = serial++
      subscriptions.set(id, request)
      send({ type: 'subscribe', id, relays: request.relays, filters: request.filters })
      return {
        close() {
          if (subscriptions.delete(id)) send({ type: 'unsubscribe', id })
        },
      }
    },
    feedback: {
      serves(pubkey, isServed) {
        if (!closed) send({ type: 'serves', pubkey, isServed })
      },
      refund(relay, events) {
        if (closed) return
        if (refunds.size === 0) queueMicrotask(giveBack)
        refunds.set(relay, (refunds.get(relay) ?? 0) + events)
      },
    },
    close() {
      closed = true
      for (const id of subscriptions.keys()) send({ type: 'unsubscribe', id })
      subscriptions.clear()
      for (const id of [...publishing.keys()]) {
        send({ type: 'abort', id })
        settle(id, err([]))
      }
      return Promise.resolve()
    },
  }

  return {
    transport,
    take(message) {
      switch (message.type) {
        case 'event':
          if (taken === 0) queueMicrotask(acknowledge)
          taken += 1
          subscriptions.get(message.subscription)?.onEvent(message.event, message.relay)
          return
        case 'live':
          subscriptions.get(message.subscription)?.onLive?.(message.relay)
          return
        case 'down':
          subscriptions.get(message.subscription)?.onDown?.(message.relay, message.reason, message.final)
          return
        case 'published':
          settle(message.id, message.result)
          return
        case 'challenge': {
          const asked = message.of === 'publish' ? publishing : subscriptions
          const { authenticate } = asked.get(message.refused) ?? {}
          const event = sign(authenticate, message.relay, message.challenge)
          send({ type: 'signed', id: message.id, event })
        }
      }
    },
  }
}

function sign(
  authenticate: Authenticate | undefined,
  ...[relay, challenge]: Parameters<Authenticate>
): SignedEvent | undefined {
  try {
    return authenticate?.(relay, challenge)
  } catch (cause) {
    // The key was destroyed meanwhile: that relay is not answered.
    if (cause instanceof UsageError) return undefined
    throw cause
  }
}
