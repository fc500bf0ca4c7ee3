/**
 * Whether a remote signer can be made of what it was given.
 * Only looks: what is wrong is the caller's own mistake, and thrown.
 */

import { limits, parseRelayUrl, type RelayUrl, UsageError } from '@nip46/core'
import type { Rate, RemoteSignerOptions } from './options.ts'

/** Throws `UsageError` on rates that let nothing through. */
export function checkRates({ rates = {} }: RemoteSignerOptions): void {
  for (const [name, { perSecond, burst }] of Object.entries<Rate>(rates)) {
    if (!(perSecond > 0) || !(burst >= 1))
      throw new UsageError(`rates.${name} has a perSecond above 0 and a burst of at least 1`)
  }
}

/** Without repeats. Throws `UsageError` if there are none, or too many, or one that `parseRelayUrl` did not make. */
export function ownRelays(relays: readonly RelayUrl[]): readonly RelayUrl[] {
  // Hosts without types may leave them out, or give texts.
  if (!Array.isArray(relays) || relays.length === 0 || relays.length > limits.URI_RELAYS_OUT)
    throw new UsageError(`a remote signer needs 1 to ${limits.URI_RELAYS_OUT} relays`)
  for (const relay of relays) {
    const parsed = parseRelayUrl(String(relay), { allowInsecure: true })
    if (!parsed.ok || parsed.value !== relay)
      throw new UsageError(
        'each relay of a remote signer is a RelayUrl: what parseRelayUrl of @nip46/core makes of a text',
      )
  }
  return [...new Set(relays)]
}
