/**
 * The conversations that one key remembers, for a key that has few: an array of bytes each, in a map.
 * Never grows past its limit, and overwrites whatever leaves.
 */

import { unmovedBytes } from './bytes.ts'
import { createCache } from './cache.ts'
import type { ConversationTable } from './conversation-table.ts'

const SHARED_BYTES = 32

/** `limit` is from 1. */
export function createConversationMap(limit: number, preparedBytes: number): ConversationTable {
  const secrets = new Map<number, Uint8Array>()
  let next = 0
  const slots = createCache<number>(limit, (slot) => {
    secrets.get(slot)?.fill(0)
    secrets.delete(slot)
  })
  const part = (slot: number, from: number, to: number): Uint8Array =>
    (secrets.get(slot) as Uint8Array).subarray(from, to)
  return {
    find: (peer) => slots.get(peer),
    add(peer, sharedX, prepared) {
      const both = unmovedBytes(SHARED_BYTES + preparedBytes)
      both.set(sharedX)
      both.set(prepared, SHARED_BYTES)
      secrets.set(next, both)
      slots.set(peer, next)
      return next++
    },
    sharedX: (slot) => part(slot, 0, SHARED_BYTES),
    prepared: (slot) => part(slot, SHARED_BYTES, SHARED_BYTES + preparedBytes),
    clear: () => slots.clear(),
  }
}
