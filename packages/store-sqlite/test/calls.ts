/**
 * The n-th call of the tests' processes, and what must be there of it: all or nothing.
 * Never two calls that touch the same record.
 */

import type { Pubkey, RelayUrl } from '@nip46/core'
import type { SignerSession, StoreChange } from '@nip46/core/remote-signer'

export const FIRST_LINE = 'open'
export const CANARY = 'canary-plaintext-9f2c'

export function hexOf(kind: string, n: number): string {
  return Buffer.from(`${kind}-${n}`.padEnd(32, '.')).toString('hex')
}

const RELAY = 'wss://relay.example/' as RelayUrl

export function sessionOf(n: number): SignerSession {
  return {
    v: 1,
    signerPubkey: hexOf('signer', 0) as Pubkey,
    clientPubkey: hexOf('client', n) as Pubkey,
    metadata: { name: CANARY },
    ledger: {
      chunks: [{ a: { digest: 'd', text: CANARY, at: 1, relays: [RELAY], resends: 0 } }, {}],
      chars: 3,
    },
  } as unknown as SignerSession
}

/** One change with something of everything. */
export function callOf(n: number): readonly StoreChange[] {
  const signerPubkey = hexOf('signer', 0) as Pubkey
  const clientPubkey = hexOf('client', n) as Pubkey
  const facts = { at: 1_000, signerPubkey, userPubkey: hexOf('user', 0) as Pubkey, clientPubkey }
  return [
    {
      claims: [{ eventId: hexOf('event', n), signerPubkey, clientPubkey, requestId: CANARY, at: Date.now() }],
      session: { signerPubkey, clientPubkey, revision: 0, before: null, after: sessionOf(n) },
      keys: [
        {
          pubkey: clientPubkey,
          secret: new Uint8Array(Buffer.from('canary-secret'.padEnd(32))),
          createdAt: 1,
        },
      ],
      clients: [clientPubkey],
      outbox: [
        {
          id: `answer-${n}`,
          signerPubkey,
          to: clientPubkey,
          relays: [RELAY],
          scheme: 'nip44',
          text: CANARY,
          at: Date.now(),
        },
      ],
      audit: [{ type: 'session-ended', reason: `call ${n}`, ...facts }],
    },
  ]
}
