/**
 * The operations on requests that wait for the owner.
 * Never decides on anything but what was shown.
 */

import type { Handlers } from '../../api/operations.ts'
import type { Host } from '../host.ts'

type Names = 'request.list' | 'request.show' | 'request.approve' | 'request.deny'

export function requestHandlers({ desk, log }: Host): Pick<Handlers, Names> {
  const settle =
    (allow: boolean): Handlers['request.approve'] =>
    async ({ id, hash, remember }, caller) => {
      const decided = await desk.settle(id, hash, allow, remember)
      log.write('info', 'request-decided', {
        code: decided.decision,
        caller: caller.name,
        count: 1 + decided.also.length,
      })
      return decided
    }
  return {
    'request.list': () => ({ requests: desk.list() }),
    'request.show': ({ id }) => desk.show(id),
    'request.approve': settle(true),
    'request.deny': settle(false),
  }
}
