/**
 * The subscriptions of a session: one for each relay, made before the one it replaces is closed.
 * Never looks into an event, and never decides where to listen: it is told.
 */

import {
  type Authenticate,
  CARRIER_KIND,
  type Clock,
  type Filter,
  type RelayUrl,
  type Transport,
} from '@nip46/core'
import type { ClientWants } from '@nip46/core/client'
import { callHost } from './host.ts'
import { RESUBSCRIBE_MS } from './limits.ts'

export type Listen = NonNullable<ClientWants['listen']>

export interface ListeningPort {
  readonly transport: Transport
  readonly clock: Clock
  readonly authenticate: Authenticate
  /** Anything at all. */
  readonly onEvent: (event: unknown, relay: RelayUrl) => void
  /** The relay delivers now. */
  readonly onLive: (relay: RelayUrl) => void
  /** The relay does not deliver; also told when it never did, and when it is no longer listened to. */
  readonly onDown: (relay: RelayUrl, reason: string) => void
}

export interface Listening {
  /** Makes it so. `undefined` ends every subscription. A later `since` alone changes nothing. */
  adjust(listen: Listen | undefined): void
}

interface Wire {
  /** Whom it listens to. */
  readonly key: string
  live: boolean
  close(): void
}

/** One relay. `next` takes the place of `current` once it is live; if it never is, `current` stays. */
interface Post {
  current: Wire
  next: Wire | undefined
  /** Runs when the transport gave up on `current`: until it is tried anew. */
  retry: unknown
}

export function createListening(port: ListeningPort): Listening {
  const posts = new Map<RelayUrl, Post>()

  const isLive = (post: Post): boolean => post.current.live || post.next?.live === true

  const open = (relay: RelayUrl, listen: Listen): Wire => {
    let closed = false
    let opened = false
    const wire: Wire = { key: keyOf(listen), live: false, close: () => undefined }
    /** A transport may call back while it is still being asked. */
    const hear = (run: () => void): void => {
      if (closed) return
      if (opened) run()
      else queueMicrotask(() => hear(run))
    }
    const subscription = callHost(() =>
      port.transport.subscribe({
        relays: [relay],
        filters: filtersOf(listen),
        authenticate: port.authenticate,
        onEvent: (event) => hear(() => port.onEvent(event, relay)),
        onLive: () => hear(() => comeLive(relay, wire)),
        onDown: (_, reason, final) => hear(() => goDown(relay, wire, reason, final, listen)),
      }),
    )
    opened = true
    wire.close = () => {
      closed = true
      if (subscription !== undefined) callHost(() => subscription.close())
    }
    if (subscription === undefined) {
      const reason = 'the transport failed to subscribe'
      queueMicrotask(() => hear(() => goDown(relay, wire, reason, true, listen)))
    }
    return wire
  }

  const comeLive = (relay: RelayUrl, wire: Wire): void => {
    const post = posts.get(relay)
    if (post === undefined || wire.live) return
    const before = isLive(post)
    wire.live = true
    if (post.next === wire) {
      port.clock.clearTimer(post.retry)
      post.current.close()
      post.current = wire
      post.next = undefined
      post.retry = undefined
    }
    if (!before) port.onLive(relay)
  }

  const goDown = (relay: RelayUrl, wire: Wire, reason: string, final: boolean, listen: Listen): void => {
    wire.live = false
    const post = posts.get(relay)
    if (post === undefined) return
    if (!isLive(post)) port.onDown(relay, reason)
    if (!final || post.current !== wire || post.retry !== undefined) return
    post.retry = port.clock.setTimer(() => {
      post.retry = undefined
      if (posts.get(relay) !== post || post.current !== wire) return
      wire.close()
      post.next?.close()
      start(relay, listen)
    }, RESUBSCRIBE_MS)
  }

  const start = (relay: RelayUrl, listen: Listen): void => {
    port.clock.clearTimer(posts.get(relay)?.retry)
    const current = open(relay, listen)
    posts.set(relay, { current, next: undefined, retry: undefined })
  }

  const renew = (relay: RelayUrl, post: Post, listen: Listen): void => {
    const key = keyOf(listen)
    if (post.next?.key === key) return
    post.next?.close()
    post.next = undefined
    if (post.current.key === key) return
    if (post.current.live) {
      post.next = open(relay, listen)
      return
    }
    post.current.close()
    start(relay, listen)
  }

  const stop = (relay: RelayUrl, post: Post): void => {
    posts.delete(relay)
    port.clock.clearTimer(post.retry)
    post.current.close()
    post.next?.close()
    if (isLive(post)) port.onDown(relay, 'no longer used')
  }

  return {
    adjust(listen) {
      const wanted = new Set(listen?.relays ?? [])
      if (listen !== undefined) {
        for (const relay of wanted) {
          const post = posts.get(relay)
          if (post === undefined) start(relay, listen)
          else renew(relay, post, listen)
        }
      }
      for (const [relay, post] of posts) if (!wanted.has(relay)) stop(relay, post)
    },
  }
}

function keyOf({ to, from }: Listen): string {
  return `${to} ${from ?? ''}`
}

/** The first filter has no `since`, so that live delivery does not depend on clocks; the second fetches what was missed. */
function filtersOf({ to, from, since }: Listen): readonly Filter[] {
  const filter = { kinds: [CARRIER_KIND], '#p': [to], ...(from !== undefined && { authors: [from] }) }
  return [
    { ...filter, limit: 0 },
    { ...filter, since },
  ]
}
