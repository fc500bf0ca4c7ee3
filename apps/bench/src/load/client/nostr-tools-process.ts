/** nostr-tools' BunkerSigner as its README sets it up. Changes nothing of it. */

import { BunkerSigner, parseBunkerInput } from 'nostr-tools/nip46'
import { SimplePool } from 'nostr-tools/pool'
import { generateSecretKey } from 'nostr-tools/pure'
import { serveClient } from './serve-client.ts'

serveClient(async () => {
  let signer: BunkerSigner | undefined
  return {
    async connect(uri) {
      const pointer = await parseBunkerInput(uri)
      if (pointer === null) throw new Error('parseBunkerInput gives null')
      signer = BunkerSigner.fromBunker(generateSecretKey(), pointer, { pool: new SimplePool() })
      await signer.connect()
      await signer.getPublicKey()
    },
    async sign({ kind, content, tags, created_at }) {
      return signer?.signEvent({ kind, content, tags: [...tags], created_at })
    },
  }
})
