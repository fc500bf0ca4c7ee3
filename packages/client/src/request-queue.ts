/**
 * Who may go next: a bounded queue with two priorities, of which the low one never takes every place.
 * Never looks into what it queues, and keeps no time.
 */

/** `low` is for work in bulk: it leaves places free for what a person waits for. */
export type Priority = 'high' | 'low'

export interface RequestQueueOptions {
  /** Items under way at the same time. */
  readonly concurrency: number
  /** Of these, places that `low` never takes. */
  readonly reserved: number
  /** Items that wait; the next one is refused. */
  readonly max: number
}

export interface RequestQueue<T> {
  /** False if it is full. */
  add(item: T, priority: Priority): boolean
  /** The next one that may start, which counts as under way from here on. In order, `high` first. */
  take(): T | undefined
  /** It is done, or given up while it waited. */
  end(item: T): void
  isWaiting(item: T): boolean
}

export function createRequestQueue<T>({ concurrency, reserved, max }: RequestQueueOptions): RequestQueue<T> {
  const waiting = { high: new Set<T>(), low: new Set<T>() }
  const running = { high: new Set<T>(), low: new Set<T>() }

  const next = (): Priority | undefined => {
    const busy = running.high.size + running.low.size
    if (busy >= concurrency) return undefined
    if (waiting.high.size > 0) return 'high'
    return waiting.low.size > 0 && running.low.size < concurrency - reserved ? 'low' : undefined
  }

  return {
    add(item, priority) {
      const mayWait = waiting.high.size + waiting.low.size < max
      if (mayWait) waiting[priority].add(item)
      return mayWait
    },
    take() {
      const priority = next()
      if (priority === undefined) return undefined
      const [item] = waiting[priority]
      if (item === undefined) return undefined
      waiting[priority].delete(item)
      running[priority].add(item)
      return item
    },
    end(item) {
      for (const group of [waiting.high, waiting.low, running.high, running.low]) group.delete(item)
    },
    isWaiting: (item) => waiting.high.has(item) || waiting.low.has(item),
  }
}
