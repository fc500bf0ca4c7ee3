/**
 * The operations that stop everything, and let it go on.
 * Never leaves something running because something else could not be stopped.
 */

import type { JsonValue } from '@nip46/core'
import { Fault } from '../../api/fault.ts'
import type { Handlers } from '../../api/operations.ts'
import type { Host } from '../host.ts'
import {
  readSessionPolicy,
  type SessionPolicy,
  suspend,
  unsuspend,
  writeSessionPolicy,
} from '../session-policy.ts'
import type { SettingsState } from '../settings.ts'

type Names = 'host.panic' | 'host.lock-all' | 'host.resume'

export function panicHandlers(host: Host): Pick<Handlers, Names> {
  const { vault, signer, settings, store, brake, log, clock } = host
  /** How often everything was stopped here: what ends a panic must not end one that began after it. */
  let panics = 0
  return {
    'host.panic': async (_input, caller) => {
      panics += 1
      log.write('warning', 'panic', { caller: caller.name })
      // What needs no disk comes first: from here on nothing is allowed, whatever else fails.
      const requests = brake.pull()
      const first = await Promise.allSettled([
        vault.lockAll(),
        // From here on other daemons on the store commit nothing before they have stopped as well.
        // Always a new time: the panic that is known here may have been ended elsewhere, or be about to be.
        settings.change((state) => ({ ...state, panicAt: Math.max(clock.now(), (state.panicAt ?? 0) + 1) }), {
          fenceOthers: true,
        }),
      ])
      // That an earlier one was ended elsewhere may have been heard meanwhile.
      brake.pull()
      // What others did before that is stopped too.
      const known = await Promise.allSettled([signer.refresh()])
      const open = signer.offers().filter((offer) => !offer.withdrawn && offer.usedBy === null)
      const apps = new Set(signer.sessions().map(({ clientPubkey }) => clientPubkey))
      const rest = await Promise.allSettled([
        ...open.map((offer) => signer.withdraw(offer.token)),
        ...[...apps].map((client) =>
          signer.setPolicy(
            client,
            changing((policy) => suspend(policy, { until: null, by: 'panic' })),
          ),
        ),
      ])
      const failed = [...first, ...known, ...rest].flatMap((each) =>
        each.status === 'rejected' ? [each.reason as unknown] : [],
      )
      for (const cause of failed) log.fault('panic-incomplete', cause)
      if (failed.length > 0)
        throw new Fault(
          503,
          'panic/incomplete',
          store.facts.daemons.length > 1
            ? 'nothing is allowed by this daemon, but not all of it could be stored: other daemons may go on; stop them, or call panic again'
            : 'nothing is allowed while this daemon runs, but not all of it could be stored: call panic again before you stop it',
        )
      const [keys] = first
      return {
        keys: keys.status === 'fulfilled' ? keys.value : 0,
        links: open.length,
        apps: apps.size,
        requests,
      }
    },
    'host.lock-all': async (_input, caller) => {
      log.write('info', 'lock-all', { caller: caller.name })
      const keys = await vault.lockAll()
      if (store.store.sharing === undefined) return { keys }
      try {
        await settings.change(
          (state) => ({ ...state, lockedAt: Math.max(clock.now(), (state.lockedAt ?? 0) + 1) }),
          { fenceOthers: true },
        )
      } catch (cause) {
        log.fault('lock-all-incomplete', cause)
        throw new Fault(
          503,
          'lock-all/incomplete',
          'the keys of this daemon are locked, but other daemons could not be told: call lock-all there',
        )
      }
      return { keys }
    },
    'host.resume': async (_input, caller) => {
      log.write('warning', 'resume', { caller: caller.name })
      const ended = panics
      await settings.refresh()
      const { panicAt } = settings.state
      await signer.refresh()
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
      const isEnded = (state: SettingsState): boolean => state.panicAt === panicAt && panics === ended
      await settings.change((state) => (isEnded(state) ? { ...state, panicAt: null } : state))
      if (settings.state.panicAt !== null || panics !== ended)
        throw new Fault(409, 'host/panic', 'everything was stopped again meanwhile: "resume" ends that too')
      brake.release()
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
