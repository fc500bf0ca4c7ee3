/**
 * Events that a relay kept and sends all at once: what was claimed before waits behind what nobody has answered yet.
 * Never opens one, never forgets news, and never keeps what is claimed for more than a copy of its answer is worth.
 */

import type { Clock, RelayUrl, SignedEvent } from '@nip46/core'
import { deferBy } from './host.ts'
import { RECALL_BATCH, RECALL_EVENTS, RECALL_MS, RECALL_READ } from './limits.ts'
import type { Reporter } from './reporter.ts'

export interface Recall {
  /** Takes the event if there is room; it is handed on later. */
  take(event: SignedEvent, relay: RelayUrl): boolean
  close(): void
  /** Events that are being looked for. */
  readonly waiting: number
}

export interface RecallHost {
  readonly clock: Clock
  readonly reporter: Reporter
  /** Those of these events that are claimed. */
  readonly readClaimed: (eventIds: readonly string[]) => Promise<readonly string[]>
  /** Whether anything else waits to be opened. */
  readonly isBusy: () => boolean
  /** It is opened like any other. */
  readonly onTurn: (event: SignedEvent, relay: RelayUrl) => void
}

interface Kept {
  readonly event: SignedEvent
  readonly relay: RelayUrl
}

export function createRecall(host: RecallHost): Recall {
  const { clock, reporter } = host
  const defer = deferBy(clock)
  let looking: Kept[] = []
  let claimed: Kept[] = []
  /** Ids of these: of more copies nobody needs to be told. */
  const known = new Set<string>()
  let isReading = false
  let isScheduled = false
  let timer: unknown
  let closed = false

  const look = async (): Promise<void> => {
    isScheduled = false
    if (isReading) return
    isReading = true
    while (looking.length > 0 && !closed) {
      const batch = looking.slice(0, RECALL_READ)
      const found = new Set<string>()
      try {
        for (const id of await host.readClaimed([...new Set(batch.map(({ event }) => event.id))]))
          found.add(id)
      } catch (cause) {
        // Then their commits tell.
        reporter.ail('store', cause)
      }
      if (closed) return
      looking = looking.slice(batch.length)
      for (const each of batch) {
        if (!found.has(each.event.id)) host.onTurn(each.event, each.relay)
        else if (known.has(each.event.id) || claimed.length >= RECALL_EVENTS) reporter.drop('event/seen')
        else {
          claimed.push(each)
          known.add(each.event.id)
        }
      }
      arm()
    }
    isReading = false
  }

  const arm = (): void => {
    if (claimed.length === 0 || closed) return
    timer ??= clock.setTimer(() => {
      timer = undefined
      for (const { event, relay } of claimed.splice(0, host.isBusy() ? 1 : RECALL_BATCH)) {
        known.delete(event.id)
        host.onTurn(event, relay)
      }
      arm()
    }, RECALL_MS)
  }

  return {
    take(event, relay) {
      if (closed || looking.length >= RECALL_EVENTS) return false
      looking.push({ event, relay })
      if (!isScheduled) {
        isScheduled = true
        defer(() => void look())
      }
      return true
    },
    close() {
      closed = true
      clock.clearTimer(timer)
      looking = []
      claimed = []
      known.clear()
    },
    get waiting() {
      return looking.length
    },
  }
}
