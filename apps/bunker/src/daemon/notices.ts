/**
 * What the owner is told of although nobody asked for a decision.
 * Never tells of what no rule says is to be told.
 */

import type { RelayUrl } from '@nip46/core'
import { wantsNotice } from '@nip46/policy'
import type { RemoteSignerEvent } from '@nip46/remote-signer'
import type { Host } from './host.ts'
import { DUPLICATE_EVERY_MS } from './limits.ts'

/** What the rule that allowed it says that the owner is to be told of: in the log, and to those who read along. */
export function tellOwner(
  { hub, log, clock, signer, settings }: Host,
  { clientPubkey: client, subject, rule }: Extract<RemoteSignerEvent, { type: 'performed' }>,
): void {
  if (rule === null || !wantsNotice(rule)) return
  const { method, kind, peer } = subject
  log.write('info', 'notice', { clientPubkey: client, method, kind, rule })
  if (!hub.wanted('notices')) return
  const session = signer.sessions().find(({ clientPubkey }) => clientPubkey === client)
  const { name = null, url = null } = session?.metadata ?? {}
  const notice = {
    at: clock.now(),
    clientPubkey: client,
    method,
    kind: kind ?? null,
    peer: peer ?? null,
    rule,
  }
  const label = settings.state.apps[client] ?? ''
  hub.publish({ topic: 'notices', notice: { ...notice, label, claims: { name, url } } })
}

/** Another daemon answers with our keys: in the log, not oftener than every `DUPLICATE_EVERY_MS`. */
export function tellDuplicate(host: Host, signerPubkey: string, relay: RelayUrl): void {
  const now = host.clock.now()
  if (host.duplicateAt !== null && now - host.duplicateAt < DUPLICATE_EVERY_MS) return
  host.duplicateAt = now
  host.log.write('error', 'duplicate-signer', { code: 'signer/duplicate', signerPubkey, relay })
}
