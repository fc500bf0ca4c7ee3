/**
 * The operations that stop everything, and let it go on.
 * Never leaves something running because something else could not be stopped.
 */

import type { JsonValue } from '@nip46/core'
import { Fault } from '../../api/fault.ts'
import type { Handlers } from '../../api/server.ts'
import type { Host } from '../host.ts'
import {
  readSessionPolicy,
  type SessionPolicy,
  suspend,
  unsuspend,
  writeSessionPolicy,
} from '../session-policy.ts'

type Names = 'host.panic' | 'host.lock-all' | 'host.resume'

export function panicHandlers(host: Host): Pick<Handlers, Names> {
  const { vault, signer, desk, settings, browsers, log, clock } = host
  return {
    'host.panic': async (_input, caller) => {
      log.write('warning', 'panic', { caller: caller.name })
      // What needs no disk comes first: from here on nothing is allowed, whatever else fails.
      const requests = desk.stop()
      const open = signer.offers().filter((offer) => !offer.withdrawn && offer.usedBy === null)
      const apps = new Set(signer.sessions().map(({ clientPubkey }) => clientPubkey))
      browsers.clear()
      const [keys, ...others] = await Promise.allSettled([
        vault.lockAll(),
        settings.change((state) => ({ ...state, panicAt: state.panicAt ?? clock.now() })),
        ...open.map((offer) => signer.withdraw(offer.token)),
        ...[...apps].map((client) =>
          signer.setPolicy(
            client,
            changing((policy) => suspend(policy, { until: null, by: 'panic' })),
          ),
        ),
      ])
      const failed = [keys, ...others].flatMap((each) =>
        each.status === 'rejected' ? [each.reason as unknown] : [],
      )
      for (const cause of failed) log.fault('panic-incomplete', cause)
      if (failed.length > 0)
        throw new Fault(
          503,
          'panic/incomplete',
          'nothing is allowed while this daemon runs, but not all of it could be stored: call panic again before you stop it',
        )
      return {
        keys: keys.status === 'fulfilled' ? keys.value : 0,
        links: open.length,
        apps: apps.size,
        requests,
      }
    },
    'host.lock-all': async (_input, caller) => {
      log.write('info', 'lock-all', { caller: caller.name })
      return { keys: await vault.lockAll() }
    },
    'host.resume': async (_input, caller) => {
      log.write('warning', 'resume', { caller: caller.name })
      const suspended = signer
        .sessions()
        .filter(
          ({ policy }) => readSessionPolicy(policy)?.suspensions.some(({ by }) => by === 'panic') === true,
        )
      const apps = new Set(suspended.map(({ clientPubkey }) => clientPubkey))
      await Promise.all(
        [...apps].map((client) =>
          signer.setPolicy(
            client,
            changing((policy) => unsuspend(policy, 'panic')),
          ),
        ),
      )
      await settings.change((state) => ({ ...state, panicAt: null }))
      desk.resume()
      return { apps: apps.size }
    },
  }
}

/** A session without a policy that can be read is denied everything anyway, and stays so. */
function changing(
  change: (policy: SessionPolicy) => SessionPolicy,
): (json: JsonValue | null) => JsonValue | null {
  return (json) => {
    const policy = readSessionPolicy(json)
    return policy === null ? json : writeSessionPolicy(change(policy))
  }
}
