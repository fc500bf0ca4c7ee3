/**
 * @nip46/client over the WebSocket transport, on one of our backends or on what `auto` takes, with the default settings.
 * Never told of anything that a peer would not be told of.
 */

import { type BunkerSession, connect } from '@nip46/client'
import { createRelayPool } from '@nip46/transport-websocket'
import { loadBackend } from '../../subject/backends.ts'
import { serveClient } from './serve-client.ts'

serveClient(async ({ backend }) => {
  const crypto = await (await loadBackend(backend)).create()
  const transport = createRelayPool()
  let session: BunkerSession | undefined
  return {
    async connect(uri) {
      session = await connect(uri, { crypto, transport })
    },
    async sign(note) {
      return session?.signEvent(note)
    },
  }
})
