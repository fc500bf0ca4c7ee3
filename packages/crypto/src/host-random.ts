/**
 * The host's secure source of random bytes, for the ready-made entries only.
 * Never falls back to anything weaker.
 */

/** Largest request that `getRandomValues` serves at once. */
const CHUNK = 65_536

/** Fresh random bytes from `globalThis.crypto`. */
export function hostRandom(length: number): Uint8Array {
  const bytes = new Uint8Array(length)
  for (let at = 0; at < length; at += CHUNK) globalThis.crypto.getRandomValues(bytes.subarray(at, at + CHUNK))
  return bytes
}
