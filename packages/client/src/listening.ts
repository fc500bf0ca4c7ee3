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
import type { JunkBudget } from './junk-budget.ts'
import { RESUBSCRIBE_MS } from './limits.ts'
import type { Timers } from './timers.ts'

export type Listen = NonNullable<ClientWants['listen']>

export interface ListeningObserver {
  /** Anything at all, and the budget of the relay that sent it. */
  readonly onEvent: (event: unknown, budget: JunkBudget) => void
  /** The relay delivers now, or it does not; also told when it never did, and when it is no longer listened to. */
  readonly onRelay: (relay: RelayUrl, live: boolean, reason?: string) => void
}

export interface Listening {
  /** Makes it so. `undefined` ends every subscription. A later `since` alone changes nothing. */
  adjust(listen: Listen | undefined): void
}

/** One subscription. */
interface Wire extends JunkBudget {
  readonly from: Listen['from']
  live: boolean
  subscription: Subscription | undefined
}

export function createListening(
  transport: Transport,
  timers: Timers,
  authenticate: Authenticate,
  { onEvent, onRelay }: ListeningObserver,
): Listening {
  const wires = new Map<RelayUrl, Wire>()

  /** In place of `old`: the relay counts as live until it says otherwise of the new one. */
  const open = (relay: RelayUrl, listen: Listen, old?: Wire): void => {
    const { live = false, fullAt = 0 } = old ?? {}
    const wire: Wire = { from: listen.from, live, fullAt, subscription: undefined }
    wires.set(relay, wire)
    timers.clear(relay)
    // A transport may call back of one that was closed, and of this one while it is still being asked.
    const isOpen = (): boolean => wires.get(relay) === wire
    const turn = (isLive: boolean, reason?: string, final = false): void => {
      if (!isOpen()) return
      const wasLive = wire.live
      wire.live = isLive
      if (final) timers.set(relay, RESUBSCRIBE_MS, () => open(relay, listen, wire))
      if (!isLive || !wasLive) onRelay(relay, isLive, reason)
    }
    wire.subscription = callHost(() =>
      transport.subscribe({
        relays: [relay],
        filters: filtersOf(listen),
        authenticate,
        onEvent: (event) => {
          if (isOpen()) onEvent(event, wire)
        },
        onLive: () => turn(true),
        onDown: (_, reason, final) => turn(false, reason, final),
      }),
    )
    if (old !== undefined) close(old)
    if (!isOpen()) close(wire)
    else if (wire.subscription === undefined) turn(false, 'the transport failed to subscribe', true)
  }

  const close = ({ subscription }: Wire): void => void callHost(() => subscription?.close())

  return {
    adjust(listen) {
      const relays = listen?.relays ?? []
      for (const [relay, wire] of wires) {
        if (relays.includes(relay)) continue
        wires.delete(relay)
        timers.clear(relay)
        close(wire)
        if (wire.live) onRelay(relay, false, 'no longer used')
      }
      for (const relay of relays) {
        const wire = wires.get(relay)
        if (listen !== undefined && (wire === undefined || wire.from !== listen.from))
          open(relay, listen, wire)
      }
    },
  }
}

/** The first filter has no `since`, so that live delivery does not depend on clocks; the second fetches what was missed. */
function filtersOf({ to, from, since }: Listen): readonly Filter[] {
  const filter = { kinds: [CARRIER_KIND], '#p': [to], ...(from !== undefined && { authors: [from] }) }
  return [
    { ...filter, limit: 0 },
    { ...filter, since },
  ]
}
