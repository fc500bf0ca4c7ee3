/**
 * @nip46/client/import: goes on with a session that was made with another library.
 * Never connects again: the remote signer knows the client by its key.
 */

import type { Millis } from '@nip46/core'
import { fromPairing, fromSession } from '@nip46/core/client'
import type { BunkerSession } from './bunker-session.ts'
import { keyOfHex } from './client-key.ts'
import { checkForeign, type ForeignSession, noForeignSession } from './foreign-session.ts'
import { quiet } from './host.ts'
import { checkRelays, type LoginOptions, readOptions, readWishes, type SessionOptions } from './options.ts'
import { type StartFacts, startSession } from './session.ts'

export { type ForeignSession, parseBunkerPointer, parseNbunksec, parseNdkPayload } from './foreign-session.ts'

export type ImportOptions = SessionOptions & Pick<LoginOptions, 'profile'>

/**
 * The session, ready to use and to be saved as one of this library. If `foreign` names no user, it asks the remote signer
 * first. Let one of the two libraries go on with it, not both: a logout of one ends the other too.
 *
 * Rejects with a `Nip46Error`: `session/import` if it is none; `uri/relay-insecure` if a relay needs
 * `allowInsecureRelays`; where the remote signer is asked, as `connect` does, with `remote/error` and the reason
 * `session-invalid` if it does not know this client.
 *
 * ```ts
 * const session = await importSession(parseNbunksec(text), { crypto, transport, store })
 * ```
 */
export function importSession(foreign: ForeignSession, options: ImportOptions): Promise<BunkerSession> {
  return quiet(async () => {
    const ports = readOptions(options)
    const { profile } = readWishes(options)
    const { clientSecretKey, remoteSigner, relays, userPubkey } = checkForeign(foreign)
    checkRelays(relays, ports)
    const key = keyOfHex(clientSecretKey, ports)
    // 64 hex characters that are no secret key.
    if (key === undefined) throw noForeignSession()
    const make = ({ clientPubkey, seed }: StartFacts, now: Millis) => {
      const facts = { clientPubkey, remoteSigner, relays, profile }
      if (userPubkey === null) return fromPairing({ ...facts, seed }, now)
      const session = { ...facts, userPubkey, originRelays: relays, lastSwitchAt: 0 }
      return fromSession({ v: 1, ...session }, seed, now)
    }
    return startSession(ports, key, null, make).session
  })
}
