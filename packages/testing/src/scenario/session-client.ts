/**
 * A client under test over anything that gives a session with the usual methods, as @nip46/client does.
 * Never does more for it than an app would.
 */

import type { EventTemplate } from '@nip46/core'
import type { ClientUnderTest } from './client-under-test.ts'

/** The part of a session that the scenarios use. */
export interface SessionLike {
  readonly getPublicKey: () => Promise<string>
  readonly signEvent: (template: EventTemplate) => Promise<unknown>
  readonly nip04: EncryptionLike
  readonly nip44: EncryptionLike
  readonly ping: () => Promise<unknown>
  readonly switchRelays: () => Promise<unknown>
  readonly close: () => void
}

interface EncryptionLike {
  readonly encrypt: (peer: string, text: string) => Promise<string>
  readonly decrypt: (peer: string, text: string) => Promise<string>
}

export interface SessionClientOptions {
  readonly connect: (uri: string) => Promise<SessionLike>
  readonly offer: (relays: readonly string[]) => {
    readonly uri: string
    readonly session: Promise<SessionLike>
  }
  /** The pages that `onAuthUrl` was told of, which the caller collects. */
  readonly pages: readonly string[]
  /** After the session has ended: closes what it ran over. */
  readonly close: () => Promise<void>
}

/**
 * ```ts
 * const pool = createRelayPool()
 * const options = { crypto: tinyCrypto(), transport: pool, onAuthUrl: ({ url }) => void pages.push(url) }
 * serveClient(createSessionClient({ pages, connect: (uri) => connect(uri, options), … }))
 * ```
 */
export function createSessionClient(options: SessionClientOptions): ClientUnderTest {
  const { pages } = options
  let session: SessionLike | undefined
  let offered: Promise<SessionLike> | undefined
  const current = (): SessionLike => {
    if (session === undefined) throw new Error('nobody has logged in yet')
    return session
  }
  return {
    async connect(uri) {
      session = await options.connect(uri)
    },
    async offer(relays) {
      const offer = options.offer(relays)
      offered = offer.session
      return offer.uri
    },
    async taken() {
      session = await offered
    },
    getPublicKey: async () => current().getPublicKey(),
    signEvent: async (template) => current().signEvent(template),
    nip44Encrypt: async (peer, text) => current().nip44.encrypt(peer, text),
    nip44Decrypt: async (peer, text) => current().nip44.decrypt(peer, text),
    nip04Encrypt: async (peer, text) => current().nip04.encrypt(peer, text),
    nip04Decrypt: async (peer, text) => current().nip04.decrypt(peer, text),
    ping: async () => current().ping(),
    switchRelays: async () => current().switchRelays(),
    pages: async () => [...pages],
    async close() {
      session?.close()
      await options.close()
    },
  }
}
