/**
 * The handlers of the API while the daemon starts and stops.
 * Never runs an operation that the daemon is not ready for.
 */

import type { Handlers, OperationName } from '../api/operations.ts'

/** Every operation behind one question that is asked first. */
export function gated(handlers: Handlers, expectOpen: () => void): Handlers {
  const guarded = Object.entries(handlers).map(([name, run]) => [
    name,
    (input: never, caller: never) => {
      if (!ALWAYS.includes(name as OperationName)) expectOpen()
      return (run as (input: never, caller: never) => unknown)(input, caller)
    },
  ])
  return Object.fromEntries(guarded) as Handlers
}

/** What is answered also while the daemon starts and stops. */
const ALWAYS: readonly OperationName[] = ['status.get', 'health.get']
