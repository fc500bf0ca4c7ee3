/**
 * A map that never grows past its bound: the entry set or touched longest ago goes.
 * Never keyed by anything but strings; a Map, so that no key can reach a prototype.
 */

export interface BoundedMap<V> {
  get(key: string): V | undefined
  has(key: string): boolean
  /** Sets, and makes the entry the youngest. */
  set(key: string, value: V): void
  delete(key: string): boolean
  values(): IterableIterator<V>
  readonly size: number
}

export function createBoundedMap<V>(bound: number): BoundedMap<V> {
  const entries = new Map<string, V>()
  return {
    get: (key) => entries.get(key),
    has: (key) => entries.has(key),
    set(key, value) {
      entries.delete(key)
      entries.set(key, value)
      if (entries.size <= bound) return
      for (const oldest of entries.keys()) {
        entries.delete(oldest)
        return
      }
    },
    delete: (key) => entries.delete(key),
    values: () => entries.values(),
    get size() {
      return entries.size
    },
  }
}
