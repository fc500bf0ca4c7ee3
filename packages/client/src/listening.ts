/**
 * The subscriptions of a session: one for each relay, made before the one it replaces is closed.
 * Never looks into an event, and never decides where to listen: it is told.
 */

import {
  type Authenticate,
  CARRIER_KIND,
  type Filter,
  type RelayUrl,
  type Subscription,
  type Transport,
} from '@nip46/core'
import type { ClientWants } from '@nip46/core/client'
import { callHost } from './host.ts'
import { RESUBSCRIBE_MS } from './limits.ts'
import type { Timers } from './timers.ts'

export type Listen = NonNullable<ClientWants['listen']>

export interface ListeningObserver {
  /** Anything at all. */
  readonly onEvent: (event: unknown, relay: RelayUrl) => void
  /** The relay delivers now, or it does not; also told when it never did, and when it is no longer listened to. */
  readonly onRelay: (relay: RelayUrl, live: boolean, reason?: string) => void
}

export interface Listening {
  /** Makes it so. `undefined` ends every subscription. A later `since` alone changes nothing. */
  adjust(listen: Listen | undefined): void
}

/** One subscription. A relay has two of them while the one with its new filter is not live yet. */
interface Wire {
  readonly relay: RelayUrl
  /** By relay and author. */
  readonly key: string
  live: boolean
  /** The transport gave up on it. */
  final: boolean
  subscription: Subscription | undefined
}

export function createListening(
  transport: Transport,
  timers: Timers,
  authenticate: Authenticate,
  { onEvent, onRelay }: ListeningObserver,
): Listening {
  /** Those that are open, by their key. A transport may call back of others, and while it is still being asked. */
  const wires = new Map<string, Wire>()
  let wanted: Listen | undefined

  const isLive = (relay: RelayUrl): boolean =>
    [...wires.values()].some((wire) => wire.relay === relay && wire.live)

  const open = (relay: RelayUrl, listen: Listen): void => {
    const key = keyOf(relay, listen)
    const wire: Wire = { relay, key, live: false, final: false, subscription: undefined }
    wires.set(key, wire)
    const isOpen = (): boolean => wires.get(key) === wire
    wire.subscription = callHost(() =>
      transport.subscribe({
        relays: [relay],
        filters: filtersOf(listen),
        authenticate,
        onEvent: (event) => {
          if (isOpen()) onEvent(event, relay)
        },
        onLive: () => {
          if (isOpen()) comeLive(wire)
        },
        onDown: (_, reason, final) => {
          if (isOpen()) goDown(wire, reason, final)
        },
      }),
    )
    if (!isOpen()) close(wire)
    else if (wire.subscription === undefined) goDown(wire, 'the transport failed to subscribe', true)
  }

  const close = (wire: Wire): void => {
    if (wires.get(wire.key) === wire) wires.delete(wire.key)
    callHost(() => wire.subscription?.close())
  }

  const comeLive = (wire: Wire): void => {
    const before = isLive(wire.relay)
    wire.live = true
    timers.clear(wire.relay)
    adjust(wanted)
    if (!before) onRelay(wire.relay, true)
  }

  const goDown = (wire: Wire, reason: string, final: boolean): void => {
    const { relay } = wire
    wire.live = false
    wire.final = final
    const others = [...wires.values()].filter((other) => other.relay === relay)
    if (others.some(({ live }) => live)) return
    // Also if it was given up on while the one that it was to replace still worked.
    if (others.some((other) => other.final)) timers.set(relay, RESUBSCRIBE_MS, () => renew(relay))
    onRelay(relay, false, reason)
  }

  const renew = (relay: RelayUrl): void => {
    for (const wire of wires.values()) if (wire.relay === relay) close(wire)
    adjust(wanted)
  }

  const adjust = (listen: Listen | undefined): void => {
    wanted = listen
    for (const wire of wires.values()) {
      const { relay, key, live } = wire
      const successor = listen?.relays.includes(relay) === true ? keyOf(relay, listen) : undefined
      if (key === successor) continue
      if (live && successor !== undefined && wires.get(successor)?.live !== true) continue
      close(wire)
      if (successor === undefined) timers.clear(relay)
      if (live && !isLive(relay)) onRelay(relay, false, 'no longer used')
    }
    if (listen === undefined) return
    for (const relay of listen.relays) if (!wires.has(keyOf(relay, listen))) open(relay, listen)
  }

  return { adjust }
}

function keyOf(relay: RelayUrl, { from }: Listen): string {
  return `${relay} ${from}`
}

/** The first filter has no `since`, so that live delivery does not depend on clocks; the second fetches what was missed. */
function filtersOf({ to, from, since }: Listen): readonly Filter[] {
  const filter = { kinds: [CARRIER_KIND], '#p': [to], ...(from !== undefined && { authors: [from] }) }
  return [
    { ...filter, limit: 0 },
    { ...filter, since },
  ]
}
