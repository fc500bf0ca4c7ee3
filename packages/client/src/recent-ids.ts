/**
 * The youngest ids of a stream, so that a repeat is known at once.
 * Never grows past its limit: the oldest id is forgotten.
 */

export interface RecentIds {
  has(id: string): boolean
  add(id: string): void
}

export function createRecentIds(limit: number): RecentIds {
  const ids = new Set<string>()
  return {
    has: (id) => ids.has(id),
    add(id) {
      ids.add(id)
      if (ids.size <= limit) return
      for (const oldest of ids) {
        ids.delete(oldest)
        break
      }
    },
  }
}
