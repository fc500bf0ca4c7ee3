/**
 * Apps as the API shows them, and what is on record about them.
 * Never changes anything.
 */

import { encodePermissions, type Pubkey } from '@nip46/core'
import type { AuditEntry } from '@nip46/core/remote-signer'
import type { SessionInfo } from '@nip46/remote-signer'
import { Fault } from '../../api/fault.ts'
import type { AppDetail, AppView, PolicyView } from '../../api/shapes.ts'
import type { Host } from '../host.ts'
import { TRIM_ENTRIES } from '../limits.ts'
import { readSessionPolicy, suspendedUntil, viewPolicy } from '../session-policy.ts'

/** Those of this client; 404 if there are none. */
export function sessionsOf({ signer }: Host, client: string): readonly [SessionInfo, ...SessionInfo[]] {
  const [first, ...more] = signer.sessions().filter(({ clientPubkey }) => clientPubkey === client)
  if (first === undefined) throw new Fault(404, 'app/unknown', 'no such app is connected: see "app list"')
  return [first, ...more]
}

export function viewApp(host: Host, client: Pubkey): AppView {
  const { settings, clock } = host
  const sessions = sessionsOf(host, client)
  const [{ metadata, userPubkey, signerPubkey, phase, pairedAt, expiresAt }] = sessions
  const now = clock.now()
  return {
    clientPubkey: client,
    label: settings.state.apps[client] ?? '',
    claims: { name: metadata?.name ?? null, url: metadata?.url ?? null },
    userPubkey,
    signerPubkey,
    phase,
    legacyEncryption: sessions.some(({ scheme }) => scheme === 'nip04'),
    relays: [...new Set(sessions.flatMap(({ relays }) => relays))],
    pairedAt,
    expiresAt,
    pending: sessions.reduce((sum, { pending }) => sum + pending, 0),
    suspended: sessions.some(({ policy }) => {
      const read = readSessionPolicy(policy)
      return read !== null && suspendedUntil(read, now) !== undefined
    }),
  }
}

export function showApp(host: Host, client: Pubkey): AppDetail {
  const [{ requested, granted }] = sessionsOf(host, client)
  const inTerms = (permissions: SessionInfo['requested']): readonly string[] =>
    permissions.map((permission) => encodePermissions([permission]))
  return {
    ...viewApp(host, client),
    policy: policyOf(host, client),
    requested: inTerms(requested),
    granted: inTerms(granted),
    origins: host.settings.state.origins[client] ?? [],
    used: host.uses.of(client),
  }
}

export function policyOf(host: Host, client: Pubkey): PolicyView {
  const [{ policy }] = sessionsOf(host, client)
  return viewPolicy(host.book, policy, host.clock.now())
}

/** The newest entries about a client, at most `TRIM_ENTRIES`, the oldest first. */
export async function entriesOf(
  { store }: Host,
  client?: Pubkey,
  since?: number,
): Promise<readonly AuditEntry[]> {
  const found: AuditEntry[] = []
  let after: number | undefined
  while (found.length < TRIM_ENTRIES) {
    const page = await store.audit.readAudit({
      order: 'newest',
      ...(after !== undefined && { after }),
      filter: {
        ...(client !== undefined && { clientPubkey: client }),
        ...(since !== undefined && { since }),
      },
    })
    found.push(...page.entries)
    if (page.next === null) break
    after = page.next
  }
  return found.slice(0, TRIM_ENTRIES).reverse()
}
