/**
 * Every operation of the API with what does it.
 */

import type { Handlers } from '../../api/operations.ts'
import { checkHealth, diagnose } from '../health.ts'
import type { Host } from '../host.ts'
import { accessHandlers } from './access.ts'
import { appHandlers } from './apps.ts'
import { backupHandlers } from './backups.ts'
import { keyHandlers } from './keys.ts'
import { linkHandlers } from './links.ts'
import { panicHandlers } from './panic.ts'
import { policyHandlers } from './policies.ts'
import { relayHandlers } from './relays.ts'
import { requestHandlers } from './requests.ts'

export function createHandlers(host: Host): Handlers {
  return {
    'status.get': () => host.status(),
    'health.get': () => {
      const checks = checkHealth(host)
      return { ready: checks.every(({ ok }) => ok), checks }
    },
    'doctor.get': () => ({ findings: diagnose(host) }),
    ...keyHandlers(host),
    ...linkHandlers(host),
    ...appHandlers(host),
    ...requestHandlers(host),
    ...policyHandlers(host),
    ...relayHandlers(host),
    ...backupHandlers(host),
    ...panicHandlers(host),
    ...accessHandlers(host),
  }
}
