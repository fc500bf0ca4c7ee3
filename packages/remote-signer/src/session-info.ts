/**
 * A session as the host may see it.
 * Never shows answers, tokens or requests.
 */

import type { SignerSession } from '@nip46/core/remote-signer'
import type { SessionInfo } from './signer-event.ts'

export function sessionInfo(session: SignerSession): SessionInfo {
  const { signerPubkey, clientPubkey, userPubkey, phase, scheme, granted, requested, metadata } = session
  const { policy, relays, pairedAt, expiresAt } = session
  const pending = Object.keys(session.pending).length
  return {
    signerPubkey,
    clientPubkey,
    userPubkey,
    phase,
    scheme,
    granted,
    policy,
    requested,
    metadata,
    relays,
    pairedAt,
    expiresAt,
    pending,
  }
}
