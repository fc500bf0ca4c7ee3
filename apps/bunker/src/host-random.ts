/**
 * The machine's secure random bytes. Never anything predictable.
 */

import { randomFillSync } from 'node:crypto'

export function hostRandom(length: number): Uint8Array {
  return randomFillSync(new Uint8Array(length))
}
