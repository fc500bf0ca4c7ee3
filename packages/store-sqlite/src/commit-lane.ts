/**
 * The way of commits to the thread: what is committed in one turn of the event loop goes in one group, one group after the other.
 * Where several sessions commit at once groups begin a few milliseconds apart, since each costs an fsync.
 * Never lets a commit that is alone wait for others, and never holds more than its bounds.
 */

import type { Clock, Millis } from '@nip46/core'
import { closedError, SqliteStoreError } from './error.ts'
import { ANCHOR_MS, GROUP_PACE_MS } from './limits.ts'
import type { PlainChange } from './message.ts'
import type { Packer } from './packer.ts'

/** The changes of one commit, encoded. */
export interface Call {
  readonly changes: readonly PlainChange[]
  readonly packer: Packer
  readonly now: Millis
  readonly reject: (error: unknown) => void
}

export interface CommitLane<C extends Call> {
  /** Throws `store/busy` if so many changes more are too many. */
  expectRoom(changes: number): void
  /** Throws `store/busy` if too many bytes wait. */
  push(call: C): void
  /** Runs `read` while nothing is written: what is read is of one moment. */
  standStill<T>(read: () => Promise<T>): Promise<T>
  /** Writes what waits, and what is left to write without any commit. Nothing may be pushed any more. */
  finish(): Promise<void>
  /** Rejects what waits still. */
  close(): void
}

export interface CommitLaneBounds {
  readonly groupChanges: number
  readonly groupBytes: number
  readonly waitingChanges: number
  readonly waitingBytes: number
  readonly commitPatienceMs: number
}

export interface CommitLaneHost<C extends Call> {
  readonly bounds: CommitLaneBounds
  /** Milliseconds of a clock that nobody sets. */
  readonly clock: Clock
  /** Writes these in one transaction and tells their callers. Never rejects. Without calls it writes what is left. */
  readonly write: (calls: readonly C[]) => Promise<void>
  /** Whether there is something to write without any commit; it may wait for `limits.ANCHOR_MS`. */
  readonly hasRest: () => boolean
}

export function createCommitLane<C extends Call>(host: CommitLaneHost<C>): CommitLane<C> {
  const { bounds, clock } = host
  const defer = clock.defer ?? queueMicrotask
  let queue: C[] = []
  let waitingChanges = 0
  let waitingBytes = 0
  let isWriting = false
  /** When the last group began, and whether several sessions were in it. */
  let beganAt = 0
  let isCrowded = false
  let isScheduled = false
  let isClosed = false
  let readers = 0
  let patience: unknown
  let restTimer: unknown
  const idlers = new Set<() => void>()

  const schedule = (): void => {
    if (isScheduled || isWriting || readers > 0) return
    isScheduled = true
    const begin = (): void => {
      isScheduled = false
      if (!isWriting && readers === 0) void write()
    }
    const pause = pauseLeft()
    // At the end of this turn of the event loop at the earliest, so that all of its commits are one group.
    if (pause > 0) clock.setTimer(begin, pause)
    else defer(begin)
  }

  /** One that commits alone never waits for others. */
  const pauseLeft = (): Millis =>
    isCrowded ? Math.min(GROUP_PACE_MS, beganAt + GROUP_PACE_MS - clock.now()) : 0

  const write = async (): Promise<void> => {
    const calls = takeGroup()
    if (calls.length === 0 && !host.hasRest()) return rest()
    isWriting = true
    beganAt = clock.now()
    isCrowded = sessionsOf(calls) > 1
    clock.clearTimer(patience)
    if (queue.length > 0) startPatience()
    await host.write(calls)
    isWriting = false
    if (queue.length === 0 || readers > 0) rest()
    else if (pauseLeft() > 0) schedule()
    else void write()
  }

  const takeGroup = (): readonly C[] => {
    const calls: C[] = []
    let changes = 0
    let bytes = 0
    for (const call of queue) {
      changes += call.changes.length
      bytes += call.packer.length
      if (calls.length > 0 && (changes > bounds.groupChanges || bytes > bounds.groupBytes)) break
      calls.push(call)
    }
    queue = queue.slice(calls.length)
    for (const call of calls) forgetWaiting(call)
    return calls
  }

  const forgetWaiting = ({ changes, packer }: Call): void => {
    waitingChanges -= changes.length
    waitingBytes -= packer.length
  }

  const rest = (): void => {
    if (queue.length === 0) {
      for (const idler of idlers) idler()
      idlers.clear()
    }
    clock.clearTimer(restTimer)
    if (!isClosed && host.hasRest()) restTimer = asleep(clock.setTimer(schedule, ANCHOR_MS))
  }

  const startPatience = (): void => {
    const giveUp = (): void => {
      const late = queue
      queue = []
      for (const call of late) {
        forgetWaiting(call)
        call.reject(
          new SqliteStoreError('store/busy', 'the disk does not keep up: look at what else uses it'),
        )
      }
    }
    patience = asleep(clock.setTimer(giveUp, bounds.commitPatienceMs))
  }

  return {
    expectRoom(changes) {
      if (waitingChanges > 0 && waitingChanges + changes > bounds.waitingChanges)
        throw new SqliteStoreError(
          'store/busy',
          `more than ${bounds.waitingChanges} changes wait to be written`,
        )
    },
    push(call) {
      const { changes, packer } = call
      if (waitingBytes > 0 && waitingBytes + packer.length > bounds.waitingBytes)
        throw new SqliteStoreError('store/busy', `more than ${bounds.waitingBytes} bytes wait to be written`)
      if (queue.length === 0 && (isWriting || readers > 0)) startPatience()
      queue.push(call)
      waitingChanges += changes.length
      waitingBytes += packer.length
      schedule()
    },
    async standStill(read) {
      readers += 1
      try {
        return await read()
      } finally {
        readers -= 1
        if (readers === 0 && queue.length > 0) schedule()
      }
    },
    async finish() {
      isClosed = true
      while (isWriting || isScheduled || queue.length > 0)
        await new Promise<void>((resolve) => {
          idlers.add(resolve)
          if (!isWriting && !isScheduled) schedule()
        })
      clock.clearTimer(restTimer)
      if (host.hasRest()) await write()
    },
    close() {
      isClosed = true
      clock.clearTimer(patience)
      clock.clearTimer(restTimer)
      for (const { reject } of queue.splice(0)) reject(closedError())
    },
  }
}

/** The host's clock that nobody sets. Its timers keep the process alive. */
export const steadyClock: Clock = {
  now: () => performance.now(),
  setTimer: (run, afterMs) => setTimeout(run, afterMs),
  clearTimer: (handle) => clearTimeout(handle as NodeJS.Timeout),
  defer: (run) => void setImmediate(run),
}

/** A timer of the host that does not keep the process alive. */
function asleep(handle: unknown): unknown {
  ;(handle as Partial<NodeJS.Timeout> | undefined)?.unref?.()
  return handle
}

function sessionsOf(calls: readonly Call[]): number {
  return calls.reduce(
    (sum, { changes }) => sum + changes.filter(({ session }) => session !== undefined).length,
    0,
  )
}
