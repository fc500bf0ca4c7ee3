/**
 * One request whose progress is read as it goes.
 * Never changes how the request ends.
 */

import type { CallOptions } from './calls.ts'
import { createEventStream } from './event-stream.ts'
import { quiet } from './host.ts'
import type { RequestStage } from './session-event.ts'

/** A request under way: its stages to read, and what comes of it. */
export interface TrackedRequest<T> extends AsyncIterable<RequestStage> {
  readonly result: Promise<T>
}

/**
 * Makes a request and gives its stages, from `queued` to `settled`; reading them is not needed for it to go on.
 *
 * ```ts
 * const signing = trackRequest((progress) => session.signEvent(template, { timeout: 30_000, ...progress }))
 * for await (const { stage } of signing) showStage(stage)
 * const event = await signing.result
 * ```
 */
export function trackRequest<T>(
  ask: (progress: Required<Pick<CallOptions, 'onStage'>>) => Promise<T>,
): TrackedRequest<T> {
  const stages = createEventStream<RequestStage>()
  const result = quiet(() => ask({ onStage: stages.push }))
  result.then(stages.end, stages.end)
  return { result, [Symbol.asyncIterator]: () => stages }
}
