/**
 * What happens, as an async iterator: a bounded buffer between who tells and who reads at leisure.
 * Never holds up who tells, and never grows: a reader that is too slow loses the oldest.
 */

import { EVENTS_BUFFERED } from './limits.ts'

/** A bounded buffer of `EVENTS_BUFFERED` events between who pushes and one reader. */
export interface EventStream<T> extends AsyncIterableIterator<T> {
  /** Bound: `onEvent: stream.push`. Without effect after the end. */
  readonly push: (event: T) => void
  /** What is buffered can still be read. */
  readonly end: () => void
  /** Events lost because nobody read them in time. */
  readonly dropped: number
}

/**
 * A stream to push into and to read with `for await`. Leaving the loop ends it.
 *
 * ```ts
 * const events = createEventStream<SessionEvent>()
 * const login = connect(uri, { ...options, onEvent: events.push })
 * for await (const event of events) if (event.type === 'ready') break
 * ```
 */
export function createEventStream<T>(onEnd: () => void = () => undefined): EventStream<T> {
  const buffer: T[] = []
  const readers: ((result: IteratorResult<T>) => void)[] = []
  let ended = false
  let dropped = 0
  const over: IteratorResult<T> = { done: true, value: undefined }

  const end = (): void => {
    if (ended) return
    ended = true
    for (const reader of readers.splice(0)) reader(over)
    onEnd()
  }

  return {
    push(event) {
      if (ended) return
      const reader = readers.shift()
      if (reader !== undefined) {
        reader({ done: false, value: event })
        return
      }
      buffer.push(event)
      if (buffer.length > EVENTS_BUFFERED) {
        buffer.shift()
        dropped += 1
      }
    },
    end,
    get dropped() {
      return dropped
    },
    next() {
      const event = buffer.shift()
      if (event !== undefined) return Promise.resolve({ done: false, value: event })
      return ended ? Promise.resolve(over) : new Promise((resolve) => void readers.push(resolve))
    },
    return() {
      buffer.length = 0
      end()
      return Promise.resolve(over)
    },
    [Symbol.asyncIterator]() {
      return this
    },
  }
}
