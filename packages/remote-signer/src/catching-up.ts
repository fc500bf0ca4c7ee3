/**
 * Asks relays again for what there was no room for: after a restart they may send all of the last minutes at once.
 * Never asks while events of that relay wait, and less and less often if asking brings nothing new.
 */

import type { Clock, Millis, RelayUrl } from '@nip46/core'
import { CATCH_UP_LONGEST_MS, CATCH_UP_MS } from './limits.ts'

export interface CatchingUp {
  /** Something of this relay was dropped, and everything else of it is dealt with. */
  owe(relay: RelayUrl): void
  /** Among what it sent on being asked was something of a client that was not known: no forged event is, nor one that came by itself. */
  heard(relay: RelayUrl): void
  close(): void
}

export interface CatchingUpHost {
  readonly clock: Clock
  /** Subscribe anew: what was dealt with is known by its id. */
  readonly ask: (relay: RelayUrl) => void
}

interface Debt {
  timer: unknown
  pause: Millis
  /** When it was asked last, that brought something. */
  news: boolean
}

export function createCatchingUp({ clock, ask }: CatchingUpHost): CatchingUp {
  const debts = new Map<RelayUrl, Debt>()
  let closed = false

  return {
    owe(relay) {
      const debt = debts.get(relay) ?? { timer: undefined, pause: CATCH_UP_MS, news: true }
      debts.set(relay, debt)
      if (closed || debt.timer !== undefined) return
      debt.pause = debt.news ? CATCH_UP_MS : Math.min(debt.pause * 2, CATCH_UP_LONGEST_MS)
      debt.timer = clock.setTimer(() => {
        debt.timer = undefined
        debt.news = false
        ask(relay)
      }, debt.pause)
    },
    heard(relay) {
      const debt = debts.get(relay)
      if (debt !== undefined) debt.news = true
    },
    close() {
      closed = true
      for (const { timer } of debts.values()) clock.clearTimer(timer)
    },
  }
}
