/**
 * A bounded map that forgets the least recently used entry.
 * Never grows past its limit, and hands every entry that leaves to `onEvict`, so that secrets can be wiped.
 */

export interface Cache<V> {
  /** Also marks the entry as just used. */
  get(key: string): V | undefined
  set(key: string, value: V): void
  clear(): void
  readonly size: number
}

export function createCache<V>(limit: number, onEvict: (value: V) => void): Cache<V> {
  const entries = new Map<string, V>()
  return {
    get(key) {
      const value = entries.get(key)
      if (value === undefined) return undefined
      entries.delete(key)
      entries.set(key, value)
      return value
    },
    set(key, value) {
      const old = entries.get(key)
      entries.delete(key)
      entries.set(key, value)
      if (old !== undefined) onEvict(old)
      for (const [oldest, left] of entries) {
        if (entries.size <= limit) break
        entries.delete(oldest)
        onEvict(left)
      }
    },
    clear() {
      const values = [...entries.values()]
      entries.clear()
      for (const value of values) onEvict(value)
    },
    get size() {
      return entries.size
    },
  }
}
