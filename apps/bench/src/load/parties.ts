/**
 * Who takes part in a load: one remote signer, one user, some clients, the same for every bunker.
 * Test keys of one run, in hex: they travel between the processes of the harness.
 */

import type { StoreChoice } from './store-choice.ts'

export interface Parties {
  readonly signer: string
  readonly user: string
  readonly clients: readonly PartyClient[]
}

export interface PartyClient {
  readonly secretKey: string
  readonly pubkey: string
}

/** Every client presents the token of its own offer; bunkers with one token for all are told a common one. */
export const TOKEN = '5f2c9d0a7be1438692ac0e4d6b81f357'

/** What a bunker's process is started with. */
export interface BunkerArgument {
  readonly relay: string
  /** Of our own bunker. */
  readonly backend: string
  readonly parties: Parties
}

/** What ours is started with besides. */
export interface OwnArgument extends BunkerArgument {
  /** Default: memory. */
  readonly store?: StoreChoice
  /** More relays that it listens on. */
  readonly moreRelays?: readonly string[]
  /** Whether it makes a token for each client. Default true; false after a restart, or beside another one. */
  readonly offers?: boolean
  /** Its key takes so many milliseconds for each signature, one after the other, as a smart card does. Default none. */
  readonly signMs?: number
  /** A policy lets each client sign so often. Default: no policy. */
  readonly uses?: number
}

/** How the clients reach a bunker: the token of each, in the order of the clients. */
export interface BunkerReady {
  readonly tokens: readonly string[]
  readonly remark: string | null
}

export function fromHex(hex: string): Uint8Array {
  return Uint8Array.from(Buffer.from(hex, 'hex'))
}

export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}
