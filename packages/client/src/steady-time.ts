/**
 * The host's time without steps back, as a machine needs it.
 * Never stands still: if the clock is set back, time goes on from its last reading.
 */

import type { Clock, Millis } from '@nip46/core'

export function createSteadyTime(clock: Clock): () => Millis {
  let last = clock.now()
  let ahead = 0
  return () => {
    const told = clock.now()
    if (told < last) ahead += last - told
    last = told
    return told + ahead
  }
}
