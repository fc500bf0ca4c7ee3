/** applesauce's NostrConnectSigner over its own RelayPool. Changes nothing of it. */

import { RelayPool } from 'applesauce-relay'
import { NostrConnectSigner } from 'applesauce-signers'
import { serveClient } from './serve-client.ts'

serveClient(async () => {
  let signer: NostrConnectSigner | undefined
  return {
    async connect(uri) {
      signer = await NostrConnectSigner.fromBunkerURI(uri, { pool: new RelayPool() })
      await signer.getPublicKey()
    },
    async sign({ kind, content, tags, created_at }) {
      return signer?.signEvent({ kind, content, tags: [...tags], created_at })
    },
  }
})
