/**
 * What a key remembers of its conversations: the port of `conversation-slab.ts` (many) and `conversation-map.ts` (few).
 * Only types.
 */

/** Bounded: the least recently used conversation is overwritten first. */
export interface ConversationTable {
  /** The slot of a peer (64 lowercase hex characters), marked as just used, or undefined. Holds until the next `add`. */
  find(peer: string): number | undefined
  /** Copies both secrets in. The peer is not there yet. */
  add(peer: string, sharedX: Uint8Array, prepared: Uint8Array): number
  /** The unhashed x coordinate of the shared point: a view. */
  sharedX(slot: number): Uint8Array
  /** What NIP-44 keeps of the conversation key: a view. */
  prepared(slot: number): Uint8Array
  /** Overwrites everything and forgets it. */
  clear(): void
}
