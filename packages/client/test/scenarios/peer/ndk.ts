/**
 * NDK's NDKNip46Signer as a client under test, as its documentation sets it up: events are signed through NDKEvent.
 * Never gives it a time limit, a second try or a check that it does not have by itself.
 */

import { type ClientUnderTest, NotOffered } from '@nip46/testing/client-scenarios'
import NDK, { NDKEvent, NDKNip46Signer, NDKPrivateKeySigner, NDKUser } from '@nostr-dev-kit/ndk'

export function createClient(): ClientUnderTest {
  const local = NDKPrivateKeySigner.generate()
  const pages: string[] = []
  let ndk: NDK | undefined
  let signer: NDKNip46Signer | undefined
  let offered: Promise<unknown> | undefined
  const current = (): NDKNip46Signer => {
    if (signer === undefined) throw new Error('nobody has logged in yet')
    return signer
  }
  const start = (relays: readonly string[]): NDK => {
    ndk = new NDK({ explicitRelayUrls: [...relays] })
    // Not waited for: a relay that is dead must not stop an app before it begins.
    ndk.connect().catch(() => undefined)
    return ndk
  }
  const listen = (made: NDKNip46Signer): NDKNip46Signer =>
    made.on('authUrl', (url: string) => void pages.push(url))
  return {
    async connect(uri) {
      signer = listen(NDKNip46Signer.bunker(start(new URL(uri).searchParams.getAll('relay')), uri, local))
      await signer.blockUntilReady()
    },
    async offer(relays) {
      signer = listen(NDKNip46Signer.nostrconnect(start(relays), relays[0] ?? '', local))
      offered = signer.blockUntilReady()
      offered.catch(() => undefined)
      return signer.nostrConnectUri ?? ''
    },
    async taken() {
      await offered
    },
    getPublicKey: async () => current().getPublicKey(),
    async signEvent({ kind, content, tags, created_at }) {
      const event = new NDKEvent(ndk, {
        kind,
        content,
        tags: tags.map((tag) => [...tag]),
        created_at,
        pubkey: '',
      })
      await event.sign(current())
      return event.rawEvent()
    },
    nip44Encrypt: async (peer, text) => current().encrypt(new NDKUser({ pubkey: peer }), text, 'nip44'),
    nip44Decrypt: async (peer, text) => current().decrypt(new NDKUser({ pubkey: peer }), text, 'nip44'),
    nip04Encrypt: async (peer, text) => current().encrypt(new NDKUser({ pubkey: peer }), text, 'nip04'),
    nip04Decrypt: async (peer, text) => current().decrypt(new NDKUser({ pubkey: peer }), text, 'nip04'),
    ping: async () => {
      throw new NotOffered()
    },
    // It asks by itself, when it logs in.
    switchRelays: async () => {
      throw new NotOffered()
    },
    pages: async () => [...pages],
    async close() {
      signer?.stop()
      for (const relay of ndk?.pool.relays.values() ?? []) relay.disconnect()
    },
  }
}
