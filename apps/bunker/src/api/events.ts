/**
 * What happens, to those who read along: server-sent events.
 * Never waits for a reader, and never keeps more for one than `STREAM_BACKLOG_BYTES`.
 */

import type { ServerResponse } from 'node:http'
import type { Clock } from '@nip46/core'
import { STREAM_BACKLOG_BYTES, STREAM_BEAT_MS, STREAMS } from './limits.ts'
import type { StreamMessage, Topic } from './shapes.ts'

export interface EventHub {
  publish(message: StreamMessage): void
  /** Whether anybody reads this topic: what nobody reads need not be made. */
  wanted(topic: Topic): boolean
  /** Answers with a stream; false if there are as many as there may be. */
  open(response: ServerResponse, topics: readonly Topic[]): boolean
  close(): void
  readonly size: number
}

interface Reader {
  readonly response: ServerResponse
  readonly topics: ReadonlySet<Topic>
}

export function createEventHub(clock: Clock): EventHub {
  const readers = new Set<Reader>()
  let beat: unknown

  const write = (reader: Reader, text: string): void => {
    const { response } = reader
    response.write(text)
    if (response.writableLength <= STREAM_BACKLOG_BYTES) return
    readers.delete(reader)
    response.destroy()
  }

  const onBeat = (): void => {
    for (const reader of readers) write(reader, ': still here\n\n')
    beat = readers.size === 0 ? undefined : clock.setTimer(onBeat, STREAM_BEAT_MS)
  }

  return {
    publish(message) {
      let text: string | undefined
      for (const reader of readers) {
        if (!reader.topics.has(message.topic)) continue
        text ??= `event: ${message.topic}\ndata: ${JSON.stringify(message)}\n\n`
        write(reader, text)
      }
    },
    wanted: (topic) => [...readers].some(({ topics }) => topics.has(topic)),
    open(response, topics) {
      if (readers.size >= STREAMS) return false
      const reader = { response, topics: new Set(topics) }
      readers.add(reader)
      response.on('close', () => readers.delete(reader))
      response.writeHead(200, { 'content-type': 'text/event-stream', 'x-accel-buffering': 'no' })
      response.write(': reading along\n\n')
      beat ??= clock.setTimer(onBeat, STREAM_BEAT_MS)
      return true
    },
    close() {
      clock.clearTimer(beat)
      beat = undefined
      for (const { response } of readers) response.end()
      readers.clear()
    },
    get size() {
      return readers.size
    },
  }
}
