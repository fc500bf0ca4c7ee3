/**
 * Whether a remote signer can be made of what it was given.
 * Only looks: what is wrong is the caller's own mistake, and thrown.
 */

import { limits, type RelayUrl, UsageError } from '@nip46/core'
import type { Rate, RemoteSignerOptions } from './options.ts'

/** Throws `UsageError` on rates that let nothing through. */
export function checkRates({ rates = {} }: RemoteSignerOptions): void {
  for (const [name, { perSecond, burst }] of Object.entries<Rate>(rates)) {
    if (!(perSecond > 0) || !(burst >= 1))
      throw new UsageError(`rates.${name} has a perSecond above 0 and a burst of at least 1`)
  }
}

/** Without repeats. Throws `UsageError` if there are none, or too many. */
export function ownRelays(relays: readonly RelayUrl[]): readonly RelayUrl[] {
  if (relays.length === 0 || relays.length > limits.URI_RELAYS_OUT)
    throw new UsageError(`a remote signer needs 1 to ${limits.URI_RELAYS_OUT} relays`)
  return [...new Set(relays)]
}
