/**
 * The timers of one session, each under a name, so that none is left behind.
 * Never keeps time: that is the clock's.
 */

import type { Clock, Millis } from '@nip46/core'

export interface Timers {
  /** In place of the one of this name, if it still runs. */
  set(name: string, afterMs: Millis, run: () => void): void
  clear(name: string): void
  clearAll(): void
}

export function createTimers(clock: Clock): Timers {
  const handles = new Map<string, unknown>()
  const clear = (name: string): void => {
    clock.clearTimer(handles.get(name))
    handles.delete(name)
  }
  return {
    set(name, afterMs, run) {
      clear(name)
      const ring = (): void => {
        handles.delete(name)
        run()
      }
      handles.set(name, clock.setTimer(ring, afterMs))
    },
    clear,
    clearAll: () => [...handles.keys()].forEach(clear),
  }
}
