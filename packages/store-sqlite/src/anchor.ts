/**
 * A place in the audit chain, sealed: who has only the file cannot make one, so a chain that was cut or made anew is noticed.
 * Never says what the records are.
 */

import type { StoreSeal } from '@nip46/core/remote-signer'
import type { ChainPoint } from './message.ts'

export type Anchor = ChainPoint
type Use = 'anchor' | 'checkpoint'

export function createAnchor(
  seal: StoreSeal,
  chain: string,
  { seq, hash }: ChainPoint,
  use: Use = 'anchor',
): Uint8Array {
  return seal.seal(new TextEncoder().encode(`${seq} ${hash}`), `${use} ${chain}`)
}

/** Undefined if there is none, or none of this chain. */
export function openAnchor(
  seal: StoreSeal,
  chain: string,
  sealed: Uint8Array | null,
  use: Use = 'anchor',
): Anchor | undefined {
  const opened = sealed === null ? undefined : seal.open(sealed, `${use} ${chain}`)
  if (opened?.ok !== true) return undefined
  const [seq, hash] = new TextDecoder().decode(opened.value).split(' ')
  return seq === undefined || hash === undefined ? undefined : { seq: Number(seq), hash }
}
