/**
 * The ids of the latest events, so many and no more. The oldest is forgotten first.
 */

export interface RecentIds {
  has(id: string): boolean
  add(id: string): void
  readonly size: number
}

export function createRecentIds(limit: number): RecentIds {
  const ids = new Set<string>()
  return {
    has: (id) => ids.has(id),
    add(id) {
      if (ids.has(id)) return
      if (ids.size >= limit) {
        for (const oldest of ids) {
          ids.delete(oldest)
          break
        }
      }
      ids.add(id)
    },
    get size() {
      return ids.size
    },
  }
}
