/**
 * Logs in with a bunker:// URI.
 * Never keeps the URI: the secret in it is good for one connection.
 */

import { isPubkey, type Millis, parseBunkerUri } from '@nip46/core'
import { fromBunker } from '@nip46/core/client'
import type { BunkerSession } from './bunker-session.ts'
import { createClientKey } from './client-key.ts'
import { Nip46Error } from './error.ts'
import { quiet } from './host.ts'
import { type LoginOptions, misuse, readOptions, readWishes } from './options.ts'
import { type StartFacts, startSession } from './session.ts'

/** What `connect` takes beside the URI. */
export interface ConnectOptions extends LoginOptions {
  /** Fail with `session/identity-changed` if the remote signer answers for another user than this one. Era B also names it in `connect`. */
  readonly userPubkey?: string
}

/**
 * Connects to the remote signer that a bunker:// URI names. Rejects with a `Nip46Error`: `uri/…` if the text is no
 * usable URI, `transport/no-relay` if none of its relays can be reached within 15 s, `timeout/…` saying how far it came,
 * `connect/secret`, `remote/error` with the remote signer's `reason`, and the other codes of `ErrorCode`.
 *
 * ```ts
 * const session = await connect('bunker://…', { crypto: tinyCrypto(), transport: createRelayPool() })
 * const event = await session.signEvent({ kind: 1, content: 'hello' })
 * ```
 */
export function connect(bunkerUri: string, options: ConnectOptions): Promise<BunkerSession> {
  return quiet(async () => {
    const ports = readOptions(options)
    const wishes = readWishes(options)
    const { userPubkey } = options
    if (userPubkey !== undefined && !isPubkey(userPubkey)) {
      misuse('userPubkey is a pubkey in lower-case hex')
    }
    const pointer = parseBunkerUri(bunkerUri, { allowInsecure: ports.allowInsecureRelays })
    if (!pointer.ok)
      throw new Nip46Error({ code: pointer.error, message: `no usable bunker:// URI (${pointer.error})` })
    const key = createClientKey(ports, options.clientKey)
    const timeoutMs = ports.timeouts.connect
    const make = (facts: StartFacts, now: Millis) =>
      fromBunker({ ...facts, ...wishes, ...pointer.value, userPubkey, timeoutMs }, now)
    return startSession(ports, key, pointer.value.secret, make).session
  })
}
