/**
 * What happens in a session, read with `for await`.
 * Never holds the session up.
 */

import type { BunkerSession } from './bunker-session.ts'
import { createEventStream, type EventStream } from './event-stream.ts'
import type { SessionEvent } from './session-event.ts'

/**
 * The events of a session from here on, until it ends. Leaving the loop ends the reading. Throws `UsageError` if
 * `EVENT_LISTENERS` listen already.
 *
 * ```ts
 * for await (const event of readEvents(session)) if (event.type === 'relay') console.log(event.relay, event.live)
 * ```
 */
export function readEvents(session: Pick<BunkerSession, 'listen' | 'state'>): EventStream<SessionEvent> {
  const stream: EventStream<SessionEvent> = createEventStream(() => stop())
  const stop = session.listen((event) => {
    stream.push(event)
    if (event.type === 'ended') stream.end()
  })
  if (session.state === 'closed') stream.end()
  return stream
}
