/**
 * A clock that stands still until told to go on, and runs due timers in order.
 * Never touches the real time; only the waiting forms use the host's event loop, to let promises settle.
 */

import { type Clock, type Millis, UsageError } from '@nip46/core'

/** Timers one call of `advance` runs at most: a timer that sets itself again at once would never end. */
export const FAKE_CLOCK_RUNS = 1_000_000

export interface FakeClock extends Clock {
  /**
   * Moves time on by `ms` and runs every timer that falls due, in order of time and then of setting,
   * with `now()` at the timer's moment. Timers set on the way run too if they fall due.
   * A timer that throws leaves the rest in place and the error goes to the caller.
   */
  advance(ms: number): void
  /** Like {@link FakeClock.advance}, and lets promises settle before the first, between any two timers, and after. */
  run(ms: number): Promise<void>
  /** Runs timers in order until `done()` is true or `limitMs` have passed; true if it became true. */
  runUntil(done: () => boolean, limitMs: number): Promise<boolean>
  /** Lets every promise settle that waits for nothing but promises. Time does not move. */
  settle(): Promise<void>
  /** Moves `now()` without running timers, as a suspended machine does. May be negative. */
  jump(ms: number): void
  /** Timers that wait. Zero after a clean close. */
  readonly pending: number
  /** When the next timer falls due. */
  readonly nextAt: Millis | undefined
}

interface Timer {
  readonly at: Millis
  readonly order: number
  readonly run: () => void
}

/** A clock at `start` milliseconds of Unix time. */
export function createFakeClock(start: Millis = 1_700_000_000_000): FakeClock {
  let now = start
  let order = 0
  /** Sorted by time, then order of setting. */
  const timers: Timer[] = []

  const positionOf = (at: Millis, position: number): number => {
    let low = 0
    let high = timers.length
    while (low < high) {
      const middle = (low + high) >>> 1
      const timer = timers[middle] as Timer
      if (timer.at < at || (timer.at === at && timer.order < position)) low = middle + 1
      else high = middle
    }
    return low
  }

  /** Takes the next timer due by `end`, moving time to it. A timer late after a jump runs at once. */
  const takeDue = (end: Millis): Timer | undefined => {
    const timer = timers[0]
    if (timer === undefined || timer.at > end) return undefined
    timers.shift()
    if (timer.at > now) now = timer.at
    return timer
  }

  const endOf = (ms: number): Millis => {
    if (!Number.isFinite(ms) || ms < 0)
      throw new UsageError('time goes forward: give a number of milliseconds from 0')
    return now + ms
  }

  const countRun = (runs: number): number => {
    if (runs >= FAKE_CLOCK_RUNS) {
      throw new UsageError(
        `${FAKE_CLOCK_RUNS} timers ran in one advance: one of them sets itself again at once`,
      )
    }
    return runs + 1
  }

  return {
    now: () => now,
    setTimer(run, afterMs) {
      if (Number.isNaN(afterMs)) throw new UsageError('setTimer takes a number of milliseconds')
      order += 1
      const timer: Timer = { at: now + Math.max(0, afterMs), order, run }
      timers.splice(positionOf(timer.at, timer.order), 0, timer)
      return timer
    },
    clearTimer(handle) {
      if (typeof handle !== 'object' || handle === null) return
      const { at, order: position } = handle as Timer
      const index = positionOf(at, position)
      if (timers[index] === handle) timers.splice(index, 1)
    },
    advance(ms) {
      const end = endOf(ms)
      let runs = 0
      for (let due = takeDue(end); due !== undefined; due = takeDue(end)) {
        runs = countRun(runs)
        due.run()
      }
      now = Math.max(now, end)
    },
    async run(ms) {
      const end = endOf(ms)
      let runs = 0
      await settlePromises()
      for (let due = takeDue(end); due !== undefined; due = takeDue(end)) {
        runs = countRun(runs)
        due.run()
        await settlePromises()
      }
      now = Math.max(now, end)
    },
    async runUntil(done, limitMs) {
      const end = endOf(limitMs)
      let runs = 0
      await settlePromises()
      while (!done()) {
        const due = takeDue(end)
        if (due === undefined) {
          now = Math.max(now, end)
          return false
        }
        runs = countRun(runs)
        due.run()
        await settlePromises()
      }
      return true
    },
    settle: settlePromises,
    jump(ms) {
      if (!Number.isFinite(ms)) throw new UsageError('jump takes a number of milliseconds')
      now += ms
    },
    get pending() {
      return timers.length
    },
    get nextAt() {
      return timers[0]?.at
    },
  }
}

/** One turn of the host's event loop: every microtask that is ready, and those they make, have run by then. */
function settlePromises(): Promise<void> {
  return new Promise((resolve) => {
    const host = globalThis as { readonly setImmediate?: (run: () => void) => unknown }
    if (host.setImmediate === undefined) setTimeout(resolve, 0)
    else host.setImmediate(resolve)
  })
}

/** The host's own time and timers, for code under test that runs in real time. */
export const systemClock: Clock = {
  now: () => Date.now(),
  setTimer: (run, afterMs) => setTimeout(run, afterMs),
  clearTimer: (handle) => clearTimeout(handle as ReturnType<typeof setTimeout>),
}
