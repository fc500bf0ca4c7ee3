/**
 * Compatibility profiles: what each era of NIP-46 did differently, as flags chosen for one connection.
 * Never global: one peer's dialect says nothing about another's.
 */

import type { Scheme } from './value.ts'

/** Eras of the text: A0 2023-02, A1 2023-11, SEED 2024-02-06, B 2024-02-20, C 2024-10, D 2024-12, E 2026-01. */
export type Era = 'A0' | 'A1' | 'SEED' | 'B' | 'C' | 'D' | 'E'

/** The habits of a client of one era of the protocol; `clientProfile(era)` makes one. */
export interface ClientProfile {
  readonly era: Era
  /** How requests are encrypted. Answers in the other scheme are dropped. */
  readonly scheme: Scheme
  /** What the first connect param holds. */
  readonly connectParam: 'remote-signer' | 'client' | 'user'
  /** Send client metadata as the fourth connect param. */
  readonly connectMetadata: boolean
  /** On a nostrconnect:// offer, take `ack` instead of the secret. Anyone who saw the offer can then pose as the signer. */
  readonly allowLegacyAck: boolean
  /** If get_public_key is not supported, take the remote signer's pubkey for the user's. */
  readonly userPubkeyFallback: boolean
  /** Ask for switch_relays after connecting. */
  readonly switchRelays: boolean
  /**
   * Send sign_event again, under the same request id, if every relay was lost before the answer came. Remote signers that
   * know request ids answer from memory; one that does not may ask its user twice about the same event.
   */
  readonly resendSignEvent: 'after-outage' | 'never'
  /** What to send on logout. */
  readonly logout: 'logout' | 'disconnect' | 'none'
}

/** How a remote signer treats one session, by the dialect of its client. */
export interface SignerProfile {
  readonly era: Era
  /** Params and ids of other JSON types are converted; such a request is answered in the same shape. */
  readonly acceptNative: boolean
  /** `disconnect` is an alias of `logout`. */
  readonly disconnect: boolean
}

/** What a client does unless it is told otherwise: today's text. */
export const CURRENT_PROFILE: ClientProfile = {
  era: 'E',
  scheme: 'nip44',
  connectParam: 'remote-signer',
  connectMetadata: true,
  allowLegacyAck: false,
  userPubkeyFallback: false,
  switchRelays: true,
  resendSignEvent: 'after-outage',
  logout: 'logout',
}

/** The preset of an era, for one connection of a client. `E` is {@link CURRENT_PROFILE}. */
export function clientProfile(era: Era, overrides: Partial<ClientProfile> = {}): ClientProfile {
  const nip04Era = {
    scheme: 'nip04',
    connectMetadata: false,
    userPubkeyFallback: true,
    switchRelays: false,
    logout: 'none',
  } as const
  const changes: Readonly<Record<Era, Partial<ClientProfile>>> = {
    A0: { ...nip04Era, connectParam: 'client', logout: 'disconnect' },
    A1: { ...nip04Era, connectParam: 'client' },
    SEED: nip04Era,
    B: { ...nip04Era, connectParam: 'user' },
    C: { connectMetadata: false, switchRelays: false, logout: 'none' },
    D: { connectMetadata: false },
    E: {},
  }
  return { ...CURRENT_PROFILE, ...changes[era], era, ...overrides }
}

/** The preset of an era, for one session of a remote signer. */
export function signerProfile(era: Era, overrides: Partial<SignerProfile> = {}): SignerProfile {
  return { era, acceptNative: era === 'A0', disconnect: era === 'A0', ...overrides }
}
