/**
 * Wrong passphrases, counted: after some in a row each further try has to wait, twice as long each time.
 * Never forgets because time went by, only after a right one; a restart begins anew, and there scrypt is the brake.
 */

import type { Clock } from '@nip46/core'
import { FREE_TRIES, TRY_PAUSE_MAX_MS } from './limits.ts'
import { VaultError } from './vault-error.ts'

export interface Tries {
  /** Throws `key/tries` while the pause lasts. */
  check(): void
  /** Returns how many were wrong in a row. */
  wrong(): number
  right(): void
}

export function createTries(clock: Clock): Tries {
  let count = 0
  let waitUntil = 0
  return {
    check() {
      const retryAfterMs = waitUntil - clock.now()
      // A clock that was set back must not lock anybody out.
      if (retryAfterMs <= 0 || retryAfterMs > TRY_PAUSE_MAX_MS) return
      throw new VaultError(
        'key/tries',
        `too many wrong passphrases: try again in ${Math.ceil(retryAfterMs / 1_000)} s`,
        { retryAfterMs },
      )
    },
    wrong() {
      count++
      const pauses = count - FREE_TRIES
      if (pauses > 0) waitUntil = clock.now() + Math.min(1_000 * 2 ** (pauses - 1), TRY_PAUSE_MAX_MS)
      return count
    },
    right() {
      count = 0
      waitUntil = 0
    },
  }
}
