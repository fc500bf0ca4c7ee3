/**
 * Waiting on a clock that is given.
 * Never keeps anything but its one timer.
 */

import type { Clock } from '@nip46/core'

export function pause(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => void clock.setTimer(resolve, ms))
}
