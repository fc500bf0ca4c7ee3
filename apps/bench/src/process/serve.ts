/**
 * The child's side: handlers by name, one answer for each question.
 * Never outlives its parent.
 */

import type { Answer, Question } from './child.ts'

export type Handlers = Readonly<Record<string, (argument: never) => unknown>>

export function serve(handlers: Handlers): void {
  process.on('message', (message) => {
    void answer(handlers, message as Question)
  })
  process.once('disconnect', () => process.exit(0))
}

async function answer(handlers: Handlers, { id, deed, argument }: Question): Promise<void> {
  const reply = (message: Answer): void => {
    process.send?.(message)
  }
  try {
    const handler = handlers[deed] as ((argument: unknown) => unknown) | undefined
    if (handler === undefined) throw new Error(`nothing here is called ${deed}`)
    reply({ id, value: await handler(argument) })
  } catch (cause) {
    reply({ id, error: tell(cause) })
  }
}

/** What went wrong with what lay beneath it, each with its code. */
function tell(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause)
  const { code } = cause as { readonly code?: unknown }
  const own = typeof code === 'string' ? `${cause.message} (${code})` : cause.message
  return cause.cause === undefined ? own : `${own}: ${tell(cause.cause)}`
}

export interface Usage {
  /** Microseconds of processor time since the process began. */
  readonly cpu: number
  readonly rssBytes: number
}

export function usage(): Usage {
  const { user, system } = process.cpuUsage()
  return { cpu: user + system, rssBytes: process.memoryUsage.rss() }
}
