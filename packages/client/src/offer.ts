/**
 * Offers a connection with a nostrconnect:// URI, to be scanned or pasted into a remote signer.
 * Never takes anything but the offer's secret for an answer, unless the profile says so.
 */

import { encodeNostrConnectUri, parseRelayUrl, type RelayUrl, UsageError } from '@nip46/core'
import { type ClientState, fromOffer } from '@nip46/core/client'
import type { BunkerSession } from './bunker-session.ts'
import { createClientKey, guardKey } from './client-key.ts'
import { freshId } from './fresh-id.ts'
import { type LoginOptions, readOptions, readWishes } from './options.ts'
import { startSession } from './session.ts'

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
  const { profile, permissions, perms, metadata } = readWishes(options)
  const relays = options.relays.map((text) => readRelay(text, ports.allowInsecure))
  const secret = freshId(ports.random)
  const key = createClientKey(ports.crypto, ports.random, options.clientKey)
  const clientPubkey = key.handle.pubkey
  const make = (ids: readonly string[], now: number): ClientState => {
    const state = fromOffer({ clientPubkey, profile, relays, secret, perms, metadata, ids }, now)
    const { offer: timeout } = ports.timeouts
    return timeout === undefined ? state : { ...state, deadline: now + timeout }
  }
  return guardKey(key, () => {
    const named = metadata === null ? {} : { metadata }
    const uri = encodeNostrConnectUri({ clientPubkey, relays, secret, permissions, ...named })
    return { uri, ...startSession({ key, make, secret }, ports) }
  })
}

function readRelay(text: string, allowInsecure: boolean): RelayUrl {
  const relay = parseRelayUrl(text, { allowInsecure })
  if (relay.ok) return relay.value
  throw new UsageError(`relays holds wss:// URLs: ${JSON.stringify(text)} is none (${relay.error})`)
}
