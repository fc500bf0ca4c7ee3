/**
 * What the daemon does about what its remote signer and its vault tell: it logs, counts, tells the owner, and listens for others.
 * Never decides on a request.
 */

import { UsageError } from '@nip46/core'
import { takeLinkLabel } from './app-naming.ts'
import type { AuditTail } from './audit-tail.ts'
import type { DuplicateWatch } from './duplicate-watch.ts'
import { logSignerEvent } from './engine-log.ts'
import type { Host } from './host.ts'
import { WATCH_EVERY_MS } from './limits.ts'
import { tellOwner } from './notices.ts'

export interface HearingHost {
  readonly tail: Pick<AuditTail, 'stir'>
  readonly duplicates: Pick<DuplicateWatch, 'watch'> | undefined
  /** Another daemon took the place of this one. */
  readonly onSuperseded: (reason: UsageError) => void
}

export interface Hearing {
  /** Soon listens for the sessions that there are then, and for the lists of their users. */
  watchSoon(): void
  /** Listens for no more of them. */
  close(): void
}

export function hearEvents(host: Host, { tail, duplicates, onSuperseded }: HearingHost): Hearing {
  const { signer, vault, clock, lists, log, storeWatch, uses } = host

  let watchTimer: unknown
  const watchSoon = (): void => {
    watchTimer ??= clock.setTimer(() => {
      watchTimer = undefined
      duplicates?.watch(signer.sessions())
      lists.watch(signer.sessions().map(({ userPubkey }) => userPubkey))
    }, WATCH_EVERY_MS)
  }

  signer.on((event) => {
    logSignerEvent(log, event)
    if (event.type === 'degraded' && event.ailment === 'store') storeWatch.failed(event.cause)
    if (event.type === 'recovered' && event.ailment === 'store') storeWatch.worked()
    tail.stir()
    if (event.type === 'performed' && event.error === null) {
      uses.count(event.clientPubkey, event.subject)
      if (event.subject.eventId !== undefined) lists.done(event.subject.eventId)
      tellOwner(host, event)
    }
    if (event.type === 'session-opened')
      takeLinkLabel(host, event.session).catch((cause) => log.fault('settings', cause))
    if (event.type.startsWith('session-')) watchSoon()
    if (event.type === 'superseded') {
      onSuperseded(
        new UsageError(
          'another daemon was started under the instance name of this one, and goes on in its place: if both are to run, set "instance" of one of them; of a copied data directory only "vault" is meant to be shared',
        ),
      )
    }
  })
  vault.on((event) => {
    if (event.type === 'worker-lost') log.write('error', event.type, { reason: event.reason })
    else
      log.write(event.type === 'wrong-passphrase' ? 'warning' : 'info', event.type, { key: event.key.name })
  })

  return { watchSoon, close: () => clock.clearTimer(watchTimer) }
}
