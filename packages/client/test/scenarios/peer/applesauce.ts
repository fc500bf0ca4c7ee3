/**
 * applesauce's NostrConnectSigner as a client under test, over its own RelayPool, as its documentation sets it up.
 * Never gives it a time limit, a second try or a check that it does not have by itself.
 */

import type { ClientUnderTest } from '@nip46/testing/client-scenarios'
import { RelayPool } from 'applesauce-relay'
import { NostrConnectSigner } from 'applesauce-signers'

export function createClient(): ClientUnderTest {
  const pool = new RelayPool()
  const pages: string[] = []
  const options = { pool, onAuth: async (url: string) => void pages.push(url) }
  let signer: NostrConnectSigner | undefined
  let offered: Promise<void> | undefined
  const current = (): NostrConnectSigner => {
    if (signer === undefined) throw new Error('nobody has logged in yet')
    return signer
  }
  return {
    async connect(uri) {
      signer = await NostrConnectSigner.fromBunkerURI(uri, options)
      await signer.getPublicKey()
    },
    async offer(relays) {
      signer = new NostrConnectSigner({ ...options, relays: [...relays] })
      offered = signer.waitForSigner()
      offered.catch(() => undefined)
      return signer.getNostrConnectURI({ name: 'scenarios' })
    },
    async taken() {
      await offered
      await current().getPublicKey()
    },
    getPublicKey: async () => current().getPublicKey(),
    signEvent: async ({ kind, content, tags, created_at }) =>
      current().signEvent({ kind, content, tags: tags.map((tag) => [...tag]), created_at }),
    nip44Encrypt: async (peer, text) => current().nip44Encrypt(peer, text),
    nip44Decrypt: async (peer, text) => current().nip44Decrypt(peer, text),
    nip04Encrypt: async (peer, text) => current().nip04Encrypt(peer, text),
    nip04Decrypt: async (peer, text) => current().nip04Decrypt(peer, text),
    ping: async () => current().ping(),
    switchRelays: async () => current().switchRelays(),
    pages: async () => [...pages],
    async close() {
      await signer?.close()
      pool.close()
    },
  }
}
