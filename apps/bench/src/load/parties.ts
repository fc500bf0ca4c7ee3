/**
 * Who takes part in a load: one remote signer, one user, some clients, the same for every bunker.
 * Test keys of one run, in hex: they travel between the processes of the harness.
 */

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
