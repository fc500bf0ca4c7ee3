/**
 * Events and filters as nostr-tools may have them: copies that it can change.
 * Never hands on a member that NIP-01 does not name.
 */

import type { Filter, SignedEvent } from '@nip46/core'

/** The seven members of NIP-01 alone, in arrays that may be changed: nostr-tools writes whatever it is given. */
export function copyEvent(event: SignedEvent): SignedEvent & { tags: string[][] } {
  const { id, pubkey, created_at, kind, tags, content, sig } = event
  return { id, pubkey, created_at, kind, tags: tags.map((tag) => [...tag]), content, sig }
}

export interface OwnFilter extends Filter {
  kinds: number[]
  '#p'?: string[]
  '#k'?: string[]
  authors?: string[]
}

export function copyFilter(filter: Filter): OwnFilter {
  const { kinds, '#p': p, '#k': k, authors, ...rest } = filter
  return {
    kinds: [...kinds],
    ...(p === undefined ? {} : { '#p': [...p] }),
    ...(k === undefined ? {} : { '#k': [...k] }),
    ...(authors === undefined ? {} : { authors: [...authors] }),
    ...rest,
  }
}
