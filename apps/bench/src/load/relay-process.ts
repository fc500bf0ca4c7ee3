/**
 * The embedded relay in a process of its own, its limits raised far above what the load can reach.
 * Checks ids and signatures as always.
 */

import { createRelay } from '@nip46/relay'
import { serve, usage } from '../process/serve.ts'
import { loadBackend } from '../subject/backends.ts'

serve({
  async start({ backend }: { readonly backend: string }) {
    const crypto = await (await loadBackend(backend)).create()
    const relay = createRelay({
      crypto,
      limits: {
        messagesPerSecond: 1_000_000,
        messageBurst: 1_000_000,
        connectionsPerAddress: 1_024,
        outgoingBytes: 67_108_864,
        recentIds: 1_000_000,
      },
    })
    const { url } = await relay.listen()
    return { url }
  },
  usage,
})
