/**
 * The sealed end of an audit chain, or the sealed place where it begins now: who can write to the database but has no key cannot make a shorter or another chain pass.
 * Never covers what was written in the last moments: it is sealed with the next commit, or `limits.ANCHOR_MS` later.
 */

import type { StoreSeal } from '@nip46/core/remote-signer'

export interface Anchor {
  readonly seq: number
  /** 64 hex characters. */
  readonly hash: string
}

type Use = 'anchor' | 'checkpoint'

export function sealAnchor(
  { seq, hash }: Anchor,
  chain: string,
  seal: StoreSeal,
  use: Use = 'anchor',
): Uint8Array {
  return seal.seal(new TextEncoder().encode(JSON.stringify({ seq, hash })), `${use} ${chain}`)
}

/** Undefined if it does not open. */
export function openAnchor(
  sealed: Uint8Array,
  chain: string,
  seal: StoreSeal,
  use: Use = 'anchor',
): Anchor | undefined {
  const opened = seal.open(sealed, `${use} ${chain}`)
  return opened.ok ? (JSON.parse(new TextDecoder().decode(opened.value)) as Anchor) : undefined
}
