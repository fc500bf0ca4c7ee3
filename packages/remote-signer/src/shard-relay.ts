/**
 * The main thread's half of a worker's transport: publishes and subscribes for one shard on the real one.
 * Never hands a worker an event that is not addressed to a key it listens for, nor more of them than a bound, and never looks at
 * more of them than their relay's budget pays for.
 */

import {
  type Authenticate,
  type Clock,
  err,
  type Filter,
  type Millis,
  type Pubkey,
  parseSignedEvent,
  type RelayUrl,
  type SignedEvent,
  type Subscription,
  type Transport,
} from '@nip46/core'
import { SHARD_AUTH_EVERY_MS, SHARD_AUTH_MS, SHARD_EVENTS } from './limits.ts'
import type { ShardGate } from './shard-gate.ts'
import type { FromShard, PublishResult, ToShard } from './shard-message.ts'

export interface ShardRelay {
  /** A message of the worker; those that are for others are ignored. */
  take(message: FromShard): void
  /** Whether one of these keys is listened for here. */
  ownsAny(keys: ReadonlySet<string>): boolean
  /** Ends every subscription, and every publish that is under way. */
  close(): void
  /** Events that the worker has not taken yet. */
  readonly waiting: number
}

export interface ShardRelayHost {
  readonly transport: Transport
  readonly clock: Clock
  readonly send: (message: ToShard) => void
  /** One for all shards. */
  readonly gate: ShardGate
  /** Whether another shard listens for one of these keys. */
  readonly isElsewhere: (keys: ReadonlySet<string>) => boolean
  readonly onDrop: () => void
}

interface Listener {
  readonly keys: ReadonlySet<string>
  readonly subscriptions: Map<RelayUrl, Subscription>
}

export function createShardRelay(host: ShardRelayHost): ShardRelay {
  const { transport, clock, send, gate } = host
  const listeners = new Map<number, Listener>()
  const publishing = new Map<number, AbortController>()
  const challenges = new Map<number, (event: SignedEvent | undefined) => void>()
  /** Clients that the worker serves. */
  const served = new Set<Pubkey>()
  /** The relays of the events that the worker has not taken, in order; and how many of them each has. */
  const handed: RelayUrl[] = []
  const places = new Map<RelayUrl, number>()
  let serial = 0
  let closed = false

  /** The worker signs, since only it has the key. Undefined if it does not, or not in time. */
  const askForAuth = (
    of: 'subscription' | 'publish',
    refused: number,
    relay: RelayUrl,
    challenge: string,
  ): Promise<SignedEvent | undefined> =>
    new Promise((resolve) => {
      const id = serial++
      const settle = (event: SignedEvent | undefined): void => {
        challenges.delete(id)
        clock.clearTimer(timer)
        resolve(event)
      }
      const timer = clock.setTimer(() => settle(undefined), SHARD_AUTH_MS)
      challenges.set(id, settle)
      send({ type: 'challenge', id, of, refused, relay, challenge })
    })

  const hand = (subscription: number, { keys }: Listener, value: unknown, relay: RelayUrl): void => {
    const taken = places.get(relay) ?? 0
    const whose = taken < SHARD_EVENTS - handed.length ? gate.admit(value, relay) : undefined
    const parsed = whose === undefined ? undefined : parseSignedEvent(value)
    if (parsed?.ok !== true || !isAddressed(parsed.value, keys)) {
      // One of another shape is what only a relay sends that checks nothing.
      if (whose === 'client' && parsed?.ok === true) gate.refund(relay, 1)
      host.onDrop()
      return
    }
    handed.push(relay)
    places.set(relay, taken + 1)
    send({ type: 'event', subscription, event: parsed.value, relay })
  }

  const free = (events: number): void => {
    for (const relay of handed.splice(0, events)) {
      const left = (places.get(relay) ?? 0) - 1
      if (left > 0) places.set(relay, left)
      else places.delete(relay)
    }
  }

  const serve = (pubkey: Pubkey, isServed: boolean): void => {
    if (served.has(pubkey) === isServed) return
    if (isServed) served.add(pubkey)
    else served.delete(pubkey)
    gate.serve(pubkey, isServed)
  }

  /** The port wants an AUTH event at once, and the key is in the worker: refused first, then asked again with the event. */
  const listenOn = (id: number, relay: RelayUrl, filters: readonly Filter[], listener: Listener): void => {
    let signed: { readonly challenge: string; readonly event: SignedEvent } | undefined
    let asking = false
    let askedAt: Millis = Number.NEGATIVE_INFINITY
    let refusal: string | undefined
    /** Signed, and not given to the relay yet. */
    let unused = false

    const isOpen = (): boolean => !closed && listeners.get(id) === listener
    const ask = async (challenge: string): Promise<void> => {
      asking = true
      askedAt = clock.now()
      const event = await askForAuth('subscription', id, relay, challenge)
      asking = false
      if (!isOpen()) return
      if (event !== undefined) signed = { challenge, event }
      unused = event !== undefined
      if (refusal === undefined) return
      if (event === undefined) send({ type: 'down', subscription: id, relay, reason: refusal, final: true })
      else open()
      refusal = undefined
    }
    const open = (): void => {
      unused = false
      listener.subscriptions.get(relay)?.close()
      const subscription = transport.subscribe({
        relays: [relay],
        filters,
        onEvent: (event, from) => hand(id, listener, event, from),
        onLive: () => send({ type: 'live', subscription: id, relay }),
        onDown(_, reason, final) {
          if (final && asking) refusal = reason
          else if (final && unused) open()
          else send({ type: 'down', subscription: id, relay, reason, final })
        },
        authenticate(_, challenge) {
          if (signed?.challenge === challenge) {
            unused = false
            return signed.event
          }
          if (!asking && clock.now() - askedAt >= SHARD_AUTH_EVERY_MS) void ask(challenge)
          return undefined
        },
      })
      listener.subscriptions.set(relay, subscription)
    }
    open()
  }

  const publish = async ({
    id,
    relays,
    event,
    timeoutMs,
  }: Extract<FromShard, { type: 'publish' }>): Promise<void> => {
    const abort = new AbortController()
    publishing.set(id, abort)
    const retries: Promise<PublishResult | undefined>[] = []
    const attempt = async (to: readonly RelayUrl[], authenticate: Authenticate): Promise<PublishResult> => {
      try {
        const options = { authenticate, signal: abort.signal }
        return await transport.publish(
          to,
          event,
          timeoutMs === undefined ? options : { ...options, timeoutMs },
        )
      } catch {
        // Against the port's contract, and told to the engine as what it is: relays that did not take it.
        return err(to.map((relay) => ({ relay, reason: 'the transport failed' })))
      }
    }
    const retry = async (relay: RelayUrl, challenge: string): Promise<PublishResult | undefined> => {
      const signed = await askForAuth('publish', id, relay, challenge)
      if (signed === undefined) return undefined
      return attempt([relay], (_, again) => (again === challenge ? signed : undefined))
    }
    let result = await attempt(relays, (relay, challenge) => {
      retries.push(retry(relay, challenge))
      return undefined
    })
    if (!result.ok) result = (await Promise.all(retries)).find((each) => each?.ok === true) ?? result
    publishing.delete(id)
    if (!closed) send({ type: 'published', id, result })
  }

  return {
    take(message) {
      if (closed) return
      switch (message.type) {
        case 'subscribe': {
          const keys = new Set<string>(message.filters.flatMap((filter) => filter['#p'] ?? []))
          const listener: Listener = { keys, subscriptions: new Map() }
          if (host.isElsewhere(keys)) {
            // Two workers would both answer: one key is served by one of them.
            const reason = 'another shard serves this key'
            for (const relay of message.relays)
              send({ type: 'down', subscription: message.id, relay, reason, final: true })
            return
          }
          listeners.set(message.id, listener)
          for (const relay of message.relays) listenOn(message.id, relay, message.filters, listener)
          return
        }
        case 'unsubscribe': {
          const listener = listeners.get(message.id)
          listeners.delete(message.id)
          for (const subscription of listener?.subscriptions.values() ?? []) subscription.close()
          return
        }
        case 'publish':
          void publish(message)
          return
        case 'abort':
          publishing.get(message.id)?.abort()
          return
        case 'signed':
          challenges.get(message.id)?.(message.event)
          return
        case 'serves':
          serve(message.pubkey, message.isServed)
          return
        case 'refund':
          gate.refund(message.relay, message.events)
          return
        case 'took':
          free(message.events)
      }
    },
    ownsAny(keys) {
      for (const listener of listeners.values())
        for (const key of keys) if (listener.keys.has(key)) return true
      return false
    },
    close() {
      closed = true
      for (const { subscriptions } of listeners.values())
        for (const subscription of subscriptions.values()) subscription.close()
      listeners.clear()
      for (const abort of publishing.values()) abort.abort()
      for (const settle of [...challenges.values()]) settle(undefined)
      for (const pubkey of [...served]) serve(pubkey, false)
      // Nobody tells any more what they were.
      for (const [relay, events] of places) gate.refund(relay, events)
      free(handed.length)
    },
    get waiting() {
      return handed.length
    },
  }
}

function isAddressed({ tags }: SignedEvent, keys: ReadonlySet<string>): boolean {
  return tags.some((tag) => tag[0] === 'p' && tag[1] !== undefined && keys.has(tag[1]))
}
