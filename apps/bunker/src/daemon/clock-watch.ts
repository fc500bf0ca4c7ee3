/**
 * Whether our clock is wrong, as relays of ours and the apps that we serve tell the time.
 * Never believes one app, nor one relay beside others, and never sets a clock.
 */

import type { Millis, Pubkey, RelayUrl, Seconds } from '@nip46/core'
import {
  CLOCK_OFF_MS,
  CLOCK_REMEMBERED,
  CLOCK_SETTLE_MS,
  CLOCK_STEP_MS,
  CLOCK_WINDOW_MS,
  CLOCK_WITNESSES,
} from './limits.ts'

export interface ClockWatch {
  /** A relay said what time it is, as it was connected to. */
  told(relay: RelayUrl, date: Millis): void
  /** A message of an app came as it was sent. */
  heard(client: Pubkey, createdAt: Seconds): void
  /** How our clock is, as far as anybody says. */
  verdict(): ClockVerdict
}

/** `aheadMs`: of ours before theirs; negative if it is behind. `by`: whose word that is; null if nobody's counts. */
export type ClockVerdict =
  | { readonly isOff: false; readonly aheadMs: Millis; readonly by: 'relays' | 'apps' | null }
  | { readonly isOff: true; readonly aheadMs: Millis; readonly by: 'relays' | 'apps' }

export interface ClockWatchOptions {
  readonly now: () => Millis
  /** Milliseconds of a clock that nobody sets. */
  readonly steady: () => Millis
  /** Relays that count: those the owner chose, on other machines. An app can name relays of its own. */
  readonly relays: () => readonly RelayUrl[]
  /** The clock turned out to be wrong, or right again. */
  readonly onChanged: (verdict: ClockVerdict) => void
}

interface Word {
  readonly aheadMs: Millis
  /** On the steady clock. */
  readonly at: Millis
}

export function createClockWatch({ now, steady, relays, onChanged }: ClockWatchOptions): ClockWatch {
  const ofRelays = new Map<string, Word>()
  const ofApps = new Map<string, Word>()
  let wasOff = false
  let setAt = Number.NEGATIVE_INFINITY
  let beside = now() - steady()

  /** What was said of a clock that was set since means nothing. */
  const look = (): void => {
    const current = now() - steady()
    if (Math.abs(current - beside) > CLOCK_STEP_MS) {
      ofRelays.clear()
      ofApps.clear()
      setAt = steady()
    }
    beside = current
  }

  const judge = (): ClockVerdict => {
    const own = relays()
    const relayWords = own.flatMap((url) => ofRelays.get(url)?.aheadMs ?? [])
    const isEnough = relayWords.length >= CLOCK_WITNESSES || (relayWords.length === 1 && own.length === 1)
    if (isEnough) return verdictOf(relayWords, 'relays')
    const since = steady() - CLOCK_WINDOW_MS
    const appWords = [...ofApps.values()].flatMap(({ aheadMs, at }) => (at >= since ? aheadMs : []))
    if (appWords.length >= CLOCK_WITNESSES) return verdictOf(appWords, 'apps')
    return { isOff: false, aheadMs: 0, by: null }
  }

  const verdict = (): ClockVerdict => {
    look()
    const found = judge()
    if (found.isOff !== wasOff) {
      wasOff = found.isOff
      onChanged(found)
    }
    return found
  }

  return {
    told(relay, date) {
      if (!relays().includes(relay)) return
      look()
      remember(ofRelays, relay, { aheadMs: now() - date, at: steady() })
      verdict()
    },
    heard(client, createdAt) {
      look()
      if (steady() - setAt < CLOCK_SETTLE_MS) return
      const aheadMs = now() - createdAt * 1_000
      remember(ofApps, client, { aheadMs, at: steady() })
      // While all is well most messages cost no more than this.
      if (wasOff || Math.abs(aheadMs) > CLOCK_OFF_MS) verdict()
    },
    verdict,
  }
}

/** The latest word of each, of those who spoke last. */
function remember(words: Map<string, Word>, who: string, word: Word): void {
  words.delete(who)
  words.set(who, word)
  const [oldest] = words.keys()
  if (words.size > CLOCK_REMEMBERED && oldest !== undefined) words.delete(oldest)
}

/** The median: off only if more than half say so, all to the same side. */
function verdictOf(words: readonly Millis[], by: 'relays' | 'apps'): ClockVerdict {
  const sorted = words.toSorted((a, b) => a - b)
  const [low = 0, high = 0] = [sorted[(sorted.length - 1) >> 1], sorted[sorted.length >> 1]]
  // Of the two in the middle, the one that says less; none if they contradict each other.
  const aheadMs = low < 0 && high > 0 ? 0 : Math.abs(low) < Math.abs(high) ? low : high
  return { isOff: Math.abs(aheadMs) > CLOCK_OFF_MS, aheadMs, by }
}

/** How far it is off, to be read. */
export function showClock({ aheadMs, by }: ClockVerdict): string {
  const seconds = Math.round(Math.abs(aheadMs) / 1_000)
  const far = seconds < 7_200 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3_600)} h`
  return `${by ?? 'nobody'} say that our clock is ${far} ${aheadMs > 0 ? 'ahead' : 'behind'}`
}
