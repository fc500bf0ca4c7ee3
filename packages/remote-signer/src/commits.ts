/**
 * The way to the store: what is under way, whether this process may commit at all, and what was published since it was last told.
 * Never decides what is stored, and never tries again: whoever asked for a commit learns how it went.
 */

import { type Clock, err, type Millis, ok, type Result } from '@nip46/core'
import type { CommitOutcome, SignerStore, StoreChange } from '@nip46/core/remote-signer'
import { closedError } from './error.ts'
import type { Reporter } from './reporter.ts'

export interface Commits {
  /**
   * Stores these in one call, each as a whole or not at all. `settle` gets one outcome for each of them, in order, or why there are
   * none, before anybody who waits in {@link idle} goes on.
   */
  commitAll(
    changes: readonly StoreChange[],
    at: Millis,
    settle: (outcomes: Result<readonly CommitOutcome[], unknown>) => void,
  ): Promise<void>
  /** A change beside any lane. Rejects if it could not be stored; never touches a session. After `fenced` see {@link readmitted}. */
  commit(change: StoreChange): Promise<CommitOutcome>
  /** Whether nothing may be stored for now, since others may be at it. */
  readonly suspended: boolean
  suspend(): void
  resume(): void
  /** Resolves once this process may commit: at once, or when it has joined again. Rejects if it cannot, for now. */
  readmitted(): Promise<void>
  /** Tells whoever waits for that that it cannot, for now. */
  refuse(cause: unknown): void
  /** An outbox entry was published or given up. */
  noteOutbox(id: string): void
  /** Tells the store what was published. */
  flush(): Promise<void>
  /** Resolves when no commit is under way. */
  idle(): Promise<void>
  close(cause: unknown): void
}

export interface CommitsHost {
  readonly store: SignerStore
  readonly clock: Clock
  readonly now: () => Millis
  readonly reporter: Reporter
  /** The store refused a commit, since others may have taken over. */
  readonly onFenced: () => void
}

/** Published answers that the store is not told of before the next commit, and how long, in milliseconds: after a crash they go out again. */
const PUBLISHED_UNTOLD = 64
const PUBLISHED_UNTOLD_MS = 250

export function createCommits({ store, clock, now, reporter, onFenced }: CommitsHost): Commits {
  const idlers = new Set<() => void>()
  /** Wait until this process may commit again. Called without an argument once it may. */
  const outsiders = new Set<(cause?: unknown) => void>()
  const published: string[] = []
  let underWay = 0
  let suspended = false
  let telling: unknown
  let closed = false

  const commitAll: Commits['commitAll'] = async (changes, at, settle) => {
    const told = suspended ? [] : published.splice(0)
    if (changes.length + told.length === 0) return
    underWay += 1
    let outcomes: Result<readonly CommitOutcome[], unknown>
    try {
      const all = told.length === 0 ? changes : [...changes, { published: told }]
      outcomes = ok(await store.commit(all, at))
      if (outcomes.value[changes.length]?.type === 'fenced') published.push(...told)
    } catch (cause) {
      outcomes = err(cause)
      published.push(...told)
      if (!closed) reporter.ail('store', cause)
    }
    underWay -= 1
    if (!closed && outcomes.ok) reporter.heal('store')
    settle(outcomes)
    wakeIdlers()
  }

  const tell = (): Promise<void> => commitAll([], now(), () => undefined)

  const wakeIdlers = (): void => {
    if (underWay > 0) return
    for (const idler of idlers) idler()
    idlers.clear()
  }

  const readmit = (cause?: unknown): void => {
    for (const settle of outsiders) settle(cause)
    outsiders.clear()
  }

  return {
    commitAll,
    async commit(change) {
      underWay += 1
      try {
        const [outcome] = await store.commit([change], now())
        if (outcome === undefined) throw new Error('the store gave no outcome')
        if (outcome.type === 'fenced') onFenced()
        else reporter.heal('store')
        return outcome
      } catch (cause) {
        if (!closed) reporter.ail('store', cause)
        throw cause
      } finally {
        underWay -= 1
        wakeIdlers()
      }
    },
    get suspended() {
      return suspended
    },
    suspend() {
      suspended = true
    },
    resume() {
      suspended = false
      readmit()
    },
    readmitted() {
      if (closed) return Promise.reject(closedError())
      if (!suspended) return Promise.resolve()
      return new Promise((resolve, reject) => {
        outsiders.add((cause) => (cause === undefined ? resolve() : reject(cause)))
      })
    },
    refuse: readmit,
    noteOutbox(id) {
      published.push(id)
      if (closed) return
      if (published.length >= PUBLISHED_UNTOLD) void tell()
      else
        telling ??= clock.setTimer(() => {
          telling = undefined
          if (!closed && published.length > 0) void tell()
        }, PUBLISHED_UNTOLD_MS)
    },
    flush: tell,
    idle() {
      if (underWay === 0) return Promise.resolve()
      return new Promise((resolve) => idlers.add(resolve))
    },
    close(cause) {
      closed = true
      readmit(cause)
      clock.clearTimer(telling)
    },
  }
}
