/**
 * Lengths of byte arrays, checked where they come in; equality without a shortcut.
 * Never repeats the content of what it refuses: it may be secret.
 */

import { UsageError } from '@nip46/core'

/** Throws `UsageError` unless `bytes` is a Uint8Array of exactly `length` bytes. */
export function expectBytes(noun: string, bytes: Uint8Array, length: number): void {
  if (!(bytes instanceof Uint8Array) || bytes.length !== length)
    throw new UsageError(`${noun} must be a Uint8Array of ${length} bytes, not ${bytes?.length}`)
}

/**
 * For secrets: memory that stays where it is until it is wiped. Small arrays made the usual way lie among the engine's
 * objects, which it moves about and leaves copies of.
 */
export function unmovedBytes(length: number): Uint8Array {
  return new Uint8Array(new ArrayBuffer(length))
}

/** Equality of two arrays of the same length, in a time that depends on the length only. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  let difference = 0
  for (let i = 0; i < a.length; i++) difference |= (a[i] as number) ^ (b[i] as number)
  return difference === 0
}
