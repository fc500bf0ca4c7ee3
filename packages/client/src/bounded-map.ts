/**
 * A map that stays small: what was written longest ago is forgotten first.
 * Never holds more entries than it is told to.
 */

/** Writes an entry as the youngest of `map`, which holds at most `max`. */
export function remember<K, V>(map: Map<K, V>, key: K, value: V, max: number): void {
  map.delete(key)
  map.set(key, value)
  if (map.size <= max) return
  const [oldest] = map.keys()
  map.delete(oldest as K)
}
