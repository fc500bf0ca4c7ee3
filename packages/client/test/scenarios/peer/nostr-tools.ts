/**
 * nostr-tools' BunkerSigner as a client under test, as its README sets it up, with a pool of its own.
 * Never gives it a time limit, a second try or a check that it does not have by itself.
 */

import { randomBytes } from 'node:crypto'
import type { ClientUnderTest } from '@nip46/testing/client-scenarios'
import { BunkerSigner, createNostrConnectURI, parseBunkerInput } from 'nostr-tools/nip46'
import { SimplePool } from 'nostr-tools/pool'
import { generateSecretKey, getPublicKey } from 'nostr-tools/pure'

export function createClient(): ClientUnderTest {
  const key = generateSecretKey()
  const pool = new SimplePool()
  const pages: string[] = []
  const params = { pool, onauth: (url: string) => void pages.push(url) }
  let signer: BunkerSigner | undefined
  let offered: Promise<BunkerSigner> | undefined
  const current = (): BunkerSigner => {
    if (signer === undefined) throw new Error('nobody has logged in yet')
    return signer
  }
  return {
    async connect(uri) {
      const pointer = await parseBunkerInput(uri)
      if (pointer === null) throw new Error('parseBunkerInput gives null')
      signer = BunkerSigner.fromBunker(key, pointer, params)
      await signer.connect()
      await signer.getPublicKey()
    },
    async offer(relays) {
      const secret = randomBytes(16).toString('hex')
      const uri = createNostrConnectURI({ clientPubkey: getPublicKey(key), relays: [...relays], secret })
      offered = BunkerSigner.fromURI(key, uri, params)
      offered.catch(() => undefined)
      return uri
    },
    async taken() {
      signer = await offered
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
      pool.destroy()
    },
  }
}
