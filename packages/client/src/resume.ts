/**
 * Goes on with a saved session: no connect, no question, nothing for the user to do.
 * Never believes the storage it came from.
 */

import type { Millis } from '@nip46/core'
import { fromSession } from '@nip46/core/client'
import type { BunkerSession } from './bunker-session.ts'
import { keyOfHex } from './client-key.ts'
import { Nip46Error } from './error.ts'
import { quiet } from './host.ts'
import { checkRelays, readOptions, type SessionOptions } from './options.ts'
import { noSavedSession, parseSavedSession, type SavedSession } from './saved-session.ts'
import { type StartFacts, startSession } from './session.ts'
import type { SessionStore } from './session-store.ts'
import type { SessionStoreError } from './session-store-error.ts'

/**
 * The session that `save()` wrote down, ready at once: its requests wait until a relay is reached. Rejects with a
 * `Nip46Error`: `session/saved` if it is none, `uri/relay-insecure` if it needs `allowInsecureRelays`.
 *
 * ```ts
 * const session = await resume(parseSavedSession(stored), { crypto, transport })
 * ```
 */
export function resume(saved: SavedSession, options: SessionOptions): Promise<BunkerSession> {
  return quiet(async () => {
    const ports = readOptions(options)
    const { clientSecretKey, session } = parseSavedSession(saved)
    checkRelays([...session.relays, ...session.originRelays], ports)
    const key = keyOfHex(clientSecretKey, ports)
    if (key?.handle.pubkey !== session.clientPubkey) {
      key?.destroy()
      throw noSavedSession()
    }
    const make = ({ seed }: StartFacts, now: Millis) => fromSession(session, seed, now)
    return startSession(ports, key, null, make).session
  })
}

/**
 * The session that `options.store` holds; undefined if it holds none. Rejects as {@link resume} does, and with the
 * `store/…` code of a `SessionStoreError`. A store of your own that fails in another way gives `session/saved`.
 *
 * ```ts
 * const session = (await resumeStored({ crypto, transport, store })) ?? (await connect(uri, { crypto, transport, store }))
 * ```
 */
export function resumeStored(
  options: SessionOptions & { readonly store: SessionStore },
): Promise<BunkerSession | undefined> {
  return quiet(async () => {
    let saved: unknown
    try {
      saved = await options.store.load()
    } catch (cause) {
      // By its name, since the class is for stores to load. The text of any other cause may hold the key.
      const { name, code, message } = Object(cause) as Partial<SessionStoreError>
      if (name === 'SessionStoreError' && code !== undefined)
        throw new Nip46Error({ code, message: message ?? code })
      throw new Nip46Error({ code: 'session/saved', message: 'the store could not be read' })
    }
    return saved === undefined || saved === null ? undefined : resume(parseSavedSession(saved), options)
  })
}
