/**
 * The machine's time and timers. Never keeps a process alive by itself.
 */

import type { Clock } from '@nip46/core'

export const hostClock: Clock = {
  now: () => Date.now(),
  setTimer: (run, afterMs) => setTimeout(run, afterMs).unref(),
  clearTimer: (handle) => clearTimeout(handle as NodeJS.Timeout | undefined),
}
