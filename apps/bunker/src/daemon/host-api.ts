/**
 * The API and the pages of one daemon, made of its running parts.
 * Never answers an operation before the daemon is started, nor while it stops.
 */

import { Fault } from '../api/fault.ts'
import { createPages } from '../api/pages.ts'
import { createApiServer } from '../api/server.ts'
import type { AuditTail } from './audit-tail.ts'
import { gated } from './gate.ts'
import { createHandlers } from './handlers/index.ts'
import type { Host } from './host.ts'
import { listenOr } from './listen.ts'

export interface HostApi {
  /** From now on every operation is answered; before, only those that tell how the daemon is doing. */
  open(): void
  listenOnSocket(path: string): Promise<void>
  /** Where it is, or null if the settings turn it off. */
  listenOnHttp(): Promise<string | null>
  close(graceMs: number): Promise<void>
}

export function createHostApi(host: Host, tail: AuditTail): HostApi {
  const { desk, browsers, clock, log, tokens, hub, version, status } = host
  const { http, publicUrl } = host.loaded.config
  let isOpen = false
  const api = createApiServer({
    handlers: gated(createHandlers(host), () => {
      if (host.isDraining) throw new Fault(503, 'daemon/stopping', 'the daemon is stopping')
      if (!isOpen) throw new Fault(503, 'daemon/starting', 'the daemon is starting: try again in a moment')
    }),
    tokens,
    hub,
    tail,
    status,
    version,
    clock,
    onFault: (operation, cause) => log.fault('api-fault', cause, { operation }),
  })
  const pages = createPages({
    browsers,
    clock,
    isSecure: publicUrl?.startsWith('https:') === true,
    list: desk.list,
    show: desk.show,
    async settle(id, hash, allow, remember, by) {
      const decided = await desk.settle(id, hash, allow, remember)
      log.write('info', 'request-decided', {
        code: decided.decision,
        caller: by,
        count: 1 + decided.also.length,
      })
      return decided
    },
  })
  return {
    open() {
      isOpen = true
    },
    listenOnSocket: api.listenOnSocket,
    listenOnHttp: async () =>
      http === null
        ? null
        : listenOr('http', http, () =>
            api.listenOnHttp({ ...http, pages, ...(publicUrl !== null && { publicUrl }) }),
          ),
    close: api.close,
  }
}
