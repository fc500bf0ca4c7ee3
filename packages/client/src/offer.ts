/**
 * Offers a connection with a nostrconnect:// URI, to be scanned or pasted into a remote signer.
 * Never takes anything but the offer's secret for an answer, unless the profile says so.
 */

import { encodeNostrConnectUri, type Millis, parseRelayList } from '@nip46/core'
import { fromOffer } from '@nip46/core/client'
import type { BunkerSession } from './bunker-session.ts'
import { createClientKey } from './client-key.ts'
import { freshId } from './fresh-id.ts'
import { type LoginOptions, misuse, readOptions, readWishes } from './options.ts'
import { type StartFacts, startSession } from './session.ts'

/** What `offer` takes. */
export interface OfferOptions extends LoginOptions {
  /** Where to wait for the remote signer: 1 to `limits.URI_RELAYS_OUT` relay URLs. */
  readonly relays: readonly string[]
}

/** An offer that is out. */
export interface Offer {
  /** Show it as a link or a QR code, to one remote signer: it holds the secret. */
  readonly uri: string
  /** Resolves when a remote signer took the offer and said who the user is. Rejects with `timeout/connect` and the other codes of `connect`. */
  readonly session: Promise<BunkerSession>
  /** Takes the offer back: `session` rejects with `cancelled`. Without effect once it has resolved. */
  cancel(): void
}

/**
 * Makes an offer and waits for a remote signer to take it. Throws `UsageError` on options that cannot work.
 *
 * ```ts
 * const { uri, session } = offer({ relays: ['wss://relay.example'], metadata: { name: 'My app' }, crypto, transport })
 * showQrCode(uri)
 * const { signEvent } = await session
 * ```
 */
export function offer(options: OfferOptions): Offer {
  const ports = readOptions(options)
  const wishes = readWishes(options)
  const read = parseRelayList(options.relays, { allowInsecure: ports.allowInsecureRelays })
  const relays = read.ok ? read.value : null
  if (relays === null) misuse('relays are 1 to 10 wss:// URLs; ws:// needs allowInsecureRelays')
  const secret = freshId(ports.random)
  const key = createClientKey(ports, options.clientKey)
  const timeoutMs = ports.timeouts.offer
  let uri = ''
  const make = (facts: StartFacts, now: Millis) => {
    const offered = { ...facts, ...wishes, relays, secret, timeoutMs }
    uri = encodeNostrConnectUri(offered)
    return fromOffer(offered, now)
  }
  return { ...startSession(ports, key, secret, make), uri }
}
