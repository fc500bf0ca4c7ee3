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
export function createEventStream<T>(onEnd?: () => void): EventStream<T> {
  const buffer: T[] = []
  let dropped = 0
  let ended = false
  let wake: (() => void) | undefined

  const events = (async function* () {
    while (buffer.length > 0 || !ended) {
      if (buffer.length > 0) yield buffer.shift() as T
      else
        await new Promise<void>((resolve) => {
          wake = resolve
        })
    }
  })()

  const end = (): void => {
    if (ended) return
    ended = true
    wake?.()
    onEnd?.()
  }

  return {
    push(event) {
      if (ended) return
      if (buffer.push(event) > EVENTS_BUFFERED) {
        buffer.shift()
        dropped += 1
      }
      wake?.()
    },
    end,
    get dropped() {
      return dropped
    },
    next: () => events.next(),
    return() {
      buffer.length = 0
      end()
      return events.return(undefined)
    },
    [Symbol.asyncIterator]() {
      return this
    },
  }
}
