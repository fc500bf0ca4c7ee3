/**
 * Notices requests that a relay took and that a person probably decides on, since nobody answers.
 * Never ends a request.
 */

import type { Clock, RequestId } from '@nip46/core'
import { WAITING_AFTER_MS } from './limits.ts'

export interface Patience {
  begin(id: RequestId, method: string): void
  end(id: RequestId): void
  /** Forgets all it watches, and leaves no timer. */
  close(): void
}

/** No person decides on these. */
const UNASKED = ['ping', 'switch_relays', 'describe', 'logout', 'disconnect']

export function createPatience(clock: Clock, onWaiting: (id: RequestId, method: string) => void): Patience {
  const timers = new Map<RequestId, unknown>()

  const end = (id: RequestId): void => {
    const timer = timers.get(id)
    if (timers.delete(id)) clock.clearTimer(timer)
  }

  return {
    begin(id, method) {
      if (timers.has(id) || UNASKED.includes(method)) return
      const wait = (): void => {
        timers.delete(id)
        onWaiting(id, method)
      }
      timers.set(id, clock.setTimer(wait, WAITING_AFTER_MS))
    },
    end,
    close() {
      for (const id of timers.keys()) end(id)
    },
  }
}
